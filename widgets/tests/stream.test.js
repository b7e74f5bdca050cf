/** Deltas and snapshots: whatever is lost, repeated or late, the text comes out whole. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "./page.js";
import { Stream, points } from "../chat/stream.js";

const figures = { id: "a1", tokens: 1, tokens_per_second: 20, first_token: 0.1 };
/** @param {number} at @param {string} text */
const delta = (at, text) => ({ ...figures, type: /** @type {const} */ ("delta"), at, text });
/** @param {string} text */
const snapshot = (text) => ({ ...figures, type: /** @type {const} */ ("snapshot"), text });

function stream() {
  let asked = 0;
  let now = 0;
  const made = new Stream(() => (asked += 1), () => now);
  return { made, asked: () => asked, wait: (/** @type {number} */ by) => (now += by) };
}

test("deltas add up, counted in characters and not in UTF-16 units", () => {
  const { made, asked } = stream();
  assert.equal(made.take(delta(0, "a\u{1F600}")), true);
  assert.equal(made.take(delta(2, "b")), true);
  assert.equal(made.live?.text, "a\u{1F600}b");
  assert.equal(asked(), 0);
});

test("a lost delta leads to one hello, and the snapshot mends the text", () => {
  const { made, asked } = stream();
  made.take(delta(0, "one "));
  assert.equal(made.take(delta(8, "three ")), false);
  assert.equal(made.take(delta(14, "four ")), false);
  assert.equal(asked(), 1);
  assert.equal(made.live?.text, "one ");
  made.take(snapshot("one two three four "));
  assert.equal(made.take(delta(19, "five")), true);
  assert.equal(made.live?.text, "one two three four five");
  assert.equal(asked(), 1);
});

test("an answer that does not come is asked for again after a while", () => {
  const { made, asked, wait } = stream();
  made.take(delta(5, "x"));
  wait(500);
  made.take(delta(6, "x"));
  assert.equal(asked(), 1);
  wait(600);
  made.take(delta(7, "x"));
  assert.equal(asked(), 2);
});

test("a delta that a snapshot already held changes nothing", () => {
  const { made, asked } = stream();
  made.take(snapshot("one two "));
  assert.equal(made.take(delta(4, "two ")), false);
  assert.equal(made.live?.text, "one two ");
  assert.equal(asked(), 0);
});

test("a page that comes late has nothing until the snapshot", () => {
  const { made, asked } = stream();
  assert.equal(made.take(delta(100, "x")), false);
  assert.equal(made.live, null);
  assert.equal(asked(), 1);
});

test("another message begins anew", () => {
  const { made } = stream();
  made.take(delta(0, "one"));
  made.take({ ...delta(0, "two"), id: "a2" });
  assert.deepEqual([made.live?.id, made.live?.text], ["a2", "two"]);
});

test("a delta without text still brings figures", () => {
  const { made } = stream();
  made.take(delta(0, "one"));
  assert.equal(made.take({ ...delta(3, ""), tokens: 9 }), true);
  assert.equal(made.live?.tokens, 9);
});

test("with deltas lost at random the text is whole in the end", () => {
  const text = "Zwölf Boxkämpfer \u{1F600} jagen Viktor. ".repeat(20);
  const all = [...text];
  for (let seed = 0; seed < 100; seed += 1) {
    const next = random(seed);
    let sent = 0;
    const made = new Stream(() => made.take(snapshot(all.slice(0, sent).join(""))), () => sent * 100_000);
    while (sent < all.length) {
      const size = 1 + Math.floor(next() * 8);
      const part = delta(sent, all.slice(sent, sent + size).join(""));
      sent = Math.min(all.length, sent + size);
      if (next() < 0.7 || sent === all.length) made.take(part);
    }
    assert.equal(made.live?.text, text, `seed ${seed}`);
    assert.equal(made.length, points(text));
  }
});
