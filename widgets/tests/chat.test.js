/** The chat's page against a model without a kernel: what it shows, what it sends, what it leaves behind. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import { chat, press, view } from "./chat_view.js";
import { FakeModel, answer, message, traits } from "./fake_model.js";

const TALK = [message({ id: "u1", content: "Hi" }), answer({ id: "a1", content: "**Hello**", seed: 7, sampling: { temperature: 0.7, top_k: null }, stats: { tokens: 3, first_token: 0.2, tokens_per_second: 20.04 } })];
const RUNNING = { messages: [message({ id: "u1", content: "Hi" }), answer({ id: "a1", status: "running" })], running: "a1" };
const figures = { id: "a1", tokens: 2, tokens_per_second: 20, first_token: 0.25 };

test("without a model it says what to do and sends nothing", () => {
  const { model, root, button, write, box } = chat({ model: null, loaded: [] });
  assert.equal(root.dataset["status"], "no-model");
  assert.match(root.querySelector(".inb-empty")?.textContent ?? "", /No model is loaded yet.*inb\.load\(\)/);
  write("Hi");
  press(box, "Enter");
  assert.equal(button("Send").disabled, true);
  assert.deepEqual(model.sent, [{ type: "hello" }]);
});

test("Enter sends, Shift+Enter and an input method's Enter do not", () => {
  const { model, box, write } = chat();
  write("Hi");
  assert.equal(press(box, "Enter", { shiftKey: true }).defaultPrevented, false);
  press(box, "Enter", { isComposing: true });
  assert.equal(model.sent.length, 1);
  assert.equal(press(box, "Enter").defaultPrevented, true);
  assert.deepEqual(model.sent.at(-1), { type: "send", text: "Hi" });
  assert.equal(box.value, "");
});

test("a running answer grows, is stopped by the button and by Escape, and ends as Python says", async () => {
  const { model, root, button, box } = chat(RUNNING);
  assert.equal(root.dataset["status"], "running");
  assert.equal(button("Send"), undefined);
  model.receive({ type: "delta", at: 0, text: "One *two*", ...figures });
  await frame();
  const body = root.querySelector("article[data-id=a1] .inb-body");
  assert.equal(body?.textContent, "One two");
  assert.match(root.querySelector(".inb-speed")?.textContent ?? "", /20\.0 tok\/s · first token 0\.25 s/);
  button("Stop").click();
  press(box, "Escape");
  assert.deepEqual(model.sent.slice(1), [{ type: "stop" }, { type: "stop" }]);
  model.set("messages", [RUNNING.messages[0], answer({ id: "a1", status: "cancelled", content: "One two three" })]);
  model.set("running", "");
  assert.equal(body?.textContent, "One two three");
  assert.equal(root.querySelector("article[data-id=a1]")?.getAttribute("data-status"), "cancelled");
  assert.match(root.querySelector("[aria-live=polite]")?.textContent ?? "", /stopped/);
  assert.equal(root.dataset["status"], "idle");
});

test("a reloaded page and a second view show the text so far and go on", async () => {
  const first = chat(RUNNING);
  const el = document.createElement("div");
  document.body.append(el);
  first.model.receive({ type: "delta", at: 0, text: "One ", ...figures });
  first.model.onsend = ({ type }) => type === "hello" && first.model.receive({ type: "snapshot", text: "One two ", ...figures });
  const second = view(first.model, el);
  first.model.receive({ type: "delta", at: 8, text: "three", ...figures });
  await frame();
  for (const { root } of [first, second]) assert.equal(root.querySelector("[data-id=a1] .inb-body")?.textContent, "One two three");
});

test("a lost delta makes the page say hello again", () => {
  const { model } = chat(RUNNING);
  model.receive({ type: "delta", at: 0, text: "One ", ...figures });
  model.receive({ type: "delta", at: 9, text: "three", ...figures });
  assert.deepEqual(model.sent, [{ type: "hello" }, { type: "hello" }]);
});

test("below an answer stands how it was made", () => {
  const { root } = chat({ messages: TALK });
  assert.equal(root.querySelector("[data-role=assistant] .inb-meta")?.textContent, "starter/chat · 20.0 tok/s · first token 0.20 s · 3 tokens · seed 7");
  assert.match(root.querySelector(".inb-parameters dl")?.textContent ?? "", /temperature0\.7top_koff/);
});

test("regenerate, versions and edit say which message they mean", () => {
  const { model, root, button } = chat({ messages: [{ ...TALK[0], version: 1, versions: 3 }, TALK[1]] });
  button("Regenerate").click();
  button("Earlier version").click();
  button("Later version").click();
  assert.equal(root.querySelector(".inb-version-place")?.textContent, "2/3");
  button("Edit").click();
  const editor = /** @type {HTMLTextAreaElement} */ (root.querySelector("textarea[aria-label='Edited text']"));
  editor.value = "Hello there";
  press(editor, "Enter", { ctrlKey: true });
  button("Edit").click();
  editor.value = "Not this";
  press(editor, "Escape");
  assert.deepEqual(model.sent.slice(1), [
    { type: "regenerate", id: "a1" },
    { type: "version", id: "u1", index: 0 },
    { type: "version", id: "u1", index: 2 },
    { type: "edit", id: "u1", text: "Hello there" },
  ]);
});

