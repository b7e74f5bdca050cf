/** The token inspector against a model without a kernel: what it shows, what it sends, how it is used by keyboard. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import widget from "../inspector/index.js";
import { FakeModel } from "./fake_model.js";

const LEGEND = ["50% and more", "10 to 50%", "1 to 10%", "0.1 to 1%", "below 0.1%"];

/** @param {Record<string, unknown>} [more] */
function view(more) {
  return {
    index: 1, came: 7, text: " sea", drawn: null, greedy: false, fixed: false, pinned: null,
    figures: [{ name: "Probability", raw: "50.0% (-0.69 nats)", sampled: "" }, { name: "Rank", raw: "1", sampled: "" }],
    bars: [
      { id: 7, text: " sea", raw: 0.5, sampled: null, cut: null, pinned: null },
      { id: 8, text: "\n", raw: 0.25, sampled: null, cut: null, pinned: null },
    ],
    ...more,
  };
}

/** @param {Record<string, unknown>} [more] */
function inspector(more) {
  const model = new FakeModel({
    model: "starter/chat", prompt: "The sea", chat: false, length: 8, status: "idle", problem: null, tokens: ["The", " sea", "\n"], given: 3,
    levels: [-1, 0, 4], legend: LEGEND, measure: "logprob", of: "raw", has_sampled: false, where: 1, view: view(), hint: {}, branches: ["the text"],
    branch: 0, summary: "3 tokens; perplexity 2 (raw).", note: "", progress: {}, answered: 0, ...more,
  });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const cleanup = widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-inspector"));
  const button = (/** @type {string} */ name) =>
    /** @type {HTMLButtonElement | undefined} */ ([...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === name && !one.closest("[hidden]")));
  const chips = () => /** @type {HTMLButtonElement[]} */ ([...root.querySelectorAll(".inb-token-chip")]);
  const set = async (/** @type {Record<string, unknown>} */ values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    await frame();
  };
  const press = (/** @type {Element | null | undefined} */ target, /** @type {string} */ key) => target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  return { model, root, button, chips, set, press, cleanup };
}

test("tokens carry their level, in colour and in words, and what the colours mean is beside them", () => {
  const { chips, root } = inspector();
  assert.deepEqual(chips().map((chip) => chip.dataset["level"]), ["-1", "0", "4"]);
  assert.deepEqual(chips().map((chip) => chip.getAttribute("aria-label")), ["The, not known", "·sea, 50% and more", "↵, below 0.1%"]);
  assert.deepEqual([...root.querySelectorAll(".inb-inspector-legend li")].map((one) => one.textContent), LEGEND);
  assert.match(root.textContent ?? "", /perplexity 2 \(raw\)/);
});

test("the chosen token's figures and chances are shown; without a draw only the model's own", () => {
  const { root, button } = inspector();
  const rows = [...root.querySelectorAll(".inb-inspector-figures tbody tr")].map((row) => row.textContent);
  assert.deepEqual(rows, ["Probability50.0% (-0.69 nats)nothing was drawn", "Rank1nothing was drawn"]);
  assert.equal(root.querySelector(".inb-bars")?.hasAttribute("data-raw-only"), true);
  assert.equal(button("Take ·sea and go on from there"), undefined);
});

test("by keyboard: arrows choose, Enter goes to the other tokens and takes one, Escape goes back", async () => {
  const { model, chips, press, set, button } = inspector();
  chips()[1]?.focus();
  press(chips()[1], "ArrowRight");
  assert.deepEqual(model.sent, [{ type: "at", index: 2, number: 1 }]);
  await set({ where: 1, answered: 1 });
  chips()[1]?.focus();
  press(chips()[1], "Enter");
  const take = button("Take ↵ and go on from there");
  assert.equal(document.activeElement, take);
  press(take, "Escape");
  assert.equal(document.activeElement, chips()[1]);
  take?.click();
  assert.deepEqual(model.sent.at(-1), { type: "take", id: 8, index: 1, length: 8 });
});

test("a place where nothing can be taken offers nothing", async () => {
  const { set, button, root } = inspector({ view: view({ fixed: true }) });
  assert.equal(button("Take ↵ and go on from there"), undefined);
  await set({ view: view({ bars: [] }) });
  assert.match(root.textContent ?? "", /What else might have come is not known/);
});

test("the token under the pointer is asked for, and shown while the pointer is there", async () => {
  const { model, root, chips, set } = inspector();
  chips()[2]?.dispatchEvent(new Event("pointerover", { bubbles: true }));
  assert.deepEqual(model.sent, [{ type: "hint", index: 2, number: 1 }]);
  const hint = /** @type {HTMLElement} */ (root.querySelector(".inb-inspector-hint"));
  await set({ hint: view({ index: 2 }), answered: 1 });
  assert.equal(hint.hidden, false);
  assert.match(hint.textContent ?? "", /Probability, raw: 50\.0%.*↵25\.0%/);
  root.querySelector(".inb-tokens")?.dispatchEvent(new Event("pointerleave"));
  assert.equal(hint.hidden, true);
});

test("texts that were kept are returned to, colours are chosen, files are asked for", async () => {
  const { model, button, root, set } = inspector({ branches: ["the text", "token 1: ·lake for ·sea"], branch: 1, has_sampled: true });
  assert.equal(button("token 1: ·lake for ·sea")?.getAttribute("aria-pressed"), "true");
  button("the text")?.click();
  const [measure, of] = /** @type {HTMLSelectElement[]} */ ([...root.querySelectorAll("select")]);
  if (measure) measure.value = "rank";
  measure?.dispatchEvent(new Event("change"));
  assert.equal(of?.options[1]?.disabled, false);
  button("Save as HTML")?.click();
  button("Write on")?.click();
  button("Score")?.click();
  const asked = { prompt: "The sea", chat: false, length: 8 };
  assert.deepEqual(model.sent, [
    { type: "show", branch: 0 }, { type: "colour", measure: "rank", of: "raw" }, { type: "export", suffix: "html" },
    { type: "write", ...asked }, { type: "score", ...asked },
  ]);
  await set({ has_sampled: false, of: "raw" });
  assert.equal(of?.options[1]?.disabled, true);
});

test("while it runs there is a stop, and how far it is", async () => {
  const { model, root, button, set } = inspector();
  await set({ status: "running", progress: { done: 3, total: 12 } });
  assert.equal(/** @type {HTMLProgressElement | null} */ (root.querySelector("progress"))?.value, 3);
  assert.equal(button("Write on"), undefined);
  button("Stop")?.click();
  assert.deepEqual(model.sent, [{ type: "stop" }]);
});

test("a problem is told, and what is not known", async () => {
  const { root, button, model } = inspector({ note: "The server does not tell.", problem: { message: "starter/chat was unloaded.", hint: "Load it.", field: null, load: true } });
  assert.match(root.querySelector("[role=alert]")?.textContent ?? "", /was unloaded/);
  assert.match(root.querySelector("[role=note]")?.textContent ?? "", /does not tell/);
  button("Load the model")?.click();
  assert.deepEqual(model.sent, [{ type: "load" }]);
});

test("what a model writes is text and nothing else, and a view that is closed listens no more", () => {
  const evil = '<img src=x onerror="alert(1)">';
  const { root, model, cleanup } = inspector({ tokens: [evil], levels: [0], where: 0, branches: [evil, evil], note: evil, summary: evil, view: view({ text: evil, bars: [{ id: 1, text: evil, raw: 1, sampled: 1, cut: null, pinned: null }] }) });
  assert.equal(root.querySelector("img"), null);
  cleanup();
  assert.equal(model.listening, 0);
});
