/** The table of rows that are chosen by a click or by keyboard, against a model without a kernel. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import widget from "../picks/index.js";
import { FakeModel } from "./fake_model.js";

/** @param {Record<string, unknown>} [more] */
function picks(more) {
  const model = new FakeModel({
    heading: "Nearest to: sea", heads: ["row", "text"], rows: [["3", "<b>ocean</b>"], ["5", "lake"]], pickable: true, picked: [], more: "", ...more,
  });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-picks"));
  const rows = () => /** @type {HTMLElement[]} */ ([...root.querySelectorAll("tbody tr")]);
  const buttons = () => /** @type {HTMLElement[]} */ ([...root.querySelectorAll("tbody button")]);
  return { model, root, rows, buttons };
}

test("texts are shown as they are, and the heading names the table", () => {
  const { root, rows } = picks();
  assert.deepEqual(rows().map((row) => row.textContent), ["3<b>ocean</b>", "5lake"]);
  assert.equal(root.querySelector("[role=region]")?.getAttribute("aria-label"), "Nearest to: sea");
});

test("a click on a row or its button sends it once", () => {
  const { model, rows, buttons } = picks();
  rows()[1]?.querySelectorAll("td")[1]?.click();
  buttons()[0]?.click();
  assert.deepEqual(model.sent, [{ type: "pick", row: 1 }, { type: "pick", row: 0 }]);
});

test("what is picked is marked, and the buttons stay, so that the focus does", async () => {
  const { model, rows, buttons } = picks();
  const before = buttons();
  before[1]?.focus();
  model.set("picked", [1]);
  await frame();
  assert.deepEqual(buttons().map((one) => one.getAttribute("aria-pressed")), ["false", "true"]);
  assert.ok(rows()[1]?.hasAttribute("data-picked"));
  assert.equal(buttons()[1], before[1]);
  assert.equal(document.activeElement, before[1]);
});

test("rows that cannot be chosen have no buttons", () => {
  const { model, rows, buttons } = picks({ pickable: false });
  rows()[0]?.click();
  assert.equal(buttons().length, 0);
  assert.deepEqual(model.sent, []);
});

test("without a heading there is nothing", () => {
  const { root } = picks({ heading: "", rows: [] });
  assert.ok(root.hidden);
});
