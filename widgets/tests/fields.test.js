/** What counts as valid in a field, and that only valid values are handed on. */

import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { FieldControl, parse } from "../shared/fields.js";
import { FIELDS } from "./fake_model.js";

/** @typedef {import("../shared/fields.js").Field} Field */

/** @param {string} name */
const field = (name) => /** @type {Field} */ (FIELDS.find((one) => one.name === name));

/** @param {string} name @param {unknown} value */
function control(name, value) {
  /** @type {unknown[]} */
  const changes = [];
  const made = new FieldControl(field(name), (change) => changes.push(change));
  made.set(value);
  return { made, changes };
}

/** @param {HTMLInputElement | HTMLTextAreaElement} input @param {string} text */
function type(input, text) {
  input.value = text;
  input.dispatchEvent(new Event("input"));
}

test("numbers are read and bounded", () => {
  assert.deepEqual(parse(field("temperature"), " 0.5 "), { value: 0.5 });
  assert.match(parse(field("temperature"), "-1").error ?? "", /At least 0/);
  assert.match(parse(field("temperature"), "3").error ?? "", /At most 2/);
  for (const text of ["", "NaN", "Infinity", "x"]) assert.match(parse(field("temperature"), text).error ?? "", /number/);
  assert.match(parse(field("max_new_tokens"), "1.5").error ?? "", /whole/);
  assert.equal(parse(field("max_new_tokens"), "-3").error, "Enter a whole number from 1.");
});

test("a slider's end is not the limit where another is stated", () => {
  const wide = { ...field("temperature"), limit: null };
  assert.deepEqual(parse(wide, "9"), { value: 9 });
  assert.match(parse({ ...wide, limit: 5 }, "9").error ?? "", /At most 5/);
  assert.match(parse({ ...wide, above_min: true }, "0").error ?? "", /More than 0/);
});

test("an empty seed is a random one", () => {
  assert.deepEqual(parse(field("seed"), ""), { value: null });
  assert.deepEqual(parse(field("seed"), "7"), { value: 7 });
});

test("a seed is taken as typed or refused with its range", () => {
  assert.deepEqual(parse(field("seed"), "9007199254740991"), { value: 9007199254740991 });
  for (const text of ["9007199254740993", "9223372036854775807", "-1", "0.5"]) {
    assert.equal(parse(field("seed"), text).error, "Enter a whole number from 0 to 9007199254740991.");
  }
});

test("strings stand one a line", () => {
  assert.deepEqual(parse(field("stop"), "END\n\n two "), { value: ["END", " two "] });
});

test("the label names the input, and the slider follows it", () => {
  const { made, changes } = control("temperature", 0.7);
  assert.equal(made.el.querySelector("label")?.getAttribute("for"), made.input.id);
  type(made.input, "1.25");
  assert.deepEqual(changes, [1.25]);
  assert.equal(made.slider?.value, "1.25");
});

test("slider and number are reached by keyboard, and go by the same steps", () => {
  const { made } = control("temperature", 0.7);
  const [slider, number] = made.el.querySelectorAll("input");
  assert.deepEqual([slider?.type, number?.type], ["range", "number"]);
  for (const one of [slider, number]) assert.deepEqual([one?.tabIndex, one?.step], [0, "0.05"]);
});

test("every control is named after its parameter", () => {
  const names = FIELDS.map(({ name }) => {
    const { made } = control(name, null);
    return [made.el.querySelector("label")?.textContent, made.slider?.getAttribute("aria-label"), made.toggle?.getAttribute("aria-label")];
  });
  assert.deepEqual(names.slice(0, 3), [
    ["Temperature", "Temperature", undefined],
    ["Top-k", undefined, "Use Top-k"],
    ["Top-p", "Top-p", "Use Top-p"],
  ]);
  const { made } = control("top_p", 0.9);
  for (const one of made.el.querySelectorAll("input")) assert.equal(one.closest("[aria-hidden]"), null);
});

test("a value that is not valid is explained and kept to itself", () => {
  const { made, changes } = control("temperature", 0.7);
  type(made.input, "-1");
  assert.deepEqual(changes, []);
  assert.equal(made.error, "At least 0.");
  assert.equal(made.message.hidden, false);
  assert.equal(made.input.getAttribute("aria-invalid"), "true");
  type(made.input, "1");
  assert.deepEqual(changes, [1]);
  assert.equal(made.message.hidden, true);
  assert.equal(made.input.getAttribute("aria-invalid"), null);
});

test("a field that can be off is switched by its box", () => {
  const { made, changes } = control("top_k", null);
  assert.equal(made.toggle?.checked, false);
  assert.ok(made.toggle);
  made.toggle.checked = true;
  made.toggle.dispatchEvent(new Event("change"));
  made.toggle.checked = false;
  made.toggle.dispatchEvent(new Event("change"));
  type(made.input, "40");
  assert.equal(made.toggle.checked, true);
  type(made.input, "");
  assert.equal(made.toggle.checked, false);
  assert.deepEqual(changes, [50, null, 40, null]);
  assert.equal(made.input.value, "");
});

test("a change from Python is shown, but not over what says the same", () => {
  const { made } = control("temperature", 0.7);
  type(made.input, "0.50");
  made.set(0.5);
  assert.equal(made.input.value, "0.50");
  made.set(0.9);
  assert.equal(made.input.value, "0.9");
});
