/** Points on a canvas that is panned and zoomed by pointer, wheel and keys. It knows places and colours, no texts. */

import { h } from "../shared/dom.js";

const STEP = 0.15;
const NEAR = 14; // pixels

export class Plot {
  /**
   * @param {Float32Array} points x and y in turns, from -1 to 1
   * @param {{ pointed: (row: number, x: number, y: number) => void, picked: (row: number) => void }} told -1 for none
   */
  constructor(points, told) {
    this.points = points;
    this.count = points.length / 2;
    this.told = told;
    /** @type {import("./data.js").Look | null} */
    this.look = null;
    /** @type {Uint8Array} whether each row is shown, and whether it is meant: 0 hidden, 1 aside, 2 shown */
    this.state = new Uint8Array(this.count).fill(2);
    this.marked = -1;
    this.zoom = 1;
    this.at = [0, 0];
    this.frame = 0;
    this.canvas = h("canvas", { tabindex: "0", role: "img", class: "map-canvas", "aria-label": "Map. Arrow keys move it, plus and minus zoom, 0 shows all." });
    this.el = h("div", { class: "map-plot" }, this.canvas);
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(this.el);
  }

  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#paint();
    });
  }

  whole() {
    this.zoom = 1;
    this.at = [0, 0];
    this.draw();
  }

  /** @param {number} row brings it into the middle, where it is not seen */
  reveal(row) {
    const [x, y] = this.place(row);
    const { width, height } = this.canvas.getBoundingClientRect();
    if (x < 0 || y < 0 || x > width || y > height) this.at = [this.points[2 * row] ?? 0, this.points[2 * row + 1] ?? 0];
  }

  /** @param {number} row @returns {[number, number]} where it is on the canvas, in pixels of the page */
  place(row) {
    const { width, height, scaleX, scaleY } = this.#scale();
    const [x = 0, y = 0] = [this.points[2 * row], this.points[2 * row + 1]];
    return [width / 2 + (x - (this.at[0] ?? 0)) * scaleX, height / 2 - (y - (this.at[1] ?? 0)) * scaleY];
  }

  #scale() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return { width, height, scaleX: (width / 2 - 16) * this.zoom, scaleY: (height / 2 - 16) * this.zoom };
  }

  #paint() {
    const { clientWidth: width, clientHeight: height } = this.el;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d");
    if (!pen || !this.look) return;
    pen.scale(ratio, ratio);
    const { scaleX, scaleY } = this.#scale();
    const size = Math.max(1, (this.count < 3000 ? 3.5 : this.count < 20000 ? 2.5 : 1.5) * Math.sqrt(Math.min(this.zoom, 4)));
    const { tones, codes } = this.look;
    for (const strong of [1, 2]) {
      pen.globalAlpha = strong === 2 ? 0.85 : 0.12;
      for (let row = 0; row < this.count; row++) {
        if (this.state[row] !== strong) continue;
        const x = width / 2 + ((this.points[2 * row] ?? 0) - (this.at[0] ?? 0)) * scaleX;
        const y = height / 2 - ((this.points[2 * row + 1] ?? 0) - (this.at[1] ?? 0)) * scaleY;
        if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
        pen.fillStyle = tones[codes[row] ?? 0] ?? "";
        pen.beginPath();
        pen.arc(x, y, size, 0, 7);
        pen.fill();
      }
    }
    if (this.marked >= 0) {
      const [x, y] = this.place(this.marked);
      pen.globalAlpha = 1;
      pen.strokeStyle = "#f5470c";
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.arc(x, y, size + 5, 0, 7);
      pen.stroke();
    }
  }

  /** @param {number} x @param {number} y @returns {number} the nearest row that is shown, -1 for none near */
  #nearest(x, y) {
    let [best, least] = [-1, NEAR * NEAR];
    for (let row = 0; row < this.count; row++) {
      if (!this.state[row]) continue;
      const [px, py] = this.place(row);
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away < least) [best, least] = [row, away];
    }
    return best;
  }

  /** @param {number} factor @param {number} x @param {number} y the place that stays where it is */
  #zoomTo(factor, x, y) {
    const { width, height, scaleX, scaleY } = this.#scale();
    const zoom = Math.min(200, Math.max(0.5, this.zoom * factor));
    const change = 1 - this.zoom / zoom;
    this.at = [(this.at[0] ?? 0) + ((x - width / 2) / scaleX) * change, (this.at[1] ?? 0) - ((y - height / 2) / scaleY) * change];
    this.zoom = zoom;
    this.draw();
  }

  /** @param {number} x @param {number} y pixels */
  #move(x, y) {
    const { scaleX, scaleY } = this.#scale();
    this.at = [(this.at[0] ?? 0) - x / scaleX, (this.at[1] ?? 0) + y / scaleY];
    this.draw();
  }

  #listen() {
    const canvas = this.canvas;
    /** @type {{ x: number, y: number, moved: boolean } | null} */
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.offsetX, y: event.offsetY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return this.told.pointed(this.#nearest(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
      const [x, y] = [event.offsetX - held.x, event.offsetY - held.y];
      if (!held.moved && Math.hypot(x, y) < 4) return;
      this.#move(x, y);
      held = { x: event.offsetX, y: event.offsetY, moved: true };
    });
    canvas.addEventListener("pointerup", (event) => {
      if (held && !held.moved) this.told.picked(this.#nearest(event.offsetX, event.offsetY));
      held = null;
    });
    canvas.addEventListener("pointerleave", () => this.told.pointed(-1, 0, 0));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#zoomTo(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const { clientWidth: width, clientHeight: height } = canvas;
      /** @type {Record<string, () => void>} */
      const keys = {
        ArrowLeft: () => this.#move(width * STEP, 0),
        ArrowRight: () => this.#move(-width * STEP, 0),
        ArrowUp: () => this.#move(0, height * STEP),
        ArrowDown: () => this.#move(0, -height * STEP),
        "+": () => this.#zoomTo(1.4, width / 2, height / 2),
        "=": () => this.#zoomTo(1.4, width / 2, height / 2),
        "-": () => this.#zoomTo(1 / 1.4, width / 2, height / 2),
        0: () => this.whole(),
      };
      const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }
}
