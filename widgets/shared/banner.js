/** A strip with something to read: a problem that can be dismissed, or a question to confirm. */

import { attribute, fill, h, show } from "./dom.js";
import { icon, iconButton } from "./icons.js";

/** Shows a problem until it is solved or dismissed. */
export class Banner {
  /** @param {() => void} ondismiss */
  constructor(ondismiss) {
    this.ondismiss = ondismiss;
    this.el = h("div", { class: "inb-banner", role: "alert", hidden: true });
  }

  /** @param {{ message: string, hint?: string } | null} problem */
  update(problem) {
    show(this.el, problem);
    if (!problem) return fill(this.el);
    const text = h("div", {}, h("p", { class: "inb-error-message" }, problem.message), problem.hint && h("p", {}, problem.hint));
    fill(this.el, icon("alert"), text, iconButton("close", "Dismiss", () => this.ondismiss()));
  }
}

/** Asks before something is done that cannot be undone. */
export class Confirmation {
  constructor() {
    /** @type {Element | null} */
    this.focused = null;
    this.onconfirm = () => {};
    this.question = h("p");
    const confirm = () => {
      this.close();
      this.onconfirm();
    };
    this.yes = h("button", { type: "button", class: "inb-button inb-danger", onclick: confirm }, "Confirm");
    const no = h("button", { type: "button", class: "inb-button", onclick: () => this.close() }, "Cancel");
    this.el = h("div", { class: "inb-banner inb-confirm", role: "alertdialog", hidden: true }, this.question, this.yes, no);
  }

  get isOpen() {
    return !this.el.hidden;
  }

  /**
   * @param {string} question
   * @param {() => void} onconfirm
   */
  open(question, onconfirm) {
    if (!this.isOpen) this.focused = document.activeElement;
    this.onconfirm = onconfirm;
    this.question.textContent = question;
    attribute(this.el, "aria-label", question);
    show(this.el, true);
    this.yes.focus();
  }

  close() {
    show(this.el, false);
    if (this.focused instanceof HTMLElement) this.focused.focus();
  }
}