test("without a model nothing can be generated or inspected, and with one it can", () => {
  const failed = answer({ id: "a2", status: "error", error: { message: "Out of memory.", hint: "" } });
  const { model, root, button, box, write } = chat({ model: null, loaded: [], messages: [...TALK, message({ id: "u2" }), failed] });
  const names = ["Regenerate", "Edit", "Retry", "Inspect prompt", "What was sent"];
  const disabled = () =>
    names.map((name) => {
      const found = [...root.querySelectorAll("button")].filter((one) => (one.getAttribute("aria-label") ?? one.textContent) === name);
      assert.ok(found.length > 0, name);
      return found.map((one) => one.disabled);
    });
  assert.deepEqual(new Set(disabled().flat()), new Set([true]));
  assert.equal(button("Copy").disabled, false);
  model.set("model", traits().model);
  assert.deepEqual(new Set(disabled().flat()), new Set([false]));
  write("Hi");
  press(box, "Enter");
  assert.equal(model.sent.at(-1).type, "send");
  model.set("model", null);
  assert.deepEqual(new Set(disabled().flat()), new Set([true]));
});

test("a text being edited is kept while there is no model to answer it", () => {
  const { model, root, button } = chat({ messages: TALK });
  button("Edit").click();
  const editor = /** @type {HTMLTextAreaElement} */ (root.querySelector("textarea[aria-label='Edited text']"));
  editor.value = "Hello there";
  model.set("model", null);
  assert.equal(button("Update").disabled, true);
  press(editor, "Enter", { ctrlKey: true });
  assert.equal(editor.closest("[hidden]"), null);
  assert.equal(model.sent.length, 1);
  model.set("model", traits().model);
  button("Update").click();
  assert.deepEqual(model.sent.at(-1), { type: "edit", id: "u1", text: "Hello there" });
});

test("while an answer is made nothing else can be begun", () => {
  const { button } = chat({ messages: [...TALK, message({ id: "u2" }), answer({ id: "a2", status: "running" })], running: "a2" });
  for (const name of ["Regenerate", "Edit", "Clear", "Load"]) assert.equal(button(name).disabled, true, name);
});

test("clearing asks first", () => {
  const { model, button } = chat({ messages: TALK });
  button("Clear").click();
  assert.equal(model.sent.length, 1);
  press(button("Confirm"), "Escape");
  assert.equal(button("Confirm"), undefined);
  button("Clear").click();
  button("Confirm").click();
  assert.deepEqual(model.sent.at(-1), { type: "clear" });
});

test("loading a file asks first where there is a conversation", () => {
  const { model, root, button } = chat({ messages: TALK });
  const picker = /** @type {HTMLInputElement} */ (root.querySelector("input[type=file]"));
  let picked = 0;
  picker.click = () => (picked += 1);
  button("Load").click();
  assert.equal(picked, 0);
  assert.match(root.querySelector("[role=alertdialog]")?.textContent ?? "", /Replace the whole conversation/);
  button("Confirm").click();
  assert.equal(picked, 1);
  button("Clear").click();
  assert.match(root.querySelector("[role=alertdialog]")?.textContent ?? "", /Clear the whole conversation/);
  press(button("Confirm"), "Escape");
  model.set("messages", []);
  button("Load").click();
  assert.equal(picked, 2);
  assert.equal(model.sent.length, 1);
});

