/** A labelled list of which one is chosen. */

import { attribute, fill, h } from "./dom.js";

export class Choose {
  /** @param {string} label @param {(value: string) => void} onchange */
  constructor(label, onchange) {
    this.select = h("select", { onchange: () => onchange(this.select.value) });
    this.el = h("label", { class: "inb-choose" }, label, this.select);
    this.offered = "";
  }

  /** @param {[string, string][]} options @param {string} value @param {string[]} off those that cannot be chosen */
  show(options, value, off = []) {
    const offered = JSON.stringify(options);
    if (offered !== this.offered) fill(this.select, ...options.map(([name, text]) => h("option", { value: name }, text)));
    this.offered = offered;
    for (const option of this.select.options) attribute(option, "disabled", off.includes(option.value));
    this.select.value = value;
  }
}
