/** The token tree against a model without a kernel: what it shows, what it sends, how it is used by keyboard. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import widget from "../tree/index.js";
import { FakeModel } from "./fake_model.js";

/** @param {number[]} ids @param {string} text @param {Record<string, unknown>} [more] */
function node(ids, text, more) {
  return { ids, text, probability: 0.5, branch: 0.25, end: false, open: false, rest: 1, children: 0, ...more };
}

const NODES = [
  node([], "", { probability: 1, branch: 1, open: true, rest: 0.2, children: 2 }),
  node([7], " sea", { open: true, rest: 0.4, children: 1 }),
  node([7, 9], "\n", { branch: 0.0001 }),
  node([8], "<end>", { end: true, rest: 0 }),
];

/** @param {Record<string, unknown>} [more] */
function tree(more) {
  const model = new FakeModel({
    model: "starter/chat", prompt: "The", chat: false, length: 3, width: 4, status: "idle", problem: null, nodes: NODES, chosen: [], text: "",
    share: 1, adopts: true, adopted: "", progress: {}, answered: 0, ...more,
  });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const cleanup = widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-token-tree"));
  const button = (/** @type {string} */ name) =>
    /** @type {HTMLButtonElement | undefined} */ ([...root.querySelectorAll("button")].find((one) => one.textContent === name && !one.closest("[hidden]")));
  const items = () => /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[role=treeitem]")]);
  const set = async (/** @type {Record<string, unknown>} */ values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    await frame();
  };
  const press = (/** @type {string} */ key) => document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  return { model, root, button, items, set, press, cleanup };
}

test("every node shows its probability, its branch's, and the mass that is not shown", () => {
  const { items } = tree();
  assert.deepEqual(items().map((one) => one.textContent), [
    "▾(the prompt)not shown 20.0%", "▾·sea50.0% · branch 25.0%not shown 40.0%", "▸↵50.0% · branch <0.1%not looked further", "■<end>50.0% · branch 25.0%ends the text",
  ]);
  assert.deepEqual(items().map((one) => one.getAttribute("aria-level")), ["1", "2", "3", "2"]);
  assert.deepEqual(items().map((one) => one.getAttribute("aria-expanded")), ["true", "true", "false", null]);
  assert.equal(items()[1]?.getAttribute("aria-label"), "·sea, 50.0%, branch 25.0%, not shown 40.0%");
  assert.deepEqual(items().map((one) => one.tabIndex), [0, -1, -1, -1]);
});

test("arrows walk, close and open; what is folded is hidden", () => {
  const { model, items, press } = tree();
  items()[0]?.focus();
  press("ArrowDown");
  assert.deepEqual(model.sent, [{ type: "choose", ids: [7], number: 1 }]);
  assert.equal(document.activeElement, items()[1]);
  press("ArrowLeft");
  assert.equal(items().length, 3);
  assert.equal(items()[1]?.getAttribute("aria-expanded"), "false");
  press("ArrowRight");
  assert.equal(items().length, 4);
  press("ArrowRight");
  assert.equal(document.activeElement, items()[2]);
  press("ArrowLeft");
  assert.equal(document.activeElement, items()[1]);
  press("End");
  assert.equal(document.activeElement, items()[3]);
  press("Home");
  assert.equal(document.activeElement, items()[0]);
});

test("a leaf that is opened is looked into, one that ends is not, and Delete prunes", () => {
  const { model, items, press } = tree({ chosen: [7, 9] });
  items()[2]?.focus();
  press("ArrowRight");
  assert.deepEqual(model.sent.pop(), { type: "expand", ids: [7, 9], width: 4 });
  press("Delete");
  assert.deepEqual(model.sent.pop(), { type: "prune", ids: [7, 9] });
  press("ArrowDown");
  model.sent.length = 0;
  press("ArrowRight");
  assert.deepEqual(model.sent, []);
});

test("what is done with a branch is done with the one that was chosen last", async () => {
  const { model, items, button, set } = tree();
  assert.equal(button("Adopt in the chat")?.disabled, true);
  items()[1]?.click();
  await set({ chosen: [7], answered: 1, text: " sea", share: 0.25 });
  model.sent.length = 0;
  for (const name of ["Look further", "Follow the likeliest", "Prune", "Adopt in the chat", "Grow"]) button(name)?.click();
  assert.deepEqual(model.sent, [
    { type: "expand", ids: [7], width: 4 }, { type: "follow", ids: [7], length: 3 }, { type: "prune", ids: [7] }, { type: "adopt", ids: [7] },
    { type: "grow", prompt: "The", chat: false, length: 3, width: 4 },
  ]);
  await set({ adopted: " sea" });
  assert.match(document.querySelector("[role=status]")?.textContent ?? "", /Branch: ·sea 25\.0% · adopted/);
});

test("new nodes keep the focus and what was folded", async () => {
  const { items, press, set } = tree({ chosen: [7] });
  items()[1]?.focus();
  press("ArrowLeft");
  await set({ nodes: [...NODES, node([5], "x")] });
  assert.equal(items().length, 4);
  assert.equal(document.activeElement, items()[1]);
});

test("while it grows there is a stop, and how far it is; a problem is told", async () => {
  const { model, root, button, set } = tree();
  await set({ status: "running", progress: { done: 3, total: 12 } });
  assert.equal(/** @type {HTMLProgressElement | null} */ (root.querySelector("progress"))?.value, 3);
  assert.equal(button("Prune")?.disabled, true);
  button("Stop")?.click();
  await set({ status: "idle", problem: { message: "starter/chat was unloaded.", hint: "Load it.", field: null, load: true } });
  button("Load the model")?.click();
  assert.deepEqual(model.sent, [{ type: "stop" }, { type: "load" }]);
});

test("without somebody to adopt there is no such button; text is text; a closed view listens no more", () => {
  const evil = '<img src=x onerror="alert(1)">';
  const { root, button, model, cleanup } = tree({ adopts: false, nodes: [NODES[0], node([7], evil)], chosen: [7], text: evil });
  assert.equal(button("Adopt in the chat"), undefined);
  assert.equal(root.querySelector("img"), null);
  cleanup();
  assert.equal(model.listening, 0);
});
