/** The tokens of a text in a row, one of them chosen, walked through by arrow keys. How they are dressed others say. */

import { attribute, fill, h } from "./dom.js";
import { shown } from "./tokens.js";
import { walk } from "./walk.js";

export class Chips {
  /**
   * @param {(index: number) => void} onchoose
   * @param {{ onpoint?: (index: number) => void, onenter?: () => void }} more the token under the pointer, -1 for none;
   *   Enter on the chosen one
   */
  constructor(onchoose, { onpoint, onenter } = {}) {
    this.onchoose = onchoose;
    this.onenter = onenter;
    /** @type {HTMLButtonElement[]} */
    this.chips = [];
    const point = (/** @type {Event} */ event) => onpoint?.(this.chips.findIndex((chip) => chip === event.target));
    this.el = h("div", {
      class: "inb-tokens", role: "group", "aria-label": "Tokens of the text",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      onpointerover: onpoint && point, onpointerleave: onpoint && (() => onpoint(-1)),
    });
    this.texts = "";
  }

  /**
   * @param {string[]} texts
   * @param {number} where the chosen one; -1 for none
   * @param {(chip: HTMLButtonElement, index: number) => void} dress
   */
  show(texts, where, dress) {
    const told = JSON.stringify(texts);
    if (told !== this.texts) {
      const focused = this.chips.findIndex((chip) => chip === document.activeElement);
      this.texts = told;
      this.chips = texts.map((text, at) =>
        h("button", { type: "button", class: "inb-token-chip", onclick: () => this.onchoose(at) }, shown(text)));
      fill(this.el, ...this.chips.flatMap((chip, at) => (texts[at]?.includes("\n") ? [chip, h("br")] : [chip])));
      if (focused >= 0) this.chips[Math.min(focused, this.chips.length - 1)]?.focus();
    }
    this.chips.forEach((chip, at) => {
      attribute(chip, "aria-pressed", String(at === where));
      attribute(chip, "tabindex", at === Math.max(where, 0) ? "0" : "-1");
      dress(chip, at);
    });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = this.chips.findIndex((chip) => chip === event.target);
    if (event.key === "Enter" && this.onenter && this.chips[at]?.getAttribute("aria-pressed") === "true") {
      event.preventDefault();
      event.stopPropagation();
      this.onenter();
      return;
    }
    const place = walk(event, this.chips);
    if (place >= 0) this.onchoose(place);
  }
}
