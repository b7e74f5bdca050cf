/** The tab of a text: what is typed, and its tokens by one tokenizer or two. */

import { fill, h, show } from "../shared/dom.js";
import { Chips } from "./chips.js";
import { Held } from "./held.js";
import { Side } from "./side.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").View} View */
/** @typedef {import("./chips.js").Look} Look */

/** Characters that a text field takes without a page standing still; of a longer text it shows the beginning. */
export const LONG = 100_000;
const BEGINNING = 2000;

const count = (/** @type {number} */ number) => number.toLocaleString("en");

export class TextTab {
  /** @param {string} id @param {import("./types.js").Set} set */
  constructor(id, set) {
    /** @type {Look} */
    this.look = "text";
    /** @type {View | null} */
    this.view = null;
    this.set = set;
    this.input = h("textarea", {
      id: `${id}-text`, rows: 5, spellcheck: "false", oninput: () => set({ text: this.held.sent(this.input.value) }, true),
      onpaste: (/** @type {ClipboardEvent} */ event) => this.#paste(event),
    });
    this.held = new Held((value) => this.#put(value));
    const clear = () => {
      set({ text: this.held.sent(""), start: 0 });
      this.#put("");
      this.input.focus();
    };
    this.long = h("p", { class: "inb-row", hidden: true }, "This text is too long to be edited here: its beginning is shown.", h("button", { type: "button", class: "inb-button", onclick: clear }, "Clear"));
    this.said = h("p", { class: "inb-tk-count", role: "status" });
    const look = (/** @type {Look} */ value, /** @type {string} */ label) =>
      h("label", { class: "inb-switch" },
        h("input", { type: "radio", name: `${id}-look`, checked: value === "text", onchange: () => { this.look = value; this.#tokens(); } }), label);
    const page = (/** @type {string} */ label, /** @type {() => number} */ start) =>
      h("button", { type: "button", class: "inb-button", onclick: () => set({ start: start() }) }, label);
    const step = () => (this.view?.end ?? 0) - (this.view?.start ?? 0);
    this.earlier = page("Earlier", () => Math.max(0, (this.view?.start ?? 0) - Math.max(step(), 2000)));
    this.later = page("Later", () => this.view?.end ?? 0);
    this.place = h("span");
    this.pager = h("div", { class: "inb-row", role: "group", "aria-label": "Part of the text that is drawn" }, this.earlier, this.place, this.later);
    this.chips = [new Chips("Tokens"), new Chips("Tokens of the second tokenizer")];
    this.sides = this.chips.map((chips) => new Side(chips.el));
    this.el = h("div", {},
      h("label", { for: `${id}-text` }, "Text"), this.input, this.long,
      h("div", { class: "inb-row inb-tk-line" },
        this.said,
        h("fieldset", { class: "inb-row" }, h("legend", { class: "inb-offscreen" }, "Show tokens as"), look("text", "text"), look("ids", "ids"), look("table", "table"))),
      this.pager,
      h("div", { class: "inb-tk-sides" }, ...this.sides.map(({ el }) => el)));
  }

  /** @param {State} state @param {boolean} settled whether all that was typed is answered */
  show({ text, view }, settled) {
    this.held.show(text, settled);
    if (view.tab !== "text") return;
    this.view = /** @type {View} */ (view);
    const { characters = 0, start = 0, end = 0, differences, sides } = this.view;
    const parts = [`${count(characters)} characters. `];
    parts.push(sides.map((side) => `${side.name}: ${count(side.count ?? 0)} tokens`).join("; "), ". ");
    if (typeof differences === "number") parts.push(differences ? `Cut differently in ${count(differences)} place${differences === 1 ? "" : "s"}, underlined.` : "Cut alike everywhere.");
    const said = parts.join("");
    if (this.said.textContent !== said) this.said.textContent = said;
    show(this.pager, start > 0 || end < characters);
    this.earlier.disabled = start === 0;
    this.later.disabled = end >= characters;
    fill(this.place, `Drawn: characters ${count(start + 1)} to ${count(end)} of ${count(characters)}`);
    this.#tokens();
  }

  /** @param {string} text */
  #put(text) {
    const long = text.length > LONG;
    this.input.value = long ? text.slice(0, BEGINNING) : text;
    this.input.readOnly = long;
    show(this.long, long);
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    const { value, selectionStart, selectionEnd, readOnly } = this.input;
    const text = value.slice(0, selectionStart) + (event.clipboardData?.getData("text/plain") ?? "") + value.slice(selectionEnd);
    if (readOnly || text.length <= LONG) return;
    event.preventDefault();
    this.#put(text);
    this.set({ text: this.held.sent(text), start: 0 });
  }

  #tokens() {
    this.sides.forEach((side, at) => {
      const shown = this.view?.sides[at];
      const each = shown && this.view?.characters ? (this.view.characters / Math.max(shown.count ?? 1, 1)).toFixed(2) : "";
      side.show(shown, each && `, ${count(shown?.count ?? 0)} tokens, ${each} characters a token`);
      if (shown) this.chips[at]?.show(shown.tokens ?? [], this.look);
    });
  }
}
