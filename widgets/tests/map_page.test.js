/** What a saved map's page makes of the data in its file. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { GREY, look, mixed, PLAIN, unpacked, words } from "../map_page/data.js";

/** @param {number[]} values @returns {string} as `map_page.py` packs them */
const packed = (values) => Buffer.from(new Float32Array(values).buffer).toString("base64");

test("numbers come back as they were packed", () => {
  assert.deepEqual([...unpacked(packed([0.5, -1, NaN, 3e9]))], [0.5, -1, NaN, 3e9]);
  assert.deepEqual([...unpacked("")], []);
});

test("without a column all rows have one colour", () => {
  assert.deepEqual(look(undefined, 2), { tones: [PLAIN], codes: new Uint16Array(2), legend: [], range: null });
});

test("categories have the colours that the file gives them", () => {
  const column = { name: "kind", kind: /** @type {const} */ ("categories"), names: ["a", "b"], colours: ["#111111", "#222222"], codes: packed([1, 0, 1]) };
  const { tones, codes, legend } = look(column, 3);
  assert.deepEqual([...codes].map((code) => tones[code]), ["#222222", "#111111", "#222222"]);
  assert.deepEqual(legend, [{ name: "a", tone: "#111111" }, { name: "b", tone: "#222222" }]);
});

test("numbers lie on a scale, and a missing one is grey", () => {
  const { tones, codes, range } = look({ name: "n", kind: "numbers", values: packed([2, NaN, 10, 6]) }, 4);
  assert.deepEqual(range, { low: 2, high: 10 });
  const drawn = [...codes].map((code) => tones[code]);
  assert.deepEqual([drawn[0], drawn[1], drawn[2]], [mixed(0), GREY, mixed(1)]);
  assert.ok(![drawn[0], drawn[2]].includes(drawn[3]));
});

test("a column of one number, or of none, can be drawn", () => {
  const one = look({ name: "n", kind: "numbers", values: packed([7, 7]) }, 2);
  assert.deepEqual(one.range, { low: 7, high: 7 });
  assert.equal(one.tones[one.codes[0] ?? 0], mixed(0));
  const none = look({ name: "n", kind: "numbers", values: packed([NaN, NaN]) }, 2);
  assert.equal(none.range, null);
  assert.equal(none.tones[none.codes[1] ?? 0], GREY);
});

test("a row is described by its columns", () => {
  const about = words([
    { name: "n", kind: "numbers", values: packed([0.1, NaN]) },
    { name: "kind", kind: "categories", names: ["a", "b"], colours: [], codes: packed([1, 0]) },
    { name: "note", kind: "words", names: ["first", "second"], codes: packed([0, 1]) },
  ]);
  assert.deepEqual(about(0), ["n: 0.1", "kind: b", "note: first"]);
  assert.deepEqual(about(1), ["n: (missing)", "kind: a", "note: second"]);
});
