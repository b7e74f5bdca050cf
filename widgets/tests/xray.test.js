/** The X-ray against a model without a kernel: what it shows, what it sends, how it is used by keyboard. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import widget from "../xray/index.js";
import { percent, shown } from "../shared/tokens.js";
import { FIELDS, FakeModel } from "./fake_model.js";

const ORDER = ["logit_bias", "repetition_penalty", "temperature", "top_k", "top_p"];

/** @param {string} name @param {Record<string, unknown>} [more] */
function stage(name, more) {
  return { name, on: true, kept: 100, cut: 0, mass: 1, before: 2, entropy: 1.5, ...more };
}

/** @param {Record<string, unknown>} [more] */
function view(more) {
  return {
    index: 1, came: 7, drawn: 8, greedy: false, vocabulary: 1000, pinned: null,
    stages: [stage("logit_bias", { on: false }), stage("repetition_penalty"), stage("temperature"), stage("top_k", { on: false }), stage("top_p", { kept: 2, cut: 998, mass: 0.91 })],
    bars: [
      { id: 7, text: " sea", raw: 0.5, sampled: 0.6, cut: null, pinned: null },
      { id: 8, text: "\n", raw: 0.25, sampled: 0.4, cut: null, pinned: null },
      { id: 9, text: "x", raw: 0.0001, sampled: 0, cut: "top_p", pinned: null },
    ],
    ...more,
  };
}

