/** The chat's page in a document without a browser, for its tests. */

import "./page.js";
import widget from "../chat/index.js";
import { FakeModel, traits } from "./fake_model.js";

/** @param {Record<string, unknown>} [more] */
export function chat(more) {
  const model = new FakeModel(traits(more));
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  return { model, el, ...view(model, el) };
}

/** @param {FakeModel} model @param {HTMLElement} el */
export function view(model, el) {
  const cleanup = widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-chat"));
  const button = (/** @type {string} */ name) =>
    /** @type {HTMLButtonElement} */ (
      [...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === name && !one.closest("[hidden]"))
    );
  const box = /** @type {HTMLTextAreaElement} */ (root.querySelector("textarea[aria-label=Message]"));
  const write = (/** @type {string} */ text) => {
    box.value = text;
    box.dispatchEvent(new Event("input"));
  };
  return { cleanup, root, button, box, write };
}

/** @param {Element} element @param {string} name @param {KeyboardEventInit} [init] */
export function press(element, name, init = {}) {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...init });
  element.dispatchEvent(event);
  return event;
}
