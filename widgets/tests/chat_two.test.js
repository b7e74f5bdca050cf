/** Two answers beside each other, and where an answer can be taken up: what the chat's page shows and sends. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import { mark } from "../chat/pair.js";
import { chat, press } from "./chat_view.js";
import { answer, message } from "./fake_model.js";

const ASK = message({ id: "u1", content: "Hi" });
const cool = { model: "starter/chat", sampling: { temperature: 0.7, seed: 7 }, seed: 7, versions: 2 };
const warm = { ...cool, sampling: { temperature: 1.2, seed: 7 }, version: 1 };
const stats = { tokens: 3, first_token: 0.2, tokens_per_second: 20.04 };
const LEFT = answer({ id: "a1", ...cool, stats, content: "One *red* fox", pieces: [["One *", true], ["red", false], ["* fox", true]] });
const RIGHT = answer({ id: "a2", ...warm, stats, content: "One *grey* fox", pieces: [["One *", true], ["grey", false], ["* fox", true]] });
const DONE = [ASK, { ...LEFT, beside: RIGHT }];
const running = (/** @type {any} */ one) => ({ ...one, status: "running", content: "", stats: null, pieces: undefined });

/** @param {HTMLElement} root */
function shown(root) {
  return [...root.querySelectorAll(".inb-side")].map((side) => side.querySelector(".inb-body")?.textContent);
}

test("two answers grow beside each other, each with its figures, and both are stopped at once", async () => {
  const { model, root, button } = chat({ messages: [ASK, { ...running(LEFT), beside: running(RIGHT) }], running: "a1" });
  const delta = { type: "delta", at: 0, tokens: 2, tokens_per_second: 20, first_token: 0.25 };
  model.receive({ ...delta, id: "a1", text: "One *red*" });
  model.receive({ ...delta, id: "a2", text: "One", tokens: 1 });
  await frame();
  assert.deepEqual(shown(root), ["One red", "One"]);
  const heads = [...root.querySelectorAll(".inb-side > header")].map((head) => head.textContent);
  assert.deepEqual(heads, ["Lefttemperature 0.720.0 tok/s · first token 0.25 s · 2 tokens", "Righttemperature 1.220.0 tok/s · first token 0.25 s · 1 token"]);
  assert.equal(button("Go on with the left answer").disabled, true);
  button("Stop").click();
  assert.deepEqual(model.sent.at(-1), { type: "stop" });
  model.set("messages", [ASK, { ...LEFT, pieces: undefined, beside: running(RIGHT) }]);
  model.receive({ ...delta, id: "a2", at: 3, text: " *grey", tokens: 2 });
  await frame();
  assert.deepEqual(shown(root), ["One red fox", "One *grey"]);
  model.set("messages", DONE);
  model.set("running", "");
  assert.deepEqual(shown(root), ["One red fox", "One grey fox"]);
  assert.equal(root.querySelectorAll(".inb-side > header .inb-meta")[0]?.textContent, "");
  assert.match(root.querySelector("[aria-live=polite]")?.textContent ?? "", /Left answer finished\. One .*Right answer finished\. One /);
});

test("what one has alone is marked where it is shown, and so is the place where they part", () => {
  const { root } = chat({ messages: DONE });
  assert.deepEqual([...root.querySelectorAll("mark")].map((one) => [one.textContent, one.className]), [["red", "inb-parts"], ["grey", "inb-parts"]]);
  assert.equal(root.querySelector(".inb-side em mark")?.textContent, "red");
  assert.match(root.querySelector(".inb-pair > .inb-hint")?.textContent ?? "", /The first word is the same\. The next message goes on with the left one unless you choose\./);
});

test("that both are the same is said, and with which one the conversation goes on", () => {
  const same = { pieces: [["One fox", true]] };
  const { root } = chat({ messages: [ASK, { ...RIGHT, ...same, beside: { ...LEFT, ...same } }] });
  assert.equal(root.querySelectorAll("mark, .inb-parts").length, 0);
  assert.match(root.querySelector(".inb-pair > .inb-hint")?.textContent ?? "", /Both say the same\. .* with the right one/);
  const sides = [...root.querySelectorAll(".inb-side")];
  assert.deepEqual(sides.map((side) => side.hasAttribute("data-goes-on")), [false, true]);
});

test("marks find their words in Markdown, signs and addresses left out", () => {
  const el = document.createElement("div");
  el.innerHTML = "<p>See <a>the page</a> now, or then</p>";
  mark(el, [["See [the ", true], ["page", false], ["](https://example.org/a/page) ", true], ["now, or then", false]], 4);
  assert.equal(el.querySelector("a")?.innerHTML, 'the <mark class="inb-parts" title="They part here">page</mark>');
  assert.deepEqual([...el.querySelectorAll("p > mark")].map((one) => one.textContent).join(""), "now, or then");
});

