/** Thinking is folded away, finished or not, and a tag in code is code. */

import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.js";
import { AnswerView } from "../shared/answer.js";
import { segments, withoutPartialTag } from "../shared/think.js";

/** @param {string} text */
const parts = (text) => segments(text).map(({ kind, text, open }) => `${kind}${open ? "+" : ""}:${text}`);

test("a thought and what is said after it", () => {
  assert.deepEqual(parts("<think>\nhm\n</think>\n\nYes."), ["think:hm", "text:Yes."]);
  assert.deepEqual(parts("<thinking>hm</thinking>Yes."), ["think:hm", "text:Yes."]);
  assert.deepEqual(parts("So.\n<Think>a\nb</Think>\nThen.\n<think>c</think>"), ["text:So.", "think:a\nb", "text:Then.", "think:c"]);
});

test("a thought that has not ended is open", () => {
  assert.deepEqual(parts("<think>\nstill at"), ["think+:still at"]);
});

test("a thought whose opening tag stood in the prompt", () => {
  assert.deepEqual(parts("hm\nhm</think>\n\nYes."), ["think:hm\nhm", "text:Yes."]);
});

test("tags in code and in the middle of a line are text", () => {
  for (const text of ["```\n<think>\nx\n</think>\n```", "Write `<think>` first.", "~~~html\n<think>"]) {
    assert.deepEqual(parts(text), [`text:${text}`]);
  }
});

test("text without thinking stays as it is, but for blank lines around it", () => {
  assert.deepEqual(parts("\n    code\nx\n"), ["text:    code\nx"]);
  assert.deepEqual(parts(" \n"), []);
});

test("half a tag is not shown", () => {
  assert.equal(withoutPartialTag("<thi"), "");
  assert.equal(withoutPartialTag("<think>a</th"), "<think>a");
  assert.equal(withoutPartialTag("a < b"), "a < b");
  assert.equal(withoutPartialTag("<think>"), "<think>");
});

test("a thought is a closed fold, and stays open when the reader opened it", () => {
  const view = new AnswerView();
  view.update("<think>\none", true);
  const fold = /** @type {HTMLDetailsElement} */ (view.el.querySelector("details"));
  assert.equal(fold.open, false);
  assert.equal(fold.querySelector("summary")?.textContent, "Thinking");
  assert.equal(fold.dataset["open"], "true");
  fold.open = true;
  view.update("<think>\none two\n</think>\n\nYes", true);
  assert.equal(view.el.querySelector("details"), fold);
  assert.equal(fold.open, true);
  assert.equal(fold.dataset["open"], "false");
  assert.equal(view.el.lastElementChild?.textContent, "Yes");
});
