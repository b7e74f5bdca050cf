/**
 * Shows Markdown that is still being written. marked splits the text into tokens, markdown_nodes.js makes DOM nodes
 * of them, and only the blocks that changed are made anew. It does not know who wrote the text, and trusts nobody.
 */

import { Lexer } from "marked";
import { h } from "./dom.js";
import { blockNode, fillCode } from "./markdown_nodes.js";

/** @typedef {import("marked").Token} Token */
/** @typedef {{ raw: string, type: string, start: number, node: HTMLElement }} Block */
/** @typedef {import("marked").Links} Links */

/** How many blocks at the end of a growing text may still change when it grows. */
const OPEN = 2;

/** A rendering of Markdown that follows its text. */
export class MarkdownView {
  constructor() {
    this.el = h("div", { class: "inb-markdown" });
    this.text = "";
    /** Whether `text` was read from its beginning when it was shown last. */
    this.whole = true;
    /** @type {Block[]} */
    this.blocks = [];
    /** What the reference links point at: a definition may come after the text that uses it. @type {Links} */
    this.links = {};
  }

  /**
   * Shows `text`, keeping the nodes of all blocks before the first that changed.
   *
   * @param {string} text
   * @param {boolean} [growing] whether more is to come: then only the end of a text that grew is read again
   */
  update(text, growing = false) {
    const now = text.replace(/\r\n?/g, "\n");
    if (now === this.text && (growing || this.whole)) return;
    const grown = growing && now.startsWith(this.text);
    this.text = now;
    this.whole = !(grown && this.#read(Math.max(0, this.blocks.length - OPEN)));
    if (this.whole) this.#read(0);
  }

  /**
   * Reads and shows the text from the block at `first` on.
   *
   * @param {number} first
   * @returns {boolean} false, with nothing shown, where a link may be defined that blocks before it use
   */
  #read(first) {
    const start = first > 0 ? (this.blocks[first]?.start ?? 0) : 0;
    const rest = this.text.slice(start);
    if (start > 0 && rest.includes("]:")) return false;
    const { tokens, links } = lex(rest, start > 0 ? this.links : {});
    const redefined = JSON.stringify(links) !== JSON.stringify(this.links);
    this.links = links;
    this.#show(redefined ? 0 : first, blocksOf(tokens, start), redefined);
    return true;
  }

  /**
   * @param {number} first
   * @param {{ token: Token, start: number }[]} found the blocks from `first` on
   * @param {boolean} anew whether no node can be kept
   */
  #show(first, found, anew) {
    let same = 0;
    while (!anew && same < found.length && this.#keeps(first + same, found[same])) same += 1;
    if (!anew && this.#patch(first + same, found[same])) same += 1;
    for (const block of this.blocks.splice(first + same)) block.node.remove();
    for (const { token, start } of found.slice(same)) {
      const block = { raw: token.raw, type: token.type, start, node: blockNode(token) };
      this.blocks.push(block);
      this.el.append(block.node);
    }
  }

  /**
   * @param {number} index
   * @param {{ token: Token } | undefined} found
   */
  #keeps(index, found) {
    const block = this.blocks[index];
    return block !== undefined && block.raw === found?.token.raw && block.type === found.token.type;
  }

  /**
   * Rewrites a growing code block in place, so that its frame, scroll position and button stay.
   *
   * @param {number} index
   * @param {{ token: Token } | undefined} found
   * @returns {boolean} whether it did
   */
  #patch(index, found) {
    const block = this.blocks[index];
    if (!block || block.type !== "code" || found?.token.type !== "code") return false;
    block.raw = found.token.raw;
    fillCode(block.node, /** @type {import("marked").Tokens.Code} */ (found.token));
    return true;
  }
}

/**
 * @param {string} text
 * @param {Links} known
 * @returns {{ tokens: Token[], links: Links }}
 */
function lex(text, known) {
  try {
    const lexer = new Lexer();
    Object.assign(lexer.tokens.links, known);
    const tokens = lexer.lex(text);
    return { tokens, links: { ...tokens.links } };
  } catch {
    // Text nested thousands of levels deep exhausts the parser's stack: show it as it is.
    return { tokens: [{ type: "html", raw: text, text }], links: { ...known } };
  }
}

/**
 * @param {Token[]} tokens
 * @param {number} start where the first begins in the text
 * @returns {{ token: Token, start: number }[]} those that show something
 */
function blocksOf(tokens, start) {
  let at = start;
  const all = tokens.map((token) => {
    const found = { token, start: at };
    at += token.raw.length;
    return found;
  });
  return all.filter(({ token }) => token.type !== "space" && token.type !== "def");
}

/**
 * The part of a growing text that can be shown without being shown differently a moment later: a last line that
 * may yet become a list, a rule, a fence, a heading or a table is held back until it is clear which.
 *
 * @param {string} text
 * @returns {string}
 */
export function settled(text) {
  const start = text.lastIndexOf("\n") + 1;
  const line = text.slice(start);
  const marks = /^(?:[-=*+_#>`~|: \t]+|\d{1,9}[.)]?)$/.test(line.trim());
  const first = start === 0 || text.slice(0, start).endsWith("\n\n");
  const row = first && line.trimStart().startsWith("|");
  if (line && (marks || row)) return settledHeader(text.slice(0, start));
  return settledHeader(text);
}

/**
 * Holds back a table's header until the row of dashes below it is there.
 *
 * @param {string} text
 */
function settledHeader(text) {
  const header = /(?:^|\n\n)([ \t]*\|[^\n]*\n)$/.exec(text);
  return header?.[1] ? text.slice(0, text.length - header[1].length) : text;
}
