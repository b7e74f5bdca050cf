/** The drawer of settings: system prompt, sampling, the template's switches. Every valid change is handed on at once. */

import { attribute, fill, h, show, unique } from "../shared/dom.js";
import { FieldControl } from "../shared/fields.js";
import { iconButton } from "../shared/icons.js";
import { SIDES } from "./pair.js";

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
    /** The settings of both sides, of which `side` is shown. @type {Record<string, unknown>[]} */
    this.samplings = [{}, {}];
    this.side = 0;
    this.system = h("textarea", {
      rows: 3,
      id: `${this.id}-system`,
      placeholder: "None: the model's own",
      oninput: () => onchange("system", this.system.value),
    });
    this.fields = h("div", { class: "inb-fields" });
    this.switches = h("div", { class: "inb-fields" });
    this.tabs = SIDES.map((name, side) => h("button", { type: "button", class: "inb-button", "aria-label": `Settings of the ${name.toLowerCase()} answer`, onclick: () => this.#turn(side) }, name));
    this.model = h("select", { id: `${this.id}-model`, onchange: () => onchange("other_model", this.model.value) });
    this.models = labelled("Model of the right answer", this.model);
    show(this.models, false);
    this.both = h("div", { class: "inb-row inb-turn", role: "group", "aria-label": "Which answer", hidden: true }, ...this.tabs);
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
        this.both,
        this.models,
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

  /** @param {...Record<string, unknown>} samplings of the answer, and of the second where there are two */
  setSampling(...samplings) {
    this.samplings = samplings;
    for (const [name, control] of this.controls) control.set(samplings[this.side]?.[name]);
  }

  /**
   * @param {boolean} two whether there are two answers, with settings each
   * @param {string[]} loaded
   * @param {string} model that of the right one, "" for the same
   */
  setTwo(two, loaded, model) {
    const gone = model && !loaded.includes(model) ? [model] : [];
    fill(this.model, h("option", { value: "" }, "The same"), ...[...loaded, ...gone].map((name) => h("option", { value: name }, name)));
    this.model.value = model;
    if (two === this.both.hidden) this.#turn(two ? 1 : 0);
    show(this.both, two);
  }

  /** @param {number} side whose settings are shown */
  #turn(side) {
    this.side = side;
    this.tabs.forEach((tab, which) => attribute(tab, "aria-pressed", which === side));
    show(this.models, side === 1);
    this.setSampling(...this.samplings);
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
    this.samplings[this.side] = { ...this.samplings[this.side], [name]: value };
    this.onchange(this.side ? "other_sampling" : "sampling", this.samplings[this.side]);
  }
}

/**
 * @param {string} label
 * @param {HTMLElement} control with an id
 */
function labelled(label, control) {
  return h("div", { class: "inb-field" }, h("label", { for: control.id }, label), control);
}
