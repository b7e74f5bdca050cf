/** The completions beside each other, coloured by a figure, with what one of them has not marked. */

import { button } from "../shared/asking.js";
import { attribute, fill, h } from "../shared/dom.js";
import { heat, number } from "./heat.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Cell} Cell */
/** @typedef {import("./types.js").Layout} Layout */

export class Table {
  /** @param {(message: Record<string, unknown>) => void} send */
  constructor(send) {
    this.send = send;
    /** @type {Map<number, Box>} the cells on the page, by place */
    this.boxes = new Map();
    this.laid = "";
    this.table = h("table", { "aria-label": "Completions" });
    this.el = h("div", { class: "inb-grid-table", tabindex: "0", role: "region", "aria-label": "Completions beside each other" }, this.table);
  }

  /** @param {State} state */
  show(state) {
    const layout = state.table;
    this.el.hidden = !("rows" in layout);
    if (!("rows" in layout)) return;
    const laid = JSON.stringify([layout, state.opens]);
    if (laid !== this.laid) this.#lay(/** @type {Layout} */ (layout), state);
    this.laid = laid;
    const here = new Map(state.cells.map((cell) => [cell.place, cell]));
    const scale = heat(state.cells.map(({ measured }) => measured[state.colour_by] ?? null));
    for (const [place, box] of this.boxes) box.show(here.get(place), state, scale);
  }

  /** @param {Layout} layout @param {State} state */
  #lay({ down, heads, rows }, { opens }) {
    this.boxes = new Map();
    const head = [...down, ...heads].map((text) => h("th", { scope: "col" }, text));
    const lines = rows.map(({ labels, places }) =>
      h("tr", {}, ...labels.map((text) => h("th", { scope: "row" }, text)), ...places.map((place) => {
        const box = new Box(place, opens, this.send);
        this.boxes.set(place, box);
        return box.el;
      })));
    fill(this.table, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...lines));
  }
}

class Box {
  /** @param {number} place @param {string[]} opens @param {(message: Record<string, unknown>) => void} send */
  constructor(place, opens, send) {
    this.text = h("div", { class: "inb-cell-text" });
    this.facts = h("div", { class: "inb-cell-facts" });
    this.compare = button("Compare", () => send({ type: "compare", place: this.isReference ? null : place }));
    this.opens = opens.map((where) => button(where, () => send({ type: "open", place, where }), { dataset: { where } }));
    this.acts = h("div", { class: "inb-cell-acts" }, this.compare, ...this.opens);
    this.el = h("td", { dataset: { place: String(place) } }, this.text, this.facts, this.acts);
    this.isReference = false;
    this.shown = "";
  }

  /** @param {Cell | undefined} cell @param {State} state @param {(value: number | null) => number | null} scale */
  show(cell, { status, reference, colour_by: by }, scale) {
    const value = cell?.measured[by] ?? null;
    const share = scale(value);
    this.isReference = cell !== undefined && cell.place === reference;
    const shown = JSON.stringify([cell, status, reference, by, share]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.acts.hidden = !cell;
    if (!cell) {
      this.text.textContent = status === "running" ? "…" : "not run";
      this.facts.textContent = "";
    } else {
      const pieces = cell.pieces.map(([text, same]) => (same ? text : h("mark", {}, text)));
      fill(this.text, ...pieces);
      this.facts.textContent = by && by !== "tokens" ? `${cell.facts} · ${by} ${number(value)}` : cell.facts;
      this.compare.textContent = this.isReference ? "Compare no longer" : "Compare";
      attribute(this.compare, "aria-pressed", this.isReference);
      attribute(this.compare, "aria-label", this.isReference ? "Compare no longer" : `Compare the others with ${cell.label || "this"}`);
      for (const one of this.opens) attribute(one, "aria-label", `Open ${cell.label || "this"} in ${one.dataset["where"]}`);
    }
    attribute(this.el, "data-missing", !cell);
    attribute(this.el, "data-reference", this.isReference);
    if (share === null) this.el.style.removeProperty("--heat");
    else this.el.style.setProperty("--heat", `${Math.round(5 + 33 * share)}%`);
  }
}
