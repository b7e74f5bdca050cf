/** One tokenizer's half of a tab: its name, what is counted, what went wrong, and below it what a tab puts there. */

import { fill, h, show } from "../shared/dom.js";

/** @typedef {import("./types.js").Side} SideView */

export class Side {
  /** @param {...Node} content */
  constructor(...content) {
    this.name = h("h4");
    this.said = h("p", { class: "inb-hint" });
    this.problem = h("p", { class: "inb-tk-problem" });
    this.content = h("div", {}, ...content);
    this.el = h("section", { class: "inb-tk-side" }, this.name, this.said, this.problem, this.content);
  }

  /** @param {SideView | undefined} side @param {import("../shared/dom.js").Child[]} said */
  show(side, ...said) {
    show(this.el, side);
    if (!side) return;
    this.el.setAttribute("aria-label", side.name);
    this.name.textContent = side.name;
    fill(this.said, `vocabulary of ${side.size.toLocaleString("en")}`, ...said);
    show(this.problem, side.problem);
    show(this.content, !side.problem);
    if (side.problem) fill(this.problem, h("b", {}, side.problem.message), ` ${side.problem.hint}`);
  }
}
