/**
 * Controls for numbers and lists of strings that Python describes, and what counts as valid in them.
 * They do not know what the values mean.
 */

import { attribute, h, show, unique } from "./dom.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} help
 * @property {"float" | "int" | "seed" | "strings"} kind
 * @property {number | null} min
 * @property {number | null} max where a slider ends
 * @property {number | null} [limit] the largest valid value, null for none; where it is missing, `max`
 * @property {boolean} [above_min] whether `min` itself is not valid
 * @property {number | null} step
 * @property {unknown} default
 * @property {boolean} nullable whether it can be switched off
 */

/** @typedef {{ value: unknown, error?: undefined } | { error: string, value?: undefined }} Parsed */

/**
 * Reads what a person typed.
 *
 * @param {Field} field
 * @param {string} text
 * @returns {Parsed} the value, or what is wrong with it in words
 */
export function parse(field, text) {
  if (field.kind === "strings") return { value: text.split("\n").filter((line) => line !== "") };
  const typed = text.trim();
  if (typed === "" && field.kind === "seed") return { value: null };
  const value = Number(typed);
  if (typed === "" || !Number.isFinite(value)) return { error: "Enter a number." };
  const most = field.limit === undefined ? field.max : field.limit;
  if (field.kind !== "float") {
    // Beyond the safe integers a number is not the one that was typed.
    const fits = Number.isSafeInteger(value) && value >= (field.min ?? value) && value <= (most ?? value);
    if (!fits) return { error: `Enter a whole number${range(field.min, most)}.` };
  }
  if (field.min !== null && field.above_min && value <= field.min) return { error: `More than ${field.min}.` };
  if (field.min !== null && value < field.min) return { error: `At least ${field.min}.` };
  if (most !== null && value > most) return { error: `At most ${most}.` };
  return { value };
}

/**
 * @param {number | null | undefined} min
 * @param {number | null | undefined} most
 * @returns {string} such as " from 1 to 9"
 */
function range(min, most) {
  const from = min === null || min === undefined ? "" : ` from ${min}`;
  return from + (most === null || most === undefined ? "" : ` to ${most}`);
}

/**
 * @param {Field} field
 * @param {unknown} value
 * @returns {string} as a person would type it
 */
export function format(field, value) {
  if (value === null || value === undefined) return "";
  if (field.kind === "strings") return /** @type {string[]} */ (value).join("\n");
  return String(value);
}

/** One labelled control, with its help and what is wrong with its value. */
export class FieldControl {
  /**
   * @param {Field} field
   * @param {(value: unknown) => void} onchange called with each valid value
   */
  constructor(field, onchange) {
    this.field = field;
    this.onchange = onchange;
    /** What was typed wrong: as long as it stands, the value is not the one shown. */
    this.error = "";
    /** The last number: a field that is switched on again begins with it. @type {unknown} */
    this.before = field.default;
    const id = unique("field");
    this.input = this.#input(id);
    this.slider = sliding(field) ? this.#slider() : null;
    this.toggle = field.nullable && field.kind !== "seed" ? this.#toggle(id) : null;
    this.message = h("p", { class: "inb-field-error", id: `${id}-error`, role: "status", hidden: true });
    this.el = h(
      "div",
      { class: "inb-field", dataset: { name: field.name, kind: field.kind } },
      h("span", { class: "inb-field-head" }, this.toggle, h("label", { for: id, id: `${id}-label`, title: field.help }, field.label)),
      h("span", { class: "inb-field-inputs" }, this.slider, this.input),
      this.message,
      h("p", { class: "inb-field-help", id: `${id}-help` }, field.help),
    );
  }

  /** @param {unknown} value what is so now: shown unless it is what the person already typed */
  set(value) {
    const off = this.toggle !== null && (value === null || value === undefined);
    if (value !== null && value !== undefined) this.before = value;
    if (this.toggle) this.toggle.checked = !off;
    // Not disabled: typing a number into a field that is off switches it on.
    attribute(this.el, "data-off", off);
    const typed = parse(this.field, this.input.value);
    if (off || JSON.stringify(typed.value) !== JSON.stringify(value)) {
      this.input.value = format(this.field, value);
      this.#judge("");
    }
    if (this.slider) this.slider.value = format(this.field, value ?? this.before ?? middle(this.field));
  }

  /** @param {string} error what was typed wrong, or nothing */
  #judge(error) {
    this.error = error;
    this.fail(error);
  }

  /** @param {string} error what to say is wrong, or nothing */
  fail(error) {
    this.message.textContent = error;
    show(this.message, error);
    attribute(this.input, "aria-invalid", error ? "true" : null);
  }

  #commit() {
    if (this.toggle && this.input.value.trim() === "") return this.#switch(false);
    const bad = this.input instanceof HTMLInputElement && this.input.validity?.badInput;
    const { value, error } = bad ? { error: "Enter a number." } : parse(this.field, this.input.value);
    this.#judge(error ?? "");
    if (error !== undefined) return;
    if (this.slider) this.slider.value = String(value);
    if (this.toggle) this.toggle.checked = true;
    attribute(this.el, "data-off", null);
    this.before = value;
    this.onchange(value);
  }

  /** @param {boolean} on */
  #switch(on) {
    const value = on ? (this.before ?? middle(this.field)) : null;
    this.#judge("");
    this.set(value);
    this.onchange(value);
  }

  /** @param {string} id */
  #input(id) {
    const { field } = this;
    const props = { id, "aria-describedby": `${id}-error ${id}-help`, oninput: () => this.#commit() };
    if (field.kind === "strings") return h("textarea", { ...props, rows: 2, spellcheck: "false", placeholder: "one per line" });
    return h("input", {
      ...props,
      type: "number",
      min: field.min,
      max: field.max,
      step: field.step ?? (field.kind === "float" ? "any" : 1), // of the arrow keys: other numbers may be typed
      placeholder: field.kind === "seed" ? "random" : field.nullable ? "off" : null,
    });
  }

  /** It says the same as the number, but for one that is beyond its ends. */
  #slider() {
    const { label, min, max, step } = this.field;
    const slider = h("input", {
      type: "range",
      min,
      max,
      step: step ?? "any",
      "aria-label": label,
      oninput: () => {
        this.input.value = String(Number(slider.value));
        this.#commit();
      },
    });
    return slider;
  }

  /** @param {string} id */
  #toggle(id) {
    const toggle = h("input", {
      type: "checkbox",
      "aria-label": `Use ${this.field.label}`,
      "aria-describedby": `${id}-help`,
      onchange: () => this.#switch(toggle.checked),
    });
    return toggle;
  }
}

/**
 * @param {Field} field a number that is off by default
 * @returns {number} where to begin when it is switched on
 */
function middle({ kind, min, max, step }) {
  const value = ((min ?? 0) + (max ?? min ?? 0)) / 2;
  const size = step ?? (kind === "float" ? 0.01 : 1);
  return Number((Math.round(value / size) * size).toFixed(6));
}

/** @param {Field} field */
function sliding({ kind, min, max }) {
  return kind === "float" && min !== null && max !== null;
}
