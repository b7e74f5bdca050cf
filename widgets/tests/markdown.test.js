/** A model's text on the page: safe whatever it says, and the same whether it came at once or bit by bit. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "./page.js";
import { AnswerView } from "../shared/answer.js";
import { MarkdownView, settled } from "../shared/markdown.js";

/** @param {string} text */
function rendered(text) {
  const view = new MarkdownView();
  view.update(text);
  return view.el;
}

const HOSTILE = [
  "<script>alert(1)</script>",
  "text <img src=x onerror=alert(1)> text",
  "<div onclick='alert(1)'>\n\n**bold**\n\n</div>",
  "<iframe src='https://example.org'></iframe>",
  "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](&#106;avascript:alert(1)) [d](java\tscript:alert(1))",
  "[a](data:text/html,<script>alert(1)</script>) [b](vbscript:x) [c](file:///etc/passwd) [d](/relative) [e](//host/x)",
  "<a href='javascript:alert(1)'>x</a> <javascript:alert(1)>",
  "![x](https://example.org/x.png) ![y](javascript:alert(1) \"t\")",
  "[x]: javascript:alert(1)\n\n[x]",
  "```html\n<script>alert(1)</script>\n```",
  "`<script>alert(1)</script>`",
  "| <b>x</b> | <script>y</script> |\n|--|--|\n| <img src=x onerror=y> | z |",
  "- <svg onload=alert(1)>\n- <style>* { display: none }</style>",
  "\"><script>alert(1)</script>",
  "```\" onmouseover=\"alert(1)\ncode\n```",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
];
const ALLOWED = new Set([
  ..."DIV P H3 H4 H5 H6 UL OL LI BLOCKQUOTE HR BR PRE CODE SPAN BUTTON SVG PATH TABLE THEAD TBODY TR TH TD A EM STRONG DEL".split(" "),
  ..."INPUT DETAILS SUMMARY".split(" "),
]);

for (const text of HOSTILE) {
  test(`nothing in it acts: ${JSON.stringify(text)}`, () => {
    const el = rendered(text);
    for (const element of el.querySelectorAll("*")) {
      assert.ok(ALLOWED.has(element.tagName.toUpperCase()), `<${element.tagName}> was made`);
      for (const { name } of element.attributes) assert.ok(!/^(on|src|style|srcdoc|formaction)/.test(name), `${name} was set`);
    }
    for (const link of el.querySelectorAll("a")) {
      assert.match(link.getAttribute("href") ?? "", /^(https?:|mailto:)/);
      assert.match(link.getAttribute("rel") ?? "", /noopener/);
    }
  });
}

test("HTML is shown as it was written", () => {
  assert.equal(rendered("<script>alert(1)</script>").textContent, "<script>alert(1)</script>");
  assert.equal(rendered("a <b>c</b> d").textContent, "a <b>c</b> d");
});

test("an image is a link that is not fetched", () => {
  const el = rendered("![a cat](https://example.org/cat.png)");
  assert.equal(el.querySelector("img"), null);
  assert.equal(el.querySelector("a")?.getAttribute("href"), "https://example.org/cat.png");
  assert.equal(el.textContent, "a cat");
});

test("character references are read in text and left alone in code", () => {
  assert.equal(rendered("a &lt; b &amp; c &#x1F600; `&lt;`").textContent, "a < b & c \u{1F600} &lt;");
});

test("text nested too deep for the parser is shown plain", () => {
  const text = ">".repeat(30_000) + " x";
  assert.ok(rendered(text).textContent?.endsWith("x"));
});

test("the parts of Markdown are what they say", () => {
  const el = rendered("# One\n\n1. a\n2. b\n\n- [x] done\n\n| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n> q\n\n---\n\n**s** *e* ~~d~~ `c`");
  assert.equal(el.querySelector("h3")?.textContent, "One");
  assert.equal(el.querySelectorAll("ol > li").length, 2);
  assert.equal(el.querySelector("input")?.checked, true);
  assert.equal(el.querySelector("td.inb-align-center")?.textContent, "1");
  for (const tag of ["blockquote", "hr", "strong", "em", "del", "p > code"]) assert.ok(el.querySelector(tag), tag);
});

test("code is coloured, named and can be copied", () => {
  const el = rendered("```python\ndef f():\n    return 1  # one\n```");
  assert.equal(el.querySelector("code")?.textContent, "def f():\n    return 1  # one");
  assert.equal(el.querySelector(".inb-tok-keyword")?.textContent, "def");
  assert.equal(el.querySelector(".inb-code-bar > span")?.textContent, "python");
  assert.equal(el.querySelector("button")?.getAttribute("aria-label"), "Copy code");
});

