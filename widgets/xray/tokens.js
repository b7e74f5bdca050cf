/** The tokens of a text in a row, one of them chosen; those that would come otherwise are marked. */

import { attribute, fill, h } from "../shared/dom.js";
import { shown } from "../shared/tokens.js";

/** @typedef {import("./types.js").Flip} Flip */

export class Tokens {
  /** @param {(index: number) => void} onchoose */
  constructor(onchoose) {
    this.onchoose = onchoose;
    /** @type {HTMLButtonElement[]} */
    this.chips = [];
    this.el = h("div", { class: "inb-tokens", role: "group", "aria-label": "Tokens of the text", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) });
    this.texts = "";
  }

  /**
   * @param {string[]} texts
   * @param {number} where the chosen one; -1 for none
   * @param {Flip[]} flips
   */
  show(texts, where, flips) {
    const told = JSON.stringify(texts);
    if (told !== this.texts) {
      const focused = this.chips.findIndex((chip) => chip === document.activeElement);
      this.texts = told;
      this.chips = texts.map((text, at) =>
        h("button", { type: "button", class: "inb-token-chip", onclick: () => this.onchoose(at) }, shown(text)));
      fill(this.el, ...this.chips.flatMap((chip, at) => (texts[at]?.includes("\n") ? [chip, h("br")] : [chip])));
      if (focused >= 0) this.chips[Math.min(focused, this.chips.length - 1)]?.focus();
    }
    const marked = new Map(flips.map((flip) => [flip.index, flip]));
    this.chips.forEach((chip, at) => {
      const flip = marked.get(at);
      attribute(chip, "aria-pressed", String(at === where));
      attribute(chip, "tabindex", at === Math.max(where, 0) ? "0" : "-1");
      attribute(chip, "data-flip", flip ? (flip === flips[0] ? "first" : "other") : null);
      attribute(chip, "title", flip ? flip.words : null);
      attribute(chip, "aria-label", flip ? `${chip.textContent}, would be ${shown(flip.now)}` : null);
    });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = this.chips.findIndex((chip) => chip === event.target);
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -at, End: this.chips.length - 1 - at };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const next = step === undefined ? undefined : this.chips[at + step];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    next.focus();
    this.onchoose(at + (step ?? 0));
  }
}
