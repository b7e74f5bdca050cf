/** Edits a message in its place: Ctrl+Enter keeps the text, Escape leaves it as it was. */

import { h, show } from "../shared/dom.js";
import { Grower } from "../shared/grow.js";

export class Editor {
  /**
   * @param {HTMLElement} body what is hidden while the editor is open
   * @param {(text: string) => boolean} onsave whether the text was taken: else the editor stays open with it
   */
  constructor(body, onsave) {
    this.body = body;
    this.onsave = onsave;
    this.before = "";
    /** @type {Element | null} */
    this.focused = null;
    this.area = h("textarea", { "aria-label": "Edited text", oninput: () => this.grower.fit() });
    this.grower = new Grower(this.area, 320);
    this.update = h("button", { type: "button", class: "inb-button inb-primary", onclick: () => this.#save() }, "Update");
    this.el = h(
      "div",
      { class: "inb-editor", hidden: true, onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
      this.area,
      h(
        "div",
        { class: "inb-row" },
        this.update,
        h("button", { type: "button", class: "inb-button", onclick: () => this.close() }, "Cancel"),
        h("span", { class: "inb-hint" }, "Ctrl+Enter updates, Escape cancels"),
      ),
    );
  }

  /** @param {string} text */
  open(text) {
    this.before = text;
    this.focused = document.activeElement;
    this.area.value = text;
    show(this.body, false);
    show(this.el, true);
    this.grower.begin();
    this.area.focus({ preventScroll: false });
    this.area.setSelectionRange(text.length, text.length);
  }

  close() {
    this.end();
    show(this.el, false);
    show(this.body, true);
    if (this.focused instanceof HTMLElement) this.focused.focus();
  }

  /** Ends what outlives the elements. */
  end() {
    this.grower.end();
  }

  #save() {
    if (this.update.disabled) return;
    const text = this.area.value;
    if (!text.trim() || text === this.before || this.onsave(text)) this.close();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#save();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
