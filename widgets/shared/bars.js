/** The chances of the tokens that might come: the model's own, and those that are drawn from. */

import { attribute, h, show } from "./dom.js";
import { percent, shown } from "./tokens.js";

/**
 * @typedef {object} Bar one token that might come
 * @property {number} id
 * @property {string} text
 * @property {number} raw its probability in the model's own distribution
 * @property {number | null} sampled and in the one that is drawn from; null where nothing is drawn
 * @property {string | null} cut the stage that made it impossible
 * @property {number | null} pinned its probability under the settings that are compared with
 */

/**
 * @typedef {object} Choice
 * @property {number} index
 * @property {number | null} came the token of the text
 * @property {number | null} drawn the token that is chosen now; null where nothing is chosen
 * @property {boolean} greedy
 * @property {boolean} [fixed] whether no other can be taken
 * @property {Bar[]} bars
 * @property {object | null} pinned
 */

/** One token's row; made once, and only its widths and numbers change. */
class Row {
  /** @param {Bar} bar @param {(token: number) => void} ontake */
  constructor(bar, ontake) {
    this.name = h("code", { title: `id ${bar.id}` }, shown(bar.text));
    this.mark = h("span", { class: "inb-bar-mark" });
    this.raw = h("span", { class: "inb-bar-raw" });
    this.sampled = h("span", { class: "inb-bar-sampled" });
    this.pinned = h("span", { class: "inb-bar-pinned" });
    this.rawShare = h("td", { class: "inb-bar-share" });
    this.share = h("td", { class: "inb-bar-share" });
    this.take = h("button", { type: "button", class: "inb-button inb-bar-take", "aria-label": `Take ${shown(bar.text)} and go on from there`, onclick: () => ontake(bar.id) }, "Take");
    this.el = h(
      "tr", { dataset: { id: String(bar.id) } },
      h("th", { scope: "row" }, this.name, this.mark),
      h("td", { class: "inb-bar-track", "aria-hidden": "true" }, h("div", {}, this.raw, this.sampled, this.pinned)),
      this.rawShare, this.share, h("td", {}, this.take),
    );
  }

  /** @param {Bar} bar @param {Choice} view @param {number} most */
  show(bar, view, most) {
    const width = (/** @type {number} */ share) => `${(100 * share) / most}%`;
    this.raw.style.width = width(bar.raw);
    this.sampled.style.width = width(bar.sampled ?? 0);
    show(this.pinned, bar.pinned);
    if (bar.pinned) this.pinned.style.insetInlineStart = width(bar.pinned);
    this.rawShare.textContent = percent(bar.raw);
    this.share.textContent = bar.cut ? `cut: ${bar.cut.replaceAll("_", " ")}` : bar.sampled === null ? "" : bar.sampled > 0 ? percent(bar.sampled) : "not taken";
    const marks = [bar.id === view.came && "in the text", bar.id === view.drawn && (view.greedy ? "taken" : "drawn")].filter(Boolean);
    this.mark.textContent = marks.join(", ");
    attribute(this.el, "data-cut", bar.cut !== null);
    attribute(this.el, "data-drawn", bar.id === view.drawn);
    show(this.take, bar.id !== view.came && !view.fixed);
  }
}

export class Bars {
  /** @param {(token: number) => void} ontake */
  constructor(ontake) {
    this.ontake = ontake;
    /** @type {Map<number, Row>} */
    this.rows = new Map();
    this.at = -1;
    this.body = h("tbody");
    this.compared = h("span", { hidden: true }, " ", h("span", { class: "inb-bar-key inb-bar-pinned-key" }), "compared");
    this.el = h(
      "table", { class: "inb-bars", "aria-label": "Chances of the most probable tokens" },
      h("thead", {}, h("tr", {},
        h("th", { scope: "col" }, "Token"),
        h("th", { scope: "col", "aria-hidden": "true" }, h("span", { class: "inb-bar-key inb-bar-raw" }), "raw ", h("span", { class: "inb-bar-drawn" }, h("span", { class: "inb-bar-key inb-bar-sampled" }), "post-sampler"), this.compared),
        h("th", { scope: "col", class: "inb-bar-share", title: "The model's own probability" }, "raw"),
        h("th", { scope: "col", class: "inb-bar-share", title: "The probability that is drawn from" }, "post-sampler"),
        h("th", { scope: "col" }, h("span", { class: "inb-offscreen" }, "Take it")))),
      this.body,
    );
  }

  /** @param {Choice} view */
  show(view) {
    const most = Math.max(...view.bars.flatMap(({ raw, sampled, pinned }) => [raw, sampled ?? 0, pinned ?? 0]));
    show(this.compared, view.pinned);
    attribute(this.el, "data-raw-only", view.bars.every(({ sampled }) => sampled === null));
    const before = view.index === this.at ? this.rows : new Map();
    this.at = view.index;
    this.rows = new Map(view.bars.map((bar) => [bar.id, before.get(bar.id) ?? new Row(bar, this.ontake)]));
    view.bars.forEach((bar) => this.rows.get(bar.id)?.show(bar, view, most));
    const elements = [...this.rows.values()].map(({ el }) => el);
    const same = elements.length === this.body.children.length && elements.every((el, at) => el === this.body.children[at]);
    if (!same) this.body.replaceChildren(...elements);
  }
}
