/** What might have come at the token under the pointer, beside it. What it shows is in the panel too, for the keyboard. */

import { fill, h, show } from "../shared/dom.js";
import { percent, shown } from "../shared/tokens.js";

/** @typedef {import("./types.js").View} View */

export class Hint {
  constructor() {
    this.el = h("div", { class: "inb-inspector-hint", "aria-hidden": "true", hidden: true });
  }

  /**
   * @param {View | Record<string, never>} view
   * @param {HTMLElement | undefined} chip the token that it is of, where the pointer still is on it
   */
  show(view, chip) {
    show(this.el, chip && "bars" in view);
    if (!chip || !("bars" in view)) return;
    const { bars, figures, came } = /** @type {View} */ (view);
    const rows = bars.map(({ id, text, raw, sampled }) =>
      h("tr", { dataset: { came: String(id === came) } }, h("th", { scope: "row" }, shown(text)), h("td", {}, percent(raw)), sampled !== null && h("td", {}, percent(sampled))));
    const heads = h("tr", {}, h("th"), h("td", {}, "raw"), bars.some(({ sampled }) => sampled !== null) && h("td", {}, "post-sampler"));
    const known = figures.filter(({ raw }) => raw).map(({ name, raw }) => h("p", {}, `${name}, raw: ${raw}`));
    const nothing = !known.length && !rows.length && h("p", {}, "Nothing is known of this token.");
    fill(this.el, ...known, nothing, rows.length > 0 && h("table", {}, h("tbody", {}, heads, ...rows)));
    this.#place(chip);
  }

  /** @param {HTMLElement} chip below it, and within the panel */
  #place(chip) {
    const parent = this.el.offsetParent;
    const most = parent ? parent.clientWidth - this.el.offsetWidth - 8 : 0;
    this.el.style.insetInlineStart = `${Math.max(8, Math.min(chip.offsetLeft, most))}px`;
    this.el.style.top = `${chip.offsetTop + chip.offsetHeight + 4}px`;
  }
}