test("the chooser shows which of two models of one name answers", () => {
  const loaded = ["starter/chat (cpu, float16)", "starter/chat (cpu, float32)"];
  const { model, root } = chat({ loaded, chosen: loaded[1] });
  const chooser = /** @type {HTMLSelectElement} */ (root.querySelector(".inb-chooser"));
  assert.equal(chooser.value, loaded[1]);
  model.set("chosen", loaded[0]);
  assert.equal(chooser.value, loaded[0]);
});

test("a model that went by itself can be written to, and the bar says that it loads again", () => {
  const { model, root, button, write } = chat({ loaded: [], chosen: "" });
  const said = () => root.querySelector(".inb-who")?.textContent ?? "";
  assert.match(said(), /starter\/chat.*not in memory, loads again for the next message/);
  assert.match(root.querySelector(".inb-empty")?.textContent ?? "", /loaded again for the next message/);
  write("Hi");
  button("Send").click();
  assert.deepEqual(model.sent.at(-1), { type: "send", text: "Hi" });
  model.set("running", "a1");
  assert.match(said(), /loading$/);
  model.set("loaded", ["other/model"]);
  const chooser = /** @type {HTMLSelectElement} */ (root.querySelector(".inb-chooser"));
  assert.deepEqual([...chooser.options].map((one) => one.textContent), ["starter/chat", "other/model"]);
  assert.equal(chooser.value, "");
  model.set("loaded", ["starter/chat"]);
  model.set("chosen", "starter/chat");
  assert.match(said(), /cpu · bfloat16$/);
});

test("thousands have commas, as in the other panels", () => {
  const { root } = chat({ context: { used: 1024, size: 8192 } });
  assert.match(root.textContent ?? "", /1,024 \/ 8,192/);
});

test("without a kernel nothing that was written is lost, and the panel says what to do", () => {
  const { model, root, button, box, write } = chat({ messages: TALK });
  model.onsend = () => {
    throw new Error("Cannot send");
  };
  const banner = /** @type {HTMLElement} */ (root.querySelector("[role=alert]"));
  write("Hi");
  press(box, "Enter");
  assert.equal(box.value, "Hi");
  assert.match(banner.textContent ?? "", /lost its kernel.*Run the cell again\./);
  button("Edit").click();
  const editor = /** @type {HTMLTextAreaElement} */ (root.querySelector("textarea[aria-label='Edited text']"));
  editor.value = "Hello there";
  press(editor, "Enter", { ctrlKey: true });
  assert.equal(editor.closest("[hidden]"), null);
  press(editor, "Escape");
  for (const name of ["Regenerate", "What was sent", "Save"]) {
    button("Dismiss").click();
    assert.equal(banner.hidden, true, name);
    button(name).click();
    assert.equal(banner.hidden, false, name);
  }
  assert.equal(/** @type {HTMLElement} */ (root.querySelector(".inb-sent")).hidden, true);
});

test("a view that begins without a kernel says so", () => {
  const model = new FakeModel(traits({ messages: TALK }));
  model.onsend = () => {
    throw new Error("Cannot send");
  };
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const { root } = view(model, el);
  assert.equal(root.querySelectorAll("article").length, 2);
  assert.match(root.querySelector("[role=alert]")?.textContent ?? "", /lost its kernel/);
});

test("an error on a message is readable and can be retried", () => {
  const { model, root, button } = chat({ messages: [TALK[0], answer({ status: "error", error: { message: "Out of memory.", hint: "Use less." } })] });
  assert.match(root.querySelector("[data-role=assistant] .inb-error")?.textContent ?? "", /Out of memory\.Use less\./);
  button("Retry").click();
  assert.deepEqual(model.sent.at(-1), { type: "regenerate", id: "a1" });
});

test("a refused message goes back into the box, and the problem can be dismissed", () => {
  const { model, root, box, write, button } = chat({ messages: TALK });
  write("Far too long");
  press(box, "Enter");
  model.set("problem", { message: "Too long.", hint: "Shorten it." });
  assert.equal(box.value, "Far too long");
  assert.equal(root.dataset["status"], "problem");
  const banner = /** @type {HTMLElement} */ (root.querySelector("[role=alert]"));
  assert.match(banner.textContent ?? "", /Too long\.Shorten it\./);
  button("Dismiss").click();
  assert.equal(banner.hidden, true);
  assert.equal(root.dataset["status"], "idle");
});