/** @param {Record<string, unknown>} [more] */
function xray(more) {
  const model = new FakeModel({
    fields: FIELDS, model: "starter/chat", prompt: "Once", chat: false, length: 8, status: "idle", tokens: ["The", " sea", "\n"], where: 1, view: view(),
    flips: [], judged: true, changed: [], pinned: false, earlier: 0, answered: 0, problem: null,
    sampling: { temperature: 0.7, top_k: null, top_p: 0.9, repetition_penalty: 1.1, seed: 3, order: ORDER }, ...more,
  });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const cleanup = widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-xray"));
  const button = (/** @type {string} */ name) =>
    /** @type {HTMLButtonElement | undefined} */ ([...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === name && !one.closest("[hidden]")));
  const chips = () => /** @type {HTMLButtonElement[]} */ ([...root.querySelectorAll(".inb-token-chip")]);
  const set = async (/** @type {Record<string, unknown>} */ values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    await frame();
  };
  const press = (/** @type {Element} */ target, /** @type {string} */ key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const type = (/** @type {string} */ name, /** @type {string} */ value) => {
    const input = /** @type {HTMLInputElement} */ (root.querySelector(`[data-stage="${name}"] input[type="number"]`));
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const stages = () => [...root.querySelectorAll(".inb-stage")].map((one) => /** @type {HTMLElement} */ (one).dataset["stage"]);
  return { model, root, button, chips, set, press, type, stages, cleanup };
}

test("nothing in a token's text is invisible", () => {
  assert.equal(shown(" a\n\u200bb\t"), "·a↵⟨200b⟩b⇥");
  assert.equal(shown(""), "∅");
  assert.equal(percent(0.0001), "<0.1%");
  assert.equal(percent(0), "0.0%");
});

test("a choice shows raw and post-sampler chances, what is cut by which stage, and what was drawn", () => {
  const { root } = xray();
  const rows = [...root.querySelectorAll(".inb-bars tbody tr")].map((row) => row.textContent);
  assert.deepEqual(rows, ["·seain the text50.0%60.0%Take", "↵drawn25.0%40.0%Take", "x<0.1%cut: top pTake"]);
  assert.match(root.querySelector(".inb-xray-sum")?.textContent ?? "", /1,000 tokens, of which 2 may come; entropy 2\.00 → 1\.50 nats/);
  const widths = [...root.querySelectorAll(".inb-bar-track .inb-bar-sampled")].map((bar) => /** @type {HTMLElement} */ (bar).style.width);
  assert.deepEqual(widths, ["100%", "66.66666666666667%", "0%"]);
});

test("each stage says what it did", () => {
  const { root } = xray();
  const said = (/** @type {string} */ name) => root.querySelector(`[data-stage="${name}"] .inb-stage-effect`)?.textContent;
  assert.equal(said("top_k"), "off");
  assert.equal(said("temperature"), "rescales, cuts none; entropy 2.00 → 1.50 nats");
  assert.equal(said("top_p"), "keeps 2, cuts 998; 91.0% of the mass stays; entropy 2.00 → 1.50 nats");
});

test("rows of the same choice stay while their numbers move", async () => {
  const { root, set } = xray();
  const before = root.querySelector('tr[data-id="7"]');
  const bars = view().bars.map((bar) => ({ ...bar, sampled: bar.sampled / 2 }));
  await set({ view: view({ bars }) });
  assert.equal(root.querySelector('tr[data-id="7"]'), before);
  assert.match(before?.textContent ?? "", /30\.0%/);
});

test("one change is sent at a time, and of those that come meanwhile the newest values", async () => {
  const { model, type, set } = xray();
  type("temperature", "0.9");
  type("temperature", "1.0");
  type("temperature", "1.1");
  type("top_p", "0.5");
  assert.deepEqual(model.sent, [{ type: "set", values: { temperature: 0.9 }, number: 1 }]);
  await set({ answered: 1 });
  assert.deepEqual(model.sent.at(-1), { type: "set", values: { temperature: 1.1, top_p: 0.5 }, number: 2 });
  await set({ answered: 2 });
  assert.equal(model.sent.length, 2);
});

test("arrow keys move a stage, and the new order is sent", () => {
  const { model, root, press, stages } = xray();
  const grip = /** @type {HTMLElement} */ (root.querySelector('[data-stage="temperature"] .inb-grip'));
  grip.focus();
  press(grip, "ArrowDown");
  press(grip, "ArrowDown");
  assert.deepEqual(stages(), ["logit_bias", "repetition_penalty", "top_k", "top_p", "temperature"]);
  assert.deepEqual(model.sent[0], { type: "order", order: ["logit_bias", "repetition_penalty", "top_k", "temperature", "top_p"], number: 1 });
  assert.equal(document.activeElement, grip);
  press(grip, "ArrowDown");
  assert.equal(stages().at(-1), "temperature");
});

test("stages that settings left out come back with others", async () => {
  const { set, stages } = xray({ sampling: { temperature: 1, order: [] } });
  assert.deepEqual(stages(), []);
  await set({ sampling: { temperature: 0.7, order: ORDER } });
  assert.deepEqual(stages(), ORDER);
});

test("tokens are walked through by arrow keys, and those that would come otherwise say so", async () => {
  const { model, chips, press, set, root } = xray();
  assert.equal(chips()[1]?.getAttribute("aria-pressed"), "true");
  chips()[1]?.focus();
  press(/** @type {Element} */ (chips()[1]), "ArrowRight");
  assert.deepEqual(model.sent.at(-1), { type: "at", index: 2 });
  const flip = { index: 1, now: " lake", stage: "top_p", margin: null, words: "token 1: ' lake' instead of ' sea', which is cut (top_p)" };
  await set({ changed: ["top_p"], judged: false });
  assert.match(root.querySelector(".inb-xray-verdict")?.textContent ?? "", /Making every choice again/);
  await set({ flips: [flip], judged: true });
  assert.equal(chips()[1]?.dataset["flip"], "first");
  assert.equal(chips()[1]?.getAttribute("aria-label"), "·sea, would be ·lake");
  assert.match(root.querySelector(".inb-xray-verdict")?.textContent ?? "", /First, token 1: .* In all 1 of 3 tokens would come otherwise/);
});

test("buttons send what they say", async () => {
  const { model, button, set } = xray({ changed: ["top_p"], flips: [{ index: 0, now: "A", stage: "top_p", margin: 1, words: "w" }], earlier: 1 });
  for (const name of ["Write what would come", "Undo the changes", "Compare with these settings", "Back to the text before", "Take ↵ and go on from there"]) button(name)?.click();
  assert.deepEqual(model.sent, [{ type: "regenerate" }, { type: "reset" }, { type: "pin" }, { type: "back" }, { type: "take", id: 8 }]);
  button("Look")?.click();
  assert.deepEqual(model.sent.at(-1), { type: "look", prompt: "Once", chat: false, length: 8 });
  await set({ status: "running" });
  assert.equal(button("Look"), undefined);
  button("Stop")?.click();
  assert.deepEqual(model.sent.at(-1), { type: "stop" });
});

test("a problem is told, with the model to load where that helps, and by its field", async () => {
  const { model, root, button, set } = xray({ view: {}, tokens: [] });
  await set({ problem: { message: "starter/chat was unloaded.", hint: "Load it again.", field: null, load: true } });
  assert.match(root.querySelector("[role=alert]")?.textContent ?? "", /was unloaded/);
  button("Load the model")?.click();
  assert.deepEqual(model.sent, [{ type: "load" }]);
  await set({ problem: { message: "too hot", hint: "", field: "temperature", load: false } });
  assert.equal(root.querySelector('[data-stage="temperature"] .inb-field-error')?.textContent, "too hot");
  assert.equal(button("Load the model"), undefined);
});

test("what a model writes is text and nothing else", () => {
  const evil = '<img src=x onerror="alert(1)">';
  const bar = { id: 1, text: evil, raw: 1, sampled: 1, cut: evil, pinned: null };
  const { root } = xray({ tokens: [evil], where: 0, view: view({ bars: [bar] }), problem: { message: evil, hint: evil, field: null, load: false } });
  assert.equal(root.querySelector("img"), null);
});

test("without a kernel a click says what to do, and a view that is closed listens no more", () => {
  const { model, root, button, cleanup } = xray();
  model.onsend = () => {
    throw new Error("Cannot send");
  };
  button("Look")?.click();
  assert.match(root.querySelector("[role=alert]")?.textContent ?? "", /lost its kernel/);
  cleanup();
  assert.equal(model.listening, 0);
});
