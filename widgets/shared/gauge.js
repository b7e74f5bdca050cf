/** A bar that shows how much of something is used. It does not know of what. */

import { attribute, h } from "./dom.js";

export class Gauge {
  /** @param {string} label what is measured: its accessible name */
  constructor(label) {
    this.label = label;
    this.bar = h("span", { class: "inb-gauge-bar" });
    this.caption = h("span");
    this.unit = h("span", { class: "inb-gauge-unit" });
    this.meter = h("span", { class: "inb-gauge-track", role: "meter", "aria-label": label, "aria-valuemin": "0" }, this.bar);
    this.el = h("span", { class: "inb-gauge", title: label }, this.meter, h("span", {}, this.caption, this.unit));
  }

  /**
   * @param {number} used
   * @param {number | null} size null where it is not known
   * @param {string} [unit]
   */
  update(used, size, unit = "") {
    const share = size ? Math.min(1, used / size) : 0;
    const text = size ? `${count(used)} / ${count(size)}` : count(used);
    this.caption.textContent = text;
    this.unit.textContent = unit && ` ${unit}`;
    this.bar.style.width = `${100 * share}%`;
    this.el.dataset["level"] = share > 0.95 ? "full" : share > 0.8 ? "high" : "normal";
    attribute(this.meter, "aria-valuenow", used);
    attribute(this.meter, "aria-valuemax", size ?? Math.max(1, used));
    attribute(this.meter, "aria-valuetext", size ? `${used} of ${size} ${unit}`.trim() : `${used} ${unit}`.trim());
  }
}

/**
 * @param {number} value
 * @returns {string} with commas between thousands, as everywhere else
 */
export function count(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}
