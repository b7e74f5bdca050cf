/** A table of models, a line above it that says what it shows, and the way to more. It does not know who fills it. */

import { attribute, h, show } from "../shared/dom.js";
import { Problem } from "../shared/problem.js";
import { heading, row } from "./row.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Row} Row */

export class Results {
  /** @param {(message: { type: "plan", id: string } | { type: "more" | "retry" }) => void} send */
  constructor(send) {
    this.send = send;
    /** @type {Map<string, { shown: string, el: HTMLTableRowElement }>} the rows on the page, by model */
    this.rows = new Map();
    this.note = h("p", { class: "inb-note", role: "status" });
    this.busy = h("span", { class: "inb-busy", "aria-hidden": "true" });
    this.retry = h("button", { type: "button", class: "inb-button", onclick: () => this.#retry() }, "Retry");
    this.problem = new Problem(this.retry);
    this.body = h("tbody");
    this.table = h("table", { "aria-label": "Models found" }, h("thead", {}, heading()), this.body);
    this.scroller = h("div", { class: "inb-hits", tabindex: "0", role: "region", "aria-label": "Search results", hidden: true }, this.table);
    this.more = h("button", { type: "button", class: "inb-button inb-more", hidden: true, onclick: () => this.#more() });
    this.el = h("section", { class: "inb-widget inb-results", tabindex: "-1" }, this.note, this.busy, this.problem.el, this.scroller, this.more);
    this.working = false;
    /** @type {HTMLTableRowElement | undefined} the row that has the focus and is made anew */
    this.refocus = undefined;
  }

  /** @param {State} state */
  show(state) {
    const { status, rows, problem, more } = state;
    this.working = status === "searching" || status === "paging";
    this.el.dataset["status"] = problem && !this.working ? "problem" : status;
    if (this.note.textContent !== state.note) this.note.textContent = state.note;
    this.#showProblem(state);
    this.#showRows(state);
    attribute(this.scroller, "aria-busy", this.working);
    const stale = state.stale && !this.working;
    this.el.dataset["stale"] = String(stale);
    attribute(this.table, "aria-label", stale ? "Models found before" : "Models found");
    this.more.textContent = status === "paging" ? "Fetching more" : `Show ${more} more`;
    attribute(this.more, "aria-disabled", this.working);
    show(this.more, more && rows.length > 0 && !state.stale);
  }

  /** @param {State} state */
  #showProblem({ problem, status }) {
    // While the question is asked again the answer to the last one stays readable: nothing jumps.
    const focused = this.problem.el.contains(document.activeElement);
    this.retry.textContent = status === "searching" || status === "paging" ? "Trying" : "Retry";
    attribute(this.retry, "aria-disabled", this.working);
    this.problem.show(problem, problem?.retry);
    if (focused && !problem) (this.scroller.hidden ? this.el : this.scroller).focus();
  }

  /** @param {State} state */
  #showRows({ rows, wanted, judging }) {
    const before = this.rows;
    this.rows = new Map();
    for (const one of rows) {
      const planned = one.id === wanted;
      const shown = JSON.stringify([one, planned, judging]);
      const old = before.get(one.id);
      // Only what changed is made anew, so that a button keeps the focus while more rows come.
      const el = old && old.shown === shown ? old.el : row(one, planned, judging, () => this.send({ type: "plan", id: one.id }));
      if (old && old.el !== el && old.el.contains(document.activeElement)) this.refocus = el;
      this.rows.set(one.id, { shown, el });
    }
    const elements = [...this.rows.values()].map(({ el }) => el);
    const same = elements.length === this.body.children.length && elements.every((el, at) => el === this.body.children[at]);
    if (!same) this.#place(elements);
    this.refocus?.querySelector("button")?.focus();
    this.refocus = undefined;
    show(this.scroller, rows.length > 0);
  }

  /** @param {HTMLTableRowElement[]} elements */
  #place(elements) {
    const kept = new Set(elements);
    for (const el of [...this.body.children]) if (!kept.has(/** @type {HTMLTableRowElement} */ (el))) el.remove();
    elements.forEach((el, at) => {
      if (this.body.children[at] !== el) this.body.insertBefore(el, this.body.children[at] ?? null);
    });
  }

  #retry() {
    if (!this.working) this.send({ type: "retry" });
  }

  #more() {
    if (!this.working) this.send({ type: "more" });
  }
}
