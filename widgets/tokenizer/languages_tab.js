/** The tab of languages: what the same sentences cost in each. */

import { fill, h } from "../shared/dom.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Side} Side */

export class LanguagesTab {
  constructor() {
    this.drawn = "";
    this.table = h("div", { class: "inb-tk-table inb-tk-whole", role: "region", "aria-label": "What languages cost in tokens", tabindex: "0" });
    this.el = h("div", {},
      h("p", { class: "inb-hint" }, "The sample is our own, and small: the same three sentences in each language, and a few lines of code that say something else. Words are what stands between spaces; Chinese and Japanese have none."),
      this.table);
  }

  /** @param {State} state */
  show({ view }) {
    const drawn = JSON.stringify(view);
    if (view.tab !== "languages" || drawn === this.drawn) return;
    this.drawn = drawn;
    const sides = (view.sides ?? []).filter((side) => side.costs);
    const most = Math.max(...sides.flatMap((side) => (side.costs ?? []).map(({ tokens }) => tokens)));
    const number = (/** @type {string | number} */ text) => h("td", { class: "inb-tk-number" }, text);
    const head = (/** @type {string} */ text) => h("th", { scope: "col", class: "inb-tk-number" }, text);
    const heads = sides.flatMap((side) => [
      h("th", { scope: "col", "aria-hidden": "true" }), h("th", { scope: "col", class: "inb-tk-number inb-tk-wrap" }, side.name, h("br"), "tokens"),
      head("× English"), head("a character"), head("a word"),
    ]);
    const rows = (sides[0]?.costs ?? []).map(({ name }, at) =>
      h("tr", { dataset: { language: name } }, h("th", { scope: "row" }, name), ...sides.flatMap((side) => cells(side, at, most, number))));
    fill(this.table, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Text"), ...heads)), h("tbody", {}, ...rows)));
  }
}

/**
 * @param {Side} side
 * @param {number} at
 * @param {number} most
 * @param {(text: string | number) => HTMLElement} number
 */
function cells(side, at, most, number) {
  const cost = side.costs?.[at];
  if (!cost) return [];
  const bar = h("span", { class: "inb-tk-bar" });
  bar.style.width = `${(100 * cost.tokens) / most}%`;
  return [
    h("td", { class: "inb-tk-track", "aria-hidden": "true" }, bar), number(cost.tokens), number(cost.times.toFixed(2)),
    number(cost.per_character.toFixed(2)), number(cost.per_word === null ? "" : cost.per_word.toFixed(2)),
  ];
}
