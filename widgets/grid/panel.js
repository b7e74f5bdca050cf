/** The whole panel: what is asked, what is varied, how it is looked at, and the completions. */

import { Asking, button } from "../shared/asking.js";
import { Choose } from "../shared/choose.js";
import { attribute, h, show } from "../shared/dom.js";
import { Latest } from "../shared/latest.js";
import { Axes } from "./axes.js";
import { number, span } from "./heat.js";
import { Table } from "./table.js";

/** @typedef {import("./types.js").State} State */

export class Panel {
  /** @param {(message: Record<string, unknown>) => void} send */
  constructor(send) {
    this.changes = new Latest(send);
    this.asking = new Asking("Run", "run by", send);
    this.axes = new Axes((axes) => this.changes.ask({ type: "axes", axes }));
    this.meter = h("progress", { "aria-label": "Progress" });
    this.words = h("span", { role: "status" });
    this.progress = h("div", { class: "inb-line", hidden: true }, this.meter, this.words);
    this.across = new Choose("Columns", (across) => send({ type: "arrange", across }));
    this.colour = new Choose("Colour by", (by) => send({ type: "colour", by }));
    this.least = h("span");
    this.most = h("span");
    this.legend = h("span", { class: "inb-heat-legend" }, this.least, h("span", { class: "inb-heat-ramp", "aria-hidden": "true" }), this.most);
    this.map = button("Map of the texts", () => send({ type: "map" }), { title: "Points by the vectors of the texts: what is near is alike" });
    this.looks = h("div", { class: "inb-line", hidden: true }, this.across.el, this.colour.el, this.legend, this.map);
    this.table = new Table(send);
    this.el = h(
      "section", { class: "inb-widget inb-panel inb-grid live", "aria-label": "Grid" },
      this.asking.el, this.asking.problem.el, this.axes.el, this.progress, this.looks, this.table.el,
    );
  }

  /** @param {State} state */
  show(state) {
    this.changes.answered(state.answered);
    this.asking.show(state);
    this.axes.show(state);
    attribute(this.asking.begin, "disabled", state.counted.problem !== null);
    this.#showProgress(state);
    this.#showLooks(state);
    this.table.show(state);
    attribute(this.el, "aria-busy", state.status === "running");
  }

  /** @param {State} state */
  #showProgress({ progress, status }) {
    const running = status === "running";
    show(this.progress, running || "total" in progress);
    if ("total" in progress) {
      this.meter.max = progress.total;
      this.meter.value = progress.done;
    } else this.meter.removeAttribute("value");
    const words = "words" in progress ? progress.words : "The prompt is run.";
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  /** @param {State} state */
  #showLooks({ table, across, figures, colour_by: by, cells }) {
    show(this.looks, cells.length);
    if (!("rows" in table)) return;
    const axes = [...new Set([...table.down, ...(across ? [across] : [])])];
    this.across.show([["", "a row a text"], ...pairs(axes)], across);
    this.colour.show([["", "nothing"], ...pairs(figures)], by);
    const found = by ? span(cells.map(({ measured }) => measured[by] ?? null)) : null;
    show(this.legend, found);
    this.least.textContent = found ? number(found.least) : "";
    this.most.textContent = found ? number(found.most) + (found.wide ? ", by its logarithm" : "") : "";
  }
}

/** @param {string[]} names @returns {[string, string][]} */
function pairs(names) {
  return names.map((name) => [name, name]);
}
