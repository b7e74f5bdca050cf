/** The grid against a model without a kernel: what it shows, what it sends, how it is used by keyboard. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import widget from "../grid/index.js";
import { heat, number, span } from "../grid/heat.js";
import { FakeModel } from "./fake_model.js";

const CHOICES = [
  { name: "temperature", label: "Temperature", help: "Values with commas.", lines: false },
  { name: "seed", label: "Seed", help: "Numbers, or from..to.", lines: false },
  { name: "system", label: "System", help: "A system prompt a line.", lines: true },
];

/** @param {number} place @param {Record<string, unknown>} [more] */
function cell(place, more) {
  return { place, pieces: [[`text ${place}`, true]], facts: "3 tokens · length", label: `seed ${place}`, measured: { tokens: 3, perplexity: place + 1 }, ...more };
}

/** @param {Record<string, unknown>} [more] */
function grid(more) {
  const model = new FakeModel({
    model: "starter/chat", prompt: "Once", chat: false, length: 8, status: "idle", problem: null, choices: CHOICES,
    axes: [{ name: "temperature", text: "0, 1" }, { name: "seed", text: "0..1" }], counted: { words: "2 × 2 = 4 cells", problem: null },
    progress: {}, cells: [cell(0), cell(1), cell(3)], across: "seed", figures: ["tokens", "perplexity"], colour_by: "", reference: -1,
    table: { down: ["temperature"], heads: ["seed 0", "seed 1"], rows: [{ labels: ["0"], places: [0, 1] }, { labels: ["1"], places: [2, 3] }] },
    opens: ["X-ray"], answered: 0, ...more,
  });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const cleanup = widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-grid"));
  const named = (/** @type {Element} */ one) => one.getAttribute("aria-label") ?? one.textContent;
  const button = (/** @type {string} */ name) =>
    /** @type {HTMLButtonElement | undefined} */ ([...root.querySelectorAll("button")].find((one) => named(one) === name && !one.closest("[hidden]")));
  const field = (/** @type {string} */ label) =>
    /** @type {HTMLInputElement} */ ([...root.querySelectorAll("input, textarea, select")].find((one) => named(one) === label));
  const set = async (/** @type {Record<string, unknown>} */ values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    await frame();
  };
  const type = (/** @type {string} */ label, /** @type {string} */ value) => {
    const input = field(label);
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const box = (/** @type {number} */ place) => /** @type {HTMLElement} */ (root.querySelector(`td[data-place="${place}"]`));
  return { model, root, button, field, set, type, box, cleanup };
}

test("figures are shares of the way from the least to the most, and of their logarithms where they lie far apart", () => {
  assert.deepEqual(span([2, null, 6]), { least: 2, most: 6, wide: false });
  assert.deepEqual([2, 4, 6, null].map(heat([2, null, 6])), [0, 0.5, 1, null]);
  assert.equal(heat([1, 100])(10), 0.5);
  assert.equal(heat([7, 7])(7), 0.5);
  assert.equal(heat([null])(null), null);
  assert.deepEqual([number(null), number(1234.5), number(0.12345), number(12)], ["–", "1,235", "0.123", "12"]);
});

test("cells stand where their values are, and one that is not there says so", async () => {
  const { root, set, box } = grid();
  const head = [...root.querySelectorAll("thead th")].map((one) => one.textContent);
  assert.deepEqual(head, ["temperature", "seed 0", "seed 1"]);
  assert.equal(box(3).querySelector(".inb-cell-text")?.textContent, "text 3");
  assert.match(box(3).textContent ?? "", /3 tokens · length/);
  assert.equal(box(2).textContent?.startsWith("not run"), true);
  await set({ status: "running", progress: { done: 3, total: 4, words: "3 of 4 cells" } });
  assert.equal(box(2).querySelector(".inb-cell-text")?.textContent, "…");
  assert.equal(root.querySelector("progress")?.value, 3);
  assert.match(root.textContent ?? "", /3 of 4 cells/);
});

test("axes are typed, added and left out, one change at a time", async () => {
  const { model, type, button, field, set, root } = grid();
  type("Values of Temperature", "0, 1, 2");
  assert.deepEqual(model.sent, [{ type: "axes", axes: [{ name: "temperature", text: "0, 1, 2" }, { name: "seed", text: "0..1" }], number: 1 }]);
  await set({ axes: [{ name: "temperature", text: "0, 1, 2" }, { name: "seed", text: "0..1" }], answered: 1 });
  button("Vary something else")?.click();
  const three = [{ name: "temperature", text: "0, 1, 2" }, { name: "seed", text: "0..1" }, { name: "system", text: "" }];
  assert.deepEqual(model.sent.at(-1), { type: "axes", axes: three, number: 2 });
  await set({ axes: three, answered: 2 });
  assert.equal(document.activeElement, root.querySelectorAll(".inb-axis select")[2]);
  assert.equal(field("Values of System").tagName, "TEXTAREA");
  assert.equal(button("Vary something else"), undefined);
  button("Vary Seed no longer")?.click();
  assert.deepEqual(model.sent.at(-1), { type: "axes", axes: [three[0], three[2]], number: 3 });
});

test("what is wrong is said at its axis, and nothing can be run before it is mended", async () => {
  const { root, set, field, button } = grid();
  const problem = { message: "'warm' is no value.", hint: "Write numbers.", field: "temperature" };
  await set({ counted: { words: "", problem } });
  assert.equal(field("Values of Temperature").getAttribute("aria-invalid"), "true");
  assert.equal(root.querySelector(".inb-axis .inb-field-error")?.textContent, "'warm' is no value. Write numbers.");
  assert.equal(button("Run")?.disabled, true);
  await set({ counted: { words: "", problem: { message: "Too many.", hint: "Fewer.", field: null } } });
  assert.equal(/** @type {HTMLElement} */ (root.querySelector(".inb-axis .inb-field-error")).hidden, true);
  assert.match(root.textContent ?? "", /Too many\. Fewer\./);
});

test("cells are coloured by a figure, with what the colours mean", async () => {
  const { model, set, box, root } = grid();
  assert.equal(box(0).style.getPropertyValue("--heat"), "");
  await set({ colour_by: "perplexity" });
  assert.deepEqual([0, 1, 3].map((place) => box(place).style.getPropertyValue("--heat")), ["5%", "16%", "38%"]);
  assert.match(box(3).textContent ?? "", /perplexity 4/);
  assert.equal(root.querySelector(".inb-heat-legend")?.textContent, "14");
  const choose = /** @type {HTMLSelectElement} */ ([...root.querySelectorAll(".inb-choose select")][1]);
  choose.value = "tokens";
  choose.dispatchEvent(new Event("change"));
  assert.deepEqual(model.sent.at(-1), { type: "colour", by: "tokens" });
});

test("a cell is compared, and the words that are its own are marked", async () => {
  const { model, set, box, button } = grid();
  button("Compare the others with seed 0")?.click();
  assert.deepEqual(model.sent.at(-1), { type: "compare", place: 0 });
  const one = cell(1, { pieces: [["the ", true], ["<b>", false]] });
  await set({ reference: 0, cells: [cell(0), one] });
  assert.deepEqual([...box(1).querySelectorAll("mark")].map((mark) => mark.textContent), ["<b>"]);
  assert.equal(box(0).hasAttribute("data-reference"), true);
  button("Compare no longer")?.click();
  assert.deepEqual(model.sent.at(-1), { type: "compare", place: null });
});

test("a cell that did not change keeps its element, and with it the focus", async () => {
  const { set, box, button } = grid();
  const before = box(0).querySelector(".inb-cell-text")?.firstChild;
  button("Compare the others with seed 0")?.focus();
  await set({ cells: [cell(0), cell(1), cell(2), cell(3)] });
  assert.equal(box(0).querySelector(".inb-cell-text")?.firstChild, before);
  assert.equal(document.activeElement, button("Compare the others with seed 0"));
});

test("buttons send what they say", async () => {
  const { model, button, set } = grid();
  button("Open seed 3 in X-ray")?.click();
  button("Map of the texts")?.click();
  button("Run")?.click();
  assert.deepEqual(model.sent, [
    { type: "open", place: 3, where: "X-ray" }, { type: "map" }, { type: "run", prompt: "Once", chat: false, length: 8 },
  ]);
  await set({ status: "running" });
  button("Stop")?.click();
  assert.deepEqual(model.sent.at(-1), { type: "stop" });
});

test("without a kernel a click says what to do, and a view that is closed listens no more", () => {
  const { model, root, button, cleanup } = grid();
  model.onsend = () => {
    throw new Error("Cannot send");
  };
  button("Run")?.click();
  assert.match(root.querySelector(".inb-banner")?.textContent ?? "", /lost its kernel/);
  cleanup();
  assert.equal(model.listening, 0);
});
