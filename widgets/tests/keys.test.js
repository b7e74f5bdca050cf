/** Keys pressed in a panel: which of them the notebook still gets. */

import "./page.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import keys from "../keys/index.js";

/** @type {string[]} what reaches the document, where JupyterLab listens */
const heard = [];
document.addEventListener("keydown", ({ key }) => heard.push(key));
keys.initialize();
keys.initialize();

/**
 * @param {string} place
 * @param {KeyboardEventInit} key
 * @returns {boolean} whether the notebook gets the key
 */
function gets(place, key) {
  const element = document.querySelector(place);
  assert.ok(element);
  heard.length = 0;
  element.dispatchEvent(new KeyboardEvent("keydown", { ...key, bubbles: true, cancelable: true }));
  return heard.length > 0;
}

test("keys stay in a panel, but for those of the notebook as a whole", () => {
  document.body.innerHTML = "<div class=live><select></select></div><button></button>";
  for (const key of ["ArrowDown", "d", "Escape", "Enter"]) {
    assert.equal(gets("select", { key }), false, key);
    assert.equal(gets("button", { key }), true, key);
  }
  assert.equal(gets("select", { key: "Enter", shiftKey: true }), false);
  assert.equal(gets("select", { key: "Enter", ctrlKey: true }), false);
  assert.equal(gets("select", { key: "s", ctrlKey: true }), true);
  assert.equal(gets("select", { key: "s", metaKey: true }), true);
});

test("what the panel itself does with a key comes first, and is not undone", () => {
  document.body.innerHTML = "<div class=live><button></button></div>";
  let pressed = 0;
  document.querySelector(".live")?.addEventListener("keydown", () => (pressed += 1));
  gets("button", { key: "ArrowDown" });
  assert.equal(pressed, 1);
});