test("the first model ends a problem, a change of model or a wrong setting's problem does not", () => {
  const { model, root } = chat({ model: null, loaded: [] });
  const banner = /** @type {HTMLElement} */ (root.querySelector("[role=alert]"));
  model.set("problem", { message: "No model is loaded.", hint: "Load one." });
  assert.equal(banner.hidden, false);
  assert.equal(root.dataset["status"], "problem");
  model.set("model", traits().model);
  assert.equal(banner.hidden, true);
  assert.equal(root.dataset["status"], "idle");
  model.set("problem", { message: "Too long.", hint: "" });
  model.set("model", { ...traits().model, name: "starter/other" });
  assert.equal(banner.hidden, false);
  model.set("model", null);
  model.set("problem", { message: "top_p must be above 0.", hint: "", field: "top_p" });
  model.set("model", traits().model);
  assert.equal(banner.hidden, false);
});

test("a problem with a field stands beside it", () => {
  const { model, root } = chat();
  model.set("problem", { message: "top_p must be above 0.", hint: "", field: "top_p" });
  const field = root.querySelector("[data-name=top_p]");
  assert.equal(field?.querySelector(".inb-field-error")?.textContent, "top_p must be above 0.");
  assert.equal(field?.closest("[hidden]"), null);
  model.set("problem", null);
  assert.equal(field?.querySelector(".inb-field-error")?.textContent, "");
});

test("settings reach the model, and nothing is sent with one that is not valid", () => {
  const { model, root, box, write } = chat();
  const temperature = /** @type {HTMLInputElement} */ (root.querySelector("[data-name=temperature] input[type=number]"));
  temperature.value = "0.2";
  temperature.dispatchEvent(new Event("input"));
  assert.equal(Reflect.get(Object(model.get("sampling")), "temperature"), 0.2);
  assert.equal(Reflect.get(Object(model.get("sampling")), "top_p"), 0.9);
  temperature.value = "-1";
  temperature.dispatchEvent(new Event("input"));
  write("Hi");
  press(box, "Enter");
  assert.equal(model.sent.length, 1);
  assert.equal(box.value, "Hi");
  assert.equal(temperature.closest("[hidden]"), null);
});

test("a template's switches are offered and handed back", () => {
  const { model, root } = chat({ switches: [{ name: "enable_thinking", label: "Enable thinking", value: true }] });
  const label = [...root.querySelectorAll("label")].find(({ textContent }) => textContent === "Enable thinking");
  const box = /** @type {HTMLInputElement} */ (label?.querySelector("input"));
  box.checked = false;
  box.dispatchEvent(new Event("change"));
  assert.deepEqual(model.get("switches"), [{ name: "enable_thinking", label: "Enable thinking", value: false }]);
});

test("what was sent: the template's text and tokens with visible spaces, only where it was asked for", () => {
  const { model, root, button } = chat({ messages: TALK });
  const panel = /** @type {HTMLElement} */ (root.querySelector(".inb-sent"));
  const rendered = { type: "rendered", template: "<b>Hi</b>\n", tokens: [{ id: 5, text: " Hi" }, { id: 6, text: "\n" }], truncated: 3, note: "Rebuilt." };
  model.receive(rendered);
  assert.equal(panel.hidden, true);
  button("What was sent").click();
  assert.deepEqual(model.sent.at(-1), { type: "inspect" });
  model.receive(rendered);
  assert.equal(panel.querySelector("pre")?.textContent, "<b>Hi</b>\n");
  const chips = [...panel.querySelectorAll(".inb-chip")];
  assert.deepEqual(chips.map(({ textContent }) => textContent), ["·Hi", "↵"]);
  assert.equal(chips[0]?.getAttribute("title"), "id 5");
  assert.match(panel.textContent ?? "", /Rebuilt\..*3 more/s);
  button("Close").click();
  button("What was sent").click();
  model.receive({ ...rendered, template: "", tokens: [], truncated: 0, note: "It is not loaded any more." });
  assert.equal(panel.querySelector(".inb-drawer-body")?.textContent, "It is not loaded any more.");
});

test("cleaning up leaves no listener and no element", () => {
  const { model, el, cleanup } = chat({ messages: TALK });
  assert.ok(model.listening > 5);
  cleanup();
  assert.equal(model.listening, 0);
  assert.equal(el.childElementCount, 0);
});
