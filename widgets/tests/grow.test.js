/** Text areas that grow with their text, in a page whose layout is said by hand: hidden, shown, narrowed. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { frame } from "./page.js";
import widget from "../chat/index.js";
import { Grower } from "../shared/grow.js";
import { FakeModel, message, traits } from "./fake_model.js";

/** @type {Set<Observer>} those that observe something */
const observing = new Set();
const Real = globalThis.ResizeObserver;

class Observer {
  /** @param {() => void} told */
  constructor(told) {
    this.told = told;
    /** @type {Element[]} */
    this.elements = [];
  }

  /** @param {Element} element */
  observe(element) {
    this.elements.push(element);
    observing.add(this);
  }

  disconnect() {
    observing.delete(this);
  }
}

beforeEach(() => Object.assign(globalThis, { ResizeObserver: Observer }));
afterEach(() => {
  observing.clear();
  Object.assign(globalThis, { ResizeObserver: Real });
});

/** @param {Element} area @param {number} width @param {number} height of its text */
async function lay(area, width, height) {
  Object.defineProperty(area, "offsetWidth", { value: width, configurable: true });
  Object.defineProperty(area, "scrollHeight", { value: height, configurable: true });
  for (const { told, elements } of observing) if (elements.includes(area)) told();
  await frame();
  await frame();
}

test("an area that is not laid out is left alone, and fitted when it is shown, narrowed and shown again", async () => {
  const area = document.createElement("textarea");
  await lay(area, 0, 0);
  const grower = new Grower(area, 180);
  grower.begin();
  assert.equal(area.style.height, "");
  await lay(area, 400, 32);
  assert.equal(area.style.height, "34px");
  await lay(area, 100, 500);
  assert.equal(area.style.height, "180px");
  assert.equal(area.style.overflowY, "auto");
  await lay(area, 0, 0);
  grower.fit();
  assert.equal(area.style.height, "180px");
  await lay(area, 400, 54);
  assert.equal(area.style.height, "56px");
  assert.equal(area.style.overflowY, "hidden");
  grower.end();
  await lay(area, 100, 98);
  assert.equal(area.style.height, "56px");
});

test("the message box and an open editor are fitted when their tab is shown, and let go at the end", async () => {
  const model = new FakeModel(traits({ messages: [message({ id: "u1", content: "Hi" })] }));
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const cleanup = widget.render({ model, el });
  const edit = /** @type {HTMLButtonElement} */ (el.querySelector("button[aria-label=Edit]"));
  edit.click();
  const areas = ["Message", "Edited text"].map((name) => /** @type {HTMLTextAreaElement} */ (el.querySelector(`textarea[aria-label='${name}']`)));
  for (const area of areas) {
    assert.equal(area.style.height, "");
    await lay(area, 400, 76);
    assert.equal(area.style.height, "78px");
  }
  cleanup();
  assert.equal(observing.size, 0);
});
