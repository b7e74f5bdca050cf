/** The drawer of settings: system prompt, sampling, the template's switches. Every valid change is handed on at once. */

import { fill, h, show, unique } from "../shared/dom.js";
import { FieldControl } from "../shared/fields.js";
import { iconButton } from "../shared/icons.js";

/** @typedef {import("../shared/fields.js").Field} Field */
/** @typedef {import("./types.js").Switch} Switch */

/** @type {[string, string][]} */
const WHEN_FULL = [
  ["stop", "Stop and say so"],
  ["drop_oldest", "Leave out the oldest turns"],
];

export class Settings {
  /**
   * @param {(trait: string, value: unknown) => void} onchange
   * @param {() => void} onclose
   */
  constructor(onchange, onclose) {
    this.onchange = onchange;
    this.id = unique("settings");
    /** @type {Map<string, FieldControl>} */
    this.controls = new Map();
    /** @type {Record<string, unknown>} */
    this.sampling = {};
    this.system = h("textarea", {
      rows: 3,
      id: `${this.id}-system`,
      placeholder: "None: the model's own",
      oninput: () => onchange("system", this.system.value),
    });
    this.fields = h("div", { class: "inb-fields" });
    this.switches = h("div", { class: "inb-fields" });
    this.full = h("select", { id: `${this.id}-full`, onchange: () => onchange("when_full", this.full.value) });
    fill(this.full, ...WHEN_FULL.map(([value, label]) => h("option", { value }, label)));
    this.el = h(
      "section",
      { class: "inb-drawer", id: this.id, "aria-label": "Settings panel", hidden: true },
      h("header", {}, h("h2", {}, "Settings"), iconButton("close", "Close", onclose)),
      h(
        "div",
        { class: "inb-drawer-body", tabindex: "-1" },
        labelled("System prompt", this.system),
        this.switches,
        h("h3", {}, "Sampling"),
        this.fields,
        h("h3", {}, "Context"),
        labelled("When the context is full", this.full),
      ),
    );
  }

  /** @param {Field[]} fields */
  setFields(fields) {
    this.controls = new Map(
      fields.map((field) => [field.name, new FieldControl(field, (value) => this.#sampled(field.name, value))]),
    );
    fill(this.fields, ...[...this.controls.values()].map(({ el }) => el));
  }

  /** @param {Record<string, unknown>} sampling */
  setSampling(sampling) {
    this.sampling = sampling;
    for (const [name, control] of this.controls) control.set(sampling[name]);
  }

  /** @param {Switch[]} switches */
  setSwitches(switches) {
    const change = (/** @type {string} */ name, /** @type {boolean} */ value) =>
      this.onchange("switches", switches.map((one) => (one.name === name ? { ...one, value } : one)));
    const boxes = switches.map(({ name, label, value }) => {
      const box = h("input", { type: "checkbox", checked: value, onchange: () => change(name, box.checked) });
      return h("label", { class: "inb-switch" }, box, label);
    });
    fill(this.switches, ...boxes);
    show(this.switches, switches.length > 0);
  }

  /** @param {string} system */
  setSystem(system) {
    if (this.system.value !== system) this.system.value = system;
  }

  /** @param {string} choice */
  setWhenFull(choice) {
    this.full.value = choice;
  }

  /**
   * Shows what is wrong beside the field it is about.
   *
   * @param {string} name
   * @param {string} message
   * @returns {boolean} whether there is such a field
   */
  fail(name, message) {
    const control = this.controls.get(name);
    control?.fail(message);
    return control !== undefined;
  }

  /** @returns {FieldControl | undefined} the first field in which something was typed wrong */
  invalid() {
    return [...this.controls.values()].find(({ error }) => error);
  }

  /**
   * @param {string} name
   * @param {unknown} value
   */
  #sampled(name, value) {
    this.sampling = { ...this.sampling, [name]: value };
    this.onchange("sampling", this.sampling);
  }
}

/**
 * @param {string} label
 * @param {HTMLElement} control with an id
 */
function labelled(label, control) {
  return h("div", { class: "inb-field" }, h("label", { for: control.id }, label), control);
}
