/** Where the keyboard is after what had the focus went away. */

import "./page.js";
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Place } from "../shared/place.js";

/** @param {string} id */
const at = (id) => /** @type {HTMLButtonElement} */ (document.getElementById(id));
const focused = () => document.activeElement?.id;
/** @type {Place} */
let place;

/** @param {Record<string, boolean>} hidden which buttons are, by id */
const paint = (hidden) => place.keep(() => Object.entries(hidden).forEach(([id, so]) => (at(id).hidden = so)));

beforeEach(() => {
  document.body.innerHTML = `<button id=outside></button><section id=panel>
    <p><button id=begin></button><button id=write></button><button id=stop data-act=stop hidden></button></p>
    <p><button id=undo></button><button id=pin></button></p><ul><li><button id=take></button></li></ul></section>`;
  place = new Place(at("panel"));
});

test("a button that is gone while something runs has the focus again when it is back, and Stop meanwhile", () => {
  at("write").focus();
  paint({ begin: true, write: true, stop: false });
  assert.equal(focused(), "stop");
  paint({});
  assert.equal(focused(), "stop");
  paint({ begin: false, write: false, stop: true });
  assert.equal(focused(), "write");
});

test("so has one that was disabled, but not where the person went elsewhere", () => {
  at("begin").focus();
  place.keep(() => (at("begin").disabled = true));
  assert.equal(focused(), "write");
  place.keep(() => (at("begin").disabled = false));
  assert.equal(focused(), "begin");
  paint({ begin: true });
  at("take").focus();
  paint({ begin: false });
  assert.equal(focused(), "take");
});

test("the nearest takes the place of one that does not come back", () => {
  at("undo").focus();
  paint({ undo: true });
  assert.equal(focused(), "pin");
  paint({ pin: true });
  assert.equal(focused(), "take");
  place.keep(() => at("take").remove());
  assert.ok(["begin", "write"].includes(focused() ?? ""));
});

test("what is outside the panel, or stays, keeps the focus", () => {
  at("outside").focus();
  paint({ undo: true });
  assert.equal(focused(), "outside");
  at("pin").focus();
  paint({ begin: true });
  assert.equal(focused(), "pin");
});