test("one is chosen, and its text is a message like others", () => {
  const { model, root, button, box } = chat({ messages: DONE });
  button("Go on with the right answer").click();
  assert.deepEqual(model.sent.at(-1), { type: "choose", id: "a2", which: 1 });
  button("Go on with the right answer").focus();
  model.set("messages", [ASK, { ...RIGHT, beside: null, pieces: undefined }]);
  assert.equal(root.querySelector(".inb-pair"), null);
  assert.equal(root.querySelectorAll("mark").length, 0);
  assert.equal(root.querySelector("article[data-id=a2] .inb-body")?.textContent, "One grey fox");
  assert.equal(document.activeElement, box);
});

test("a side that failed says why, and the other one stands", () => {
  const failed = { ...LEFT, status: "error", content: "", pieces: [], error: { message: "Too long.", hint: "Shorten it." } };
  const { root } = chat({ messages: [ASK, { ...RIGHT, pieces: [["One *grey* fox", false]], beside: failed }] });
  assert.match(root.querySelector(".inb-side")?.textContent ?? "", /Too long\..*Shorten it\./);
  assert.match(root.querySelector(".inb-pair > .inb-hint")?.textContent ?? "", /^ The next message goes on with the right one/);
});

test("the switch opens the settings of the second answer, and a message is sent for two", () => {
  const { model, root, button, write, box } = chat({ loaded: ["starter/chat", "another"], other_sampling: { temperature: 1.2 } });
  assert.equal(button("Two at once").getAttribute("aria-pressed"), "false");
  const choice = root.querySelector(".inb-drawer select[id$=model]")?.closest(".inb-field");
  assert.equal(choice?.hasAttribute("hidden"), true);
  button("Two at once").click();
  assert.equal(choice?.hasAttribute("hidden"), false);
  assert.equal(model.get("two"), true);
  assert.equal(button("Two at once").getAttribute("aria-pressed"), "true");
  assert.equal(button("Settings of the right answer").getAttribute("aria-pressed"), "true");
  const input = /** @type {HTMLInputElement} */ (root.querySelector("[data-name=temperature] input[type=number]"));
  assert.equal(input.value, "1.2");
  input.value = "0.1";
  input.dispatchEvent(new Event("input"));
  assert.deepEqual(["other_sampling", "sampling"].map((name) => /** @type {any} */ (model.get(name)).temperature), [0.1, 0.7]);
  const models = /** @type {HTMLSelectElement} */ (root.querySelector(".inb-drawer select[id$=model]"));
  models.value = "another";
  models.dispatchEvent(new Event("change"));
  assert.equal(model.get("other_model"), "another");
  assert.match(root.querySelector(".inb-apart")?.textContent ?? "", /Left starter\/chat · temperature 0\.7.*Right another · temperature 0\.1/);
  button("Settings of the left answer").click();
  assert.equal(input.value, "0.7");
  write("Hi");
  press(box, "Enter");
  assert.deepEqual(model.sent.at(-1), { type: "compare", text: "Hi" });
  button("Two at once").click();
  assert.equal(root.querySelector(".inb-apart")?.hasAttribute("hidden"), true);
  write("Hi");
  press(box, "Enter");
  assert.deepEqual(model.sent.at(-1), { type: "send", text: "Hi" });
});

test("with the switch on, an answer is written again twice", () => {
  const { model, button } = chat({ two: true, messages: [ASK, answer({ id: "a1", content: "Hello" })] });
  button("Regenerate").click();
  assert.deepEqual(model.sent.at(-1), { type: "compare", id: "a1" });
});

test("an answer whose tokens are there is taken up elsewhere, others are not offered", () => {
  const kept = answer({ id: "a1", content: "Hello", kept: true });
  const { model, root, button } = chat({ opens: ["X-ray", "Inspector"], messages: [ASK, kept, message({ id: "u2" }), { ...kept, id: "a2", kept: false }] });
  button("Open this answer in Inspector").click();
  assert.deepEqual(model.sent.at(-1), { type: "open", id: "a1", where: "Inspector" });
  const offered = [...root.querySelectorAll(".inb-opens")].map((one) => !one.hasAttribute("hidden"));
  assert.deepEqual(offered, [true, false]);
});

test("without a place to take it up there is no such button", () => {
  const { button } = chat({ messages: [ASK, answer({ id: "a1", content: "Hello", kept: true })] });
  assert.equal(button("Open this answer in X-ray"), undefined);
});
