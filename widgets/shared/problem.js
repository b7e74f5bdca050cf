/** What went wrong, with the one thing that may be done about it. It does not know what that is. */

import { fill, h, show } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {{ message: string, hint?: string }} Said */

export class Problem {
  /** @param {HTMLButtonElement} act what may be done */
  constructor(act) {
    this.act = act;
    this.said = h("div");
    this.el = h("div", { class: "inb-banner", role: "alert", hidden: true }, icon("alert"), this.said, act);
    this.told = "";
  }

  /** @param {Said | null} problem @param {unknown} helps whether the act does */
  show(problem, helps) {
    // What is told already is not written anew, or it would be read out again.
    const told = JSON.stringify(problem && [problem.message, problem.hint]);
    if (problem && told !== this.told) fill(this.said, h("p", { class: "inb-error-message" }, problem.message), problem.hint && h("p", {}, problem.hint));
    this.told = told;
    show(this.act, helps);
    show(this.el, problem);
  }
}
