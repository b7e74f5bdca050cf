/** The tab of the vocabulary: a search, what it found, and the special tokens. */

import { fill, h, show } from "../shared/dom.js";
import { table } from "./chips.js";
import { Held } from "./held.js";
import { Side } from "./side.js";

/** @typedef {import("./types.js").State} State */

const KINDS = { text: "text", bytes: "bytes, in hexadecimal", id: "id", regex: "regular expression" };

export class VocabularyTab {
  /** @param {string} id @param {import("./types.js").Set} set */
  constructor(id, set) {
    this.input = h("input", { type: "text", id: `${id}-query`, spellcheck: "false", autocomplete: "off", oninput: () => set({ query: this.query.sent(this.input.value) }, true) });
    this.kinds = h("select", { id: `${id}-kind`, onchange: () => set({ kind: this.kind.sent(this.kinds.value) }) },
      ...Object.entries(KINDS).map(([value, label]) => h("option", { value }, label)));
    this.query = new Held((value) => {
      this.input.value = value;
    });
    this.kind = new Held((value) => {
      this.kinds.value = value;
    });
    this.drawn = "";
    this.parts = [0, 1].map(() => {
      const found = h("div", { class: "inb-tk-table" });
      const summary = h("summary");
      const special = h("div", { class: "inb-tk-table" });
      return { found, summary, special, side: new Side(found, h("details", { open: true }, summary, special)) };
    });
    this.el = h("div", {},
      h("div", { class: "inb-row inb-tk-line" },
        h("label", { for: `${id}-query` }, "Find tokens that hold"), this.input,
        h("label", { for: `${id}-kind` }, "as"), this.kinds),
      h("p", { class: "inb-hint" }, "Upper and lower case are apart; a space counts. What is equal comes first, then what begins so."),
      h("div", { class: "inb-tk-sides" }, ...this.parts.map(({ side }) => side.el)));
  }

  /** @param {State} state @param {boolean} settled whether all that was typed is answered */
  show({ query, kind, view }, settled) {
    this.query.show(query, settled);
    this.kind.show(kind, settled);
    const drawn = JSON.stringify(view);
    if (view.tab !== "vocabulary" || drawn === this.drawn) return;
    this.drawn = drawn;
    this.parts.forEach(({ found, summary, special, side }, at) => {
      const shown = view.sides?.[at];
      const { tokens = [], total = 0, special: marks = [], special_total: all = 0 } = shown ?? {};
      const some = total > tokens.length ? `, the first ${tokens.length} are shown` : "";
      side.show(shown, view.asked ? `, ${total.toLocaleString("en")} found${some}` : "");
      fill(found, tokens.length > 0 && table(tokens));
      show(found, tokens.length);
      fill(summary, `${all.toLocaleString("en")} special tokens${all > marks.length ? `, the first ${marks.length} are shown` : ""}`);
      fill(special, marks.length > 0 && table(marks));
    });
  }
}