for (const language of "python js typescript bash sh json html css sql rust c cpp java go yaml".split(" ")) {
  test(`${language} is one of the languages`, () => {
    const code = { json: '{"a": 1}', html: "<p class='x'>", css: "a { color: red }", yaml: "a: 1", bash: "if [ 1 ]; then ls; fi", sh: "echo 'x'" };
    const el = rendered("```" + language + "\n" + (Reflect.get(code, language) ?? "SELECT if return 1 'x' \"y\"") + "\n```");
    assert.ok(el.querySelector("code [class^=inb-tok-]"));
  });
}

test("an open fence is already a code block", () => {
  const el = rendered("Look:\n\n```python\nx = 1\n\ny = ");
  assert.equal(el.querySelector("pre")?.textContent, "x = 1\n\ny = ");
});

const LONG = [
  "# Title\n\nA paragraph with *emphasis*, `code` and a [reference][r].\nSetext\n======\n\nSecond\n---\n\n",
  "- one\n- two\n   - three\n\n- four\n\n1. a\n1. b\n\n",
  "```python\ndef f(x):\n\n    return x  # ```\n```\n\n| a | b |\n|---|:-:|\n| 1 | `x|y` |\n\n",
  "> quote\ncontinued\n\n    indented code\n\n<div>\n*html*\n</div>\n\n***\n\n",
  "<think>\nnot at the start\n</think>\n\nAfter \u{1F600} that. <b>x</b>\n\n~~~\nopen fence\n<think>\n~~~\n\n",
  "[r]: https://example.org \"t\"\n\nEnd with `a` and www.example.org.\n",
].join("");

test("bit by bit and at once give the same", () => {
  const whole = new AnswerView();
  whole.update(LONG, false);
  for (let seed = 0; seed < 60; seed += 1) {
    const next = random(seed);
    const view = new AnswerView();
    for (let at = 0; at < LONG.length; at += 1 + Math.floor(next() * (seed % 2 ? 4 : 60))) view.update(LONG.slice(0, at), true);
    view.update(LONG, false);
    assert.equal(view.el.innerHTML, whole.el.innerHTML, `seed ${seed}`);
  }
});

test("random Markdown, bit by bit and at once, gives the same", () => {
  const pieces = ["# ", "- ", "1. ", "\n", "\n\n", "word ", "**", "`", "```\n", "| a | b |\n", "|--|--|\n", "> ", "    ", "<b>", "[x](", ")", "<think>", "</think>", "---\n", "[l]: http://l\n", "[l] "];
  for (let seed = 0; seed < 300; seed += 1) {
    const next = random(seed);
    const text = Array.from({ length: 40 }, () => pieces[Math.floor(next() * pieces.length)]).join("");
    const whole = new AnswerView();
    whole.update(text, false);
    const view = new AnswerView();
    for (let at = 1; at < text.length; at += 1 + Math.floor(next() * 9)) view.update(text.slice(0, at), true);
    view.update(text, false);
    assert.equal(view.el.innerHTML, whole.el.innerHTML, JSON.stringify(text));
  }
});

test("a growing text looks at each step as if it were shown for the first time", () => {
  const pieces = ["# h\n", "- a\n", "1. a\n", "\n", "\n\n", "\r\n", "\t", "word ", "**", "`", "```\n", "| a | b |\n", "|--|--|\n", "> q", "    ", "<div>", "</div>", "<!--", "-->", "<pre>", "---\n", "===\n", "[l]: http://l\n", "[l] ", "[^1]: "];
  for (let seed = 0; seed < 150; seed += 1) {
    const next = random(seed);
    const view = new MarkdownView();
    let text = "";
    for (let step = 0; step < 40; step += 1) {
      text += pieces[Math.floor(next() * pieces.length)];
      view.update(text, true);
      assert.equal(view.el.innerHTML, rendered(text).innerHTML, JSON.stringify(text));
    }
  }
});

test("finished blocks keep their nodes while the text grows", () => {
  const view = new MarkdownView();
  view.update("First.\n\nSecond.\n\nThird");
  const [first, second] = view.el.children;
  view.update("First.\n\nSecond.\n\nThird and more\n\n```js\nlet x");
  assert.equal(view.el.children[0], first);
  assert.equal(view.el.children[1], second);
  const block = view.el.querySelector(".inb-code");
  view.update("First.\n\nSecond.\n\nThird and more\n\n```js\nlet x = 1;\n");
  assert.equal(view.el.querySelector(".inb-code"), block);
  assert.equal(block?.querySelector("code")?.textContent, "let x = 1;");
});

test("what may yet become something else is held back", () => {
  for (const tail of ["-", "- ", "1", "1.", "#", "``", "==", "*", "| a | b", "| a | b |\n", "| a | b |\n|--"]) {
    assert.equal(settled(`Text.\n\n${tail}`), "Text.\n\n", JSON.stringify(tail));
  }
  for (const tail of ["- x", "1. x", "# x", "```", "a | b", "| a | b |\n|--|--|\n| 1"]) {
    const shown = tail === "```" ? "Text.\n\n" : `Text.\n\n${tail}`;
    assert.equal(settled(`Text.\n\n${tail}`), shown, JSON.stringify(tail));
  }
});
