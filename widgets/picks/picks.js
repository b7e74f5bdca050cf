/** The table: the first cell of a row is a button, and a click anywhere in the row is one on it. */

import { attribute, fill, h, show } from "../shared/dom.js";

/** @typedef {import("./types.js").State} State */

export class Picks {
  /** @param {(message: { type: "pick", row: number }) => void} send */
  constructor(send) {
    this.send = send;
    this.heading = h("strong");
    this.head = h("tr");
    this.body = h("tbody");
    this.table = h("table", {}, h("thead", {}, this.head), this.body);
    this.scroller = h("div", { class: "inb-scroller", tabindex: "0", role: "region" }, this.table);
    this.more = h("p", { class: "inb-more-words" });
    this.el = h("section", { class: "inb-widget inb-table inb-picks" }, this.heading, this.scroller, this.more);
    this.shown = "";
  }

  /** @param {State} state */
  show({ heading, heads, rows, pickable, picked, more }) {
    show(this.el, heading);
    this.heading.textContent = heading;
    attribute(this.scroller, "aria-label", heading);
    this.more.textContent = more;
    show(this.more, more);
    show(this.scroller, rows.length > 0);
    const shown = JSON.stringify([heads, rows, pickable]);
    if (shown !== this.shown) {
      this.shown = shown;
      fill(this.head, ...heads.map((name) => h("th", { scope: "col" }, name)));
      fill(this.body, ...rows.map((cells, at) => this.#row(cells, at, pickable)));
    }
    [...this.body.children].forEach((row, at) => {
      const on = picked.includes(at);
      attribute(row, "data-picked", on);
      const button = row.querySelector("button");
      if (button) attribute(button, "aria-pressed", on);
    });
  }

  /** @param {string[]} cells @param {number} at @param {boolean} pickable */
  #row(cells, at, pickable) {
    const pick = () => this.send({ type: "pick", row: at });
    const [first = "", ...rest] = cells;
    const label = `Choose ${cells.filter(Boolean).join(", ")}`.slice(0, 120);
    // The button's own click comes up to the row, which sends it once.
    const begin = pickable ? h("button", { type: "button", "aria-label": label }, first) : first;
    const row = h("tr", {}, h("td", {}, begin), ...rest.map((words) => h("td", {}, words)));
    if (pickable) row.addEventListener("click", pick);
    return row;
  }
}
