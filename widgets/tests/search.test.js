/** The table of models found, against a model without a kernel: what it shows, what it sends, what it leaves behind. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { frame } from "./page.js";
import widget from "../search/index.js";
import { FakeModel } from "./fake_model.js";

/** @param {Record<string, unknown>} [more] */
function hit(more) {
  return {
    id: "acme/tiny-chat", page: "https://hub.example/acme/tiny-chat", task: "text-generation", library: "transformers", parameters: "135M", size: "269 MB",
    license: "apache-2.0", gate: "open", downloads: "1.2M", downloads_exact: "1,234,567", likes: "1", likes_exact: "1", updated: "2026-03-04", fits: "yes", ...more,
  };
}

/** @param {Record<string, unknown>} [more] */
function results(more) {
  const model = new FakeModel({ rows: [], status: "idle", note: "", problem: null, more: 0, wanted: "", stale: false, judging: false, ...more });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const cleanup = widget.render({ model, el });
  const root = /** @type {HTMLElement} */ (el.querySelector(".inb-results"));
  const rows = () => /** @type {HTMLTableRowElement[]} */ ([...root.querySelectorAll("tbody tr")]);
  const button = (/** @type {string} */ name) =>
    /** @type {HTMLButtonElement} */ (
      [...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === name && !one.closest("[hidden]"))
    );
  const set = async (/** @type {Record<string, unknown>} */ values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    await frame();
  };
  return { model, root, rows, button, set, cleanup };
}

test("before the first search it says what to do and shows no table", () => {
  const { root } = results({ note: "Type part of a name." });
  assert.equal(root.dataset["status"], "idle");
  assert.equal(root.querySelector("[role=status]")?.textContent, "Type part of a name.");
  assert.equal(root.querySelector("table")?.closest("[hidden]") !== null, true);
  assert.equal(root.querySelector("[role=alert]")?.hasAttribute("hidden"), true);
});

test("a row shows all of a model, and its headings name the columns", () => {
  const { root, rows } = results({ rows: [hit({ gate: "manual", fits: "int8" })], status: "done" });
  const headings = [...root.querySelectorAll("thead th")].map((one) => one.textContent);
  assert.equal(rows()[0]?.cells.length, headings.length);
  assert.equal(rows()[0]?.querySelector("th")?.getAttribute("scope"), "row");
  for (const words of ["acme/tiny-chat", "text-generation · transformers", "135M", "269 MB", "apache-2.0", "on request", "1.2M", "1 like", "2026-03-04", "As int8"]) {
    assert.ok(rows()[0]?.textContent?.includes(words), words);
  }
  assert.equal(rows()[0]?.querySelector("a")?.getAttribute("href"), "https://hub.example/acme/tiny-chat");
  assert.equal(rows()[0]?.querySelector("a")?.getAttribute("rel"), "noopener noreferrer");
});

test("what the hub says is text and nothing else, and only a web address is a link", () => {
  const evil = '<img src=x onerror="alert(1)">';
  const { root, rows } = results({ rows: [hit({ id: evil, license: evil, task: evil, page: "javascript:alert(1)" })] });
  assert.equal(root.querySelector("img"), null);
  assert.equal(root.querySelector("a"), null);
  assert.ok(rows()[0]?.querySelector("th")?.textContent?.startsWith(evil));
});

test("what is not known is a dash, and what is being worked out says so", async () => {
  const { rows, set } = results({ rows: [hit({ parameters: "", license: "", updated: "", fits: "" })], judging: true });
  assert.equal(rows()[0]?.querySelector(".inb-fits")?.textContent, "…");
  await set({ judging: false });
  assert.equal(rows()[0]?.querySelector(".inb-fits")?.textContent, "–");
  assert.equal(rows()[0]?.querySelectorAll(".inb-unknown").length, 3);
});

test("a click plans a download, and the planned row says so and keeps the focus", async () => {
  const { model, rows, button, set } = results({ rows: [hit({}), hit({ id: "acme/other" })] });
  button("Plan download: acme/other").focus();
  button("Plan download: acme/other").click();
  assert.deepEqual(model.sent, [{ type: "plan", id: "acme/other" }]);
  await set({ wanted: "acme/other" });
  assert.equal(rows()[1]?.getAttribute("aria-current"), "true");
  assert.equal(document.activeElement, button("Planned: acme/other"));
  assert.ok(button("Plan download: acme/tiny-chat"));
});

