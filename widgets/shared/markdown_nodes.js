/**
 * Makes DOM nodes of marked's tokens. HTML becomes text, images become links, and a link goes nowhere but to
 * http, https and mailto. It does not know that the text is still being written.
 */

import { copyButton } from "./clipboard.js";
import { fill, h } from "./dom.js";
import { highlight } from "./highlight.js";

/** @typedef {import("marked").Token} Token */
/** @typedef {import("marked").Tokens.Generic} Generic */

const PROTOCOLS = new Set(["http:", "https:", "mailto:"]);

/** @type {Record<string, string>} */
const ENTITIES = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", deg: "°",
  hellip: "…", ndash: "–", mdash: "—", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", bull: "•", middot: "·",
  times: "×", divide: "÷", plusmn: "±", le: "≤", ge: "≥", ne: "≠", asymp: "≈", infin: "∞", larr: "←", rarr: "→",
  uarr: "↑", darr: "↓", harr: "↔", euro: "€", pound: "£", sect: "§", para: "¶", frac12: "½", micro: "µ", pi: "π",
};

/**
 * @param {Token} token a block: paragraph, heading, code, list, table, blockquote, hr or html
 * @returns {HTMLElement}
 */
export function blockNode(token) {
  const block = /** @type {Generic} */ (token);
  switch (block.type) {
    case "paragraph":
      return h("p", {}, ...inlineNodes(block.tokens));
    case "heading":
      return heading(block);
    case "code":
      return codeBlock(/** @type {import("marked").Tokens.Code} */ (token));
    case "list":
      return list(block);
    case "table":
      return table(/** @type {import("marked").Tokens.Table} */ (token));
    case "blockquote":
      return h("blockquote", {}, ...blockNodes(block.tokens));
    case "hr":
      return h("hr");
    case "text":
      return h("div", {}, ...inlineNodes(block.tokens ?? [block]));
    default:
      return h("p", { class: "inb-raw" }, block.raw.trimEnd());
  }
}

/**
 * @param {Token[] | undefined} tokens
 * @returns {HTMLElement[]}
 */
function blockNodes(tokens = []) {
  return tokens.filter(({ type }) => type !== "space" && type !== "def").map(blockNode);
}

/** @param {Generic} token */
function heading(token) {
  // The page has headings of its own above the chat: a message's begin at the third level.
  const tag = /** @type {"h3" | "h4" | "h5" | "h6"} */ (`h${Math.min(6, token["depth"] + 2)}`);
  return h(tag, { dataset: { level: token["depth"] } }, ...inlineNodes(token.tokens));
}

/** @param {import("marked").Tokens.Code} token */
function codeBlock(token) {
  const code = h("code");
  const block = h(
    "div",
    { class: "inb-code" },
    h("div", { class: "inb-code-bar" }, h("span"), copyButton("Copy code", () => code.textContent ?? "")),
    h("pre", { tabindex: "0" }, code),
  );
  fillCode(block, token);
  return block;
}

/**
 * @param {HTMLElement} block made by blockNode for a code token
 * @param {import("marked").Tokens.Code} token
 */
export function fillCode(block, token) {
  const language = token.lang?.match(/^[^\s{]+/)?.[0] ?? "";
  const label = /** @type {HTMLElement} */ (block.querySelector(".inb-code-bar > span"));
  label.textContent = language || "text";
  fill(/** @type {HTMLElement} */ (block.querySelector("code")), ...highlight(token.text, language));
}

/** @param {Generic} token */
function list(token) {
  /** @type {import("marked").Tokens.ListItem[]} */
  const items = token["items"];
  const children = items.map((item) => h("li", item.task ? { class: "inb-task" } : {}, ...itemNodes(item)));
  return token["ordered"] ? h("ol", { start: token["start"] === 1 ? null : token["start"] }, ...children) : h("ul", {}, ...children);
}

/**
 * The text of a tight list's item is not wrapped in a paragraph.
 *
 * @param {import("marked").Tokens.ListItem} item
 * @returns {(Node | string)[]}
 */
function itemNodes(item) {
  return item.tokens.flatMap((token) => {
    if (token.type === "text") return inlineNodes(/** @type {Generic} */ (token).tokens ?? [token]);
    if (token.type === "checkbox") return inlineNodes([token]);
    return blockNodes([token]);
  });
}

/** @param {import("marked").Tokens.Table} token */
function table(token) {
  /** @param {"th" | "td"} tag */
  const cell = (tag) => (/** @type {import("marked").Tokens.TableCell} */ { tokens, align }) =>
    h(tag, align ? { class: `inb-align-${align}` } : {}, ...inlineNodes(tokens));
  return h(
    "div",
    { class: "inb-table", tabindex: "0" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...token.header.map(cell("th")))),
      h("tbody", {}, ...token.rows.map((row) => h("tr", {}, ...row.map(cell("td"))))),
    ),
  );
}

/**
 * @param {Token[] | undefined} tokens
 * @returns {(Node | string)[]}
 */
function inlineNodes(tokens = []) {
  return tokens.map((token) => inlineNode(/** @type {Generic} */ (token)));
}

/**
 * @param {Generic} token
 * @returns {Node | string}
 */
function inlineNode(token) {
  switch (token.type) {
    case "text":
      return token.tokens ? h("span", {}, ...inlineNodes(token.tokens)) : unescaped(token["text"]);
    case "escape":
      return token["text"];
    case "strong":
      return h("strong", {}, ...inlineNodes(token.tokens));
    case "em":
      return h("em", {}, ...inlineNodes(token.tokens));
    case "del":
      return h("del", {}, ...inlineNodes(token.tokens));
    case "codespan":
      return h("code", {}, token["text"]);
    case "br":
      return h("br");
    case "checkbox":
      return h("input", { type: "checkbox", disabled: true, checked: token["checked"], "aria-label": "task" });
    case "link":
      return link(token["href"], token["title"], inlineNodes(token.tokens));
    case "image":
      return link(token["href"], "Image, not fetched", [token["text"] || token["href"]]);
    default:
      return token.raw;
  }
}

/**
 * @param {string} href
 * @param {string | null | undefined} title
 * @param {(Node | string)[]} children
 */
function link(href, title, children) {
  if (!safe(href)) return h("span", { class: "inb-dead-link", title: "This address is not opened" }, ...children);
  return h("a", { href, title: title || href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/**
 * @param {string} href
 * @returns {boolean} whether it is a complete address of a harmless kind
 */
export function safe(href) {
  try {
    return PROTOCOLS.has(new URL(href).protocol);
  } catch {
    return false;
  }
}

/**
 * @param {string} text
 * @returns {string} the text with its character references read
 */
function unescaped(text) {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z0-9]+));/g, (all, decimal, hex, name) => {
    if (name) return ENTITIES[name] ?? all;
    const point = decimal ? Number(decimal) : parseInt(hex, 16);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
  });
}
