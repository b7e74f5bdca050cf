/** The tokenizer explorer against a model without a kernel: what it shows, what it sends, how it is used by keyboard. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { frame } from "./page.js";
import widget from "../tokenizer/index.js";
import { FakeModel } from "./fake_model.js";

mock.timers.enable({ apis: ["setTimeout"] });

/** @param {string} text @param {Record<string, unknown>} [more] */
function token(text, more) {
  return { text, id: 7, piece: text, bytes: "61 62", start: 0, end: 2, special: false, role: null, line: false, ...more };
}

/** @param {string} name @param {Record<string, unknown>} more */
function side(name, more) {
  return { name, size: 1000, problem: null, ...more };
}

const TEXT = {
  tab: "text", characters: 9, start: 0, end: 9, differences: 1,
  sides: [
    side("a/one", { count: 3, tokens: [token("un", { index: 0 }), token("·happy", { index: 1, apart: true, id: 42, bytes: "20 68" }), token("↵", { index: 2, line: true })] }),
    side("b/two", { count: 1, tokens: [token("unhappy", { index: 0, apart: true })] }),
  ],
};

/** @param {Record<string, unknown>} [more] */
function explorer(more) {
  const model = new FakeModel({
    names: ["a/one", "b/two", "starter/chat"], chosen: ["a/one", "b/two"], tab: "text", text: "un happy\n", query: "", kind: "text",
    messages: [{ role: "user", content: "Hello" }], answering: true, view: TEXT, status: "idle", answered: 0, problem: null, ...more,
  });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const cleanup = widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-tk"));
  const set = async (/** @type {Record<string, unknown>} */ values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    await frame();
  };
  const input = (/** @type {Element | null} */ target, /** @type {string} */ value, type = "input") => {
    /** @type {HTMLInputElement} */ (target).value = value;
    target?.dispatchEvent(new Event(type, { bubbles: true }));
  };
  const press = (/** @type {Element} */ target, /** @type {string} */ key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const chips = () => /** @type {HTMLButtonElement[]} */ ([...root.querySelectorAll(".inb-tk-chip")]).filter((one) => !one.closest("[hidden]"));
  const button = (/** @type {string} */ name) =>
    /** @type {HTMLButtonElement | undefined} */ ([...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === name && !one.closest("[hidden]")));
  return { model, root, set, input, press, chips, button, cleanup };
}

test("two sides are shown with their counts, and what is cut differently is marked", () => {
  const { root, chips } = explorer();
  assert.deepEqual(chips().map((one) => one.textContent), ["un", "·happy", "↵", "unhappy"]);
  assert.deepEqual(chips().map((one) => "apart" in one.dataset), [false, true, false, true]);
  assert.match(root.querySelector(".inb-tk-count")?.textContent ?? "", /a\/one: 3 tokens; b\/two: 1 tokens\. Cut differently in 1 place,/);
  assert.equal(root.querySelectorAll(".inb-tk-chips br").length, 1);
});

test("what is typed is sent when typing pauses, one at a time, and the newest", async () => {
  const { model, root, input, set } = explorer();
  const area = root.querySelector("textarea");
  input(area, "a");
  input(area, "ab");
  assert.deepEqual(model.sent, []);
  mock.timers.tick(200);
  assert.deepEqual(model.sent, [{ type: "set", values: { text: "ab" }, number: 1 }]);
  input(area, "abc");
  mock.timers.tick(200);
  input(area, "abcd");
  mock.timers.tick(200);
  assert.equal(model.sent.length, 1);
  await set({ text: "ab", answered: 1 });
  assert.deepEqual(model.sent.at(-1), { type: "set", values: { text: "abcd" }, number: 2 });
  assert.equal(area?.value, "abcd");
});

test("tokens are walked through by arrow keys, and what is known of each is said", () => {
  const { root, chips, press } = explorer();
  chips()[0]?.focus();
  press(/** @type {Element} */ (chips()[0]), "ArrowRight");
  assert.equal(document.activeElement, chips()[1]);
  assert.equal(chips()[1]?.getAttribute("tabindex"), "0");
  assert.match(chips()[1]?.getAttribute("aria-label") ?? "", /Token 1: ·happy.*id 42, bytes 20 68, characters 0–2/);
  chips()[1]?.dispatchEvent(new Event("focusin", { bubbles: true }));
  assert.match(root.querySelector(".inb-tk-said")?.textContent ?? "", /id 42/);
});

test("ids and a table take the place of texts", () => {
  const { root, chips, input } = explorer();
  const looks = [...root.querySelectorAll("fieldset input")];
  input(looks[1] ?? null, "on", "change");
  assert.deepEqual(chips().map((one) => one.textContent), ["7", "42", "7", "7"]);
  input(looks[2] ?? null, "on", "change");
  assert.equal(chips().length, 0);
  assert.equal(root.querySelectorAll('.inb-tk-table tr[data-id="42"]').length, 1);
});

test("of a long text a part is drawn, and the page says which", () => {
  const { model, root, button } = explorer({ view: { ...TEXT, characters: 1_000_000, start: 2000, end: 4000 } });
  assert.match(root.textContent ?? "", /Drawn: characters 2,001 to 4,000 of 1,000,000/);
  button("Later")?.click();
  button("Earlier")?.click();
  assert.deepEqual(model.sent[0], { type: "set", values: { start: 4000 }, number: 1 });
});

test("tabs are changed by keys, and tokenizers by choosing", async () => {
  const { model, root, press, input, set } = explorer();
  const tabs = [...root.querySelectorAll("[role=tab]")];
  press(/** @type {Element} */ (tabs[0]), "ArrowLeft");
  assert.deepEqual(model.sent.at(-1)?.values, { tab: "languages" });
  const costs = [{ name: "English", tokens: 10, times: 1, per_character: 0.25, per_word: 1.5 }, { name: "Hindi", tokens: 45, times: 4.5, per_character: 1, per_word: null }];
  await set({ answered: 1, tab: "languages", view: { tab: "languages", sides: [side("a/one", { costs }), side("b/two", { problem: { message: "m", hint: "h" } })] } });
  assert.equal(tabs[3]?.getAttribute("aria-selected"), "true");
  assert.match(root.querySelector('tr[data-language="Hindi"]')?.textContent ?? "", /Hindi454\.501\.00/);
  input(root.querySelector("select"), "b/two", "change");
  assert.deepEqual(model.sent.at(-1)?.values, { chosen: ["b/two"] });
});

test("the vocabulary is searched, and one tokenizer's problem stays with it", async () => {
  const view = {
    tab: "vocabulary", asked: true,
    sides: [side("a/one", { total: 300, tokens: [token("ing", { start: null, end: null })], special: [token("<s>", { special: true, role: "bos" })], special_total: 1 }),
      side("b/two", { total: 0, tokens: [], special: [], special_total: 0, problem: { message: "There is no token 9.", hint: "Ids end." } })],
  };
  const { model, root, input } = explorer({ tab: "vocabulary", view });
  assert.match(root.textContent ?? "", /300 found, the first 1 are shown/);
  assert.match(root.textContent ?? "", /1 special tokens.*bos/);
  assert.match(root.querySelectorAll(".inb-tk-problem")[3]?.textContent ?? "", /There is no token 9/);
  const [, , kind] = [...root.querySelectorAll("select")];
  input(kind ?? null, "id", "change");
  assert.deepEqual(model.sent.at(-1)?.values, { kind: "id" });
});

test("a conversation is edited, and its tokens are coloured by role", async () => {
  const tokens = [token("<s>", { role: "template", special: true }), token("Hello", { role: "user" }), token("?", { role: "tool" })];
  const view = { tab: "chat", sides: [side("a/one", { count: 3, by_role: { template: 1, user: 1, tool: 1 }, tokens })] };
  const { model, root, chips, button, input } = explorer({ tab: "chat", chosen: ["a/one"], view });
  assert.deepEqual(chips().map((one) => one.dataset["role"]), ["template", "user", "template"]);
  button("Add a message")?.click();
  assert.deepEqual(model.sent.at(-1)?.values.messages, [{ role: "user", content: "Hello" }, { role: "assistant", content: "" }]);
  const area = root.querySelector('[aria-label="Message 2"]');
  assert.equal(document.activeElement, area);
  input(area, "Hi");
  mock.timers.tick(200);
  model.set("answered", 1);
  await frame();
  assert.deepEqual(model.sent.at(-1)?.values.messages.at(-1), { role: "assistant", content: "Hi" });
  button("Remove message 1")?.click();
  assert.equal(root.querySelectorAll(".inb-tk-messages li").length, 1);
});

test("a problem is told, and the starter fetched where that helps", async () => {
  const { model, root, button, set } = explorer({ view: {}, chosen: ["starter/chat"], problem: { message: "Not here.", hint: "Fetch it.", fetch: true } });
  assert.match(root.querySelector("[role=alert]")?.textContent ?? "", /Not here/);
  button("Fetch it")?.click();
  assert.deepEqual(model.sent.at(-1), { type: "set", values: { chosen: ["starter/chat"] }, number: 1 });
  await set({ problem: null });
  assert.equal(button("Fetch it"), undefined);
});

test("what is in a text is text and nothing else", () => {
  const evil = '<img src=x onerror="alert(1)">';
  const tokens = [token(evil, { piece: evil, role: evil, index: 0 })];
  const { root } = explorer({ text: evil, names: [evil], chosen: [evil], view: { ...TEXT, sides: [side(evil, { count: 1, tokens })] }, problem: { message: evil, hint: evil, fetch: false } });
  assert.equal(root.querySelector("img"), null);
});

test("without a kernel a change says what to do, and a view that is closed listens no more", () => {
  const { model, root, cleanup, input } = explorer();
  model.onsend = () => {
    throw new Error("Cannot send");
  };
  input(root.querySelector("textarea"), "x");
  mock.timers.tick(200);
  assert.match(root.querySelector("[role=alert]")?.textContent ?? "", /lost its kernel/);
  input(root.querySelector("textarea"), "xy");
  cleanup();
  const sent = model.sent.length;
  mock.timers.tick(200);
  assert.equal(model.sent.length, sent);
  assert.equal(model.listening, 0);
});