test("rows that stay are not made anew when more come", async () => {
  const first = hit({});
  const { rows, set } = results({ rows: [first] });
  const before = rows()[0];
  await set({ rows: [{ ...first }, hit({ id: "acme/other" })] });
  assert.equal(rows()[0], before);
  assert.equal(rows().length, 2);
  await set({ rows: [hit({ id: "acme/other" }), { ...first }] });
  assert.equal(rows()[1], before);
  await set({ rows: [] });
  assert.equal(rows().length, 0);
});

test("more is asked for once, and says while it is fetched", async () => {
  const { model, button, set } = results({ rows: [hit({})], more: 20, status: "done" });
  button("Show 20 more").click();
  await set({ status: "paging" });
  button("Fetching more").click();
  assert.deepEqual(model.sent, [{ type: "more" }]);
  await set({ status: "done", more: 0 });
  assert.equal(button("Show 0 more"), undefined);
});

test("a problem is told with what to do, can be tried again, and goes when it is solved", async () => {
  const { model, root, button, set } = results({ rows: [hit({})], status: "done" });
  await set({ problem: { message: "The hub is silent.", hint: "Check the network.", retry: true } });
  assert.equal(root.dataset["status"], "problem");
  assert.match(root.querySelector("[role=alert]")?.textContent ?? "", /The hub is silent\.Check the network\./);
  button("Retry").focus();
  button("Retry").click();
  assert.deepEqual(model.sent, [{ type: "retry" }]);
  await set({ status: "searching" });
  button("Trying").click();
  assert.equal(model.sent.length, 1);
  await set({ status: "done", problem: null });
  assert.equal(root.querySelector("[role=alert]")?.hasAttribute("hidden"), true);
  assert.equal(document.activeElement, root.querySelector("[role=region]"));
  await set({ problem: { message: "abc is no number.", hint: "", retry: false } });
  assert.equal(button("Retry"), undefined);
});

test("while the hub is asked the table says that it is busy", async () => {
  const { root, set } = results({ rows: [hit({})], status: "searching" });
  assert.equal(root.querySelector("[role=region]")?.getAttribute("aria-busy"), "true");
  await set({ status: "done" });
  assert.equal(root.querySelector("[role=region]")?.getAttribute("aria-busy"), "false");
});

test("a view that is closed listens no more", () => {
  const { model, cleanup } = results({});
  cleanup();
  assert.equal(model.listening, 0);
});

test("without a kernel a click says what to do", () => {
  const { model, root, button } = results({ rows: [hit()], status: "done", more: 20 });
  model.onsend = () => {
    throw new Error("Cannot send");
  };
  button("Show 20 more").click();
  const problem = /** @type {HTMLElement} */ (root.querySelector("[role=alert]"));
  assert.match(problem.textContent ?? "", /lost its kernel.*Run the cell again\./);
  assert.equal(problem.hidden, false);
});

test("rows of an earlier question are told apart, with no way to more of them", async () => {
  const { root, button, set } = results({ rows: [hit()], status: "done", more: 20 });
  assert.equal(root.querySelector("table")?.getAttribute("aria-label"), "Models found");
  await set({ stale: true, problem: { message: "No answer.", hint: "", retry: true } });
  assert.equal(root.dataset["stale"], "true");
  assert.equal(root.querySelector("table")?.getAttribute("aria-label"), "Models found before");
  assert.equal(button("Show 20 more"), undefined);
  await set({ stale: false, problem: null });
  assert.equal(root.dataset["stale"], "false");
  assert.notEqual(button("Show 20 more"), undefined);
});

test("the gate of a model leads to where its licence is accepted", () => {
  const { rows } = results({ rows: [hit({ gate: "auto" })], status: "done" });
  const gate = rows()[0]?.querySelector("a.inb-gate");
  assert.equal(gate?.getAttribute("href"), "https://hub.example/acme/tiny-chat");
  assert.match(gate?.getAttribute("aria-label") ?? "", /licence of acme\/tiny-chat/);
});
