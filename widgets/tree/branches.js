/**
 * The tree itself, by the keys of the ARIA tree pattern: arrows walk, open and close, Delete prunes. What is folded is
 * known to this page alone.
 */

import { attribute, fill, h } from "../shared/dom.js";
import { percent, shown } from "../shared/tokens.js";

/** @typedef {import("./types.js").Node} Node */

/** @param {number[]} ids */
const key = (ids) => ids.join("/");

/** One node's row. */
class Row {
  /** @param {Branches} tree @param {Node} node */
  constructor(tree, node) {
    this.node = node;
    const depth = node.ids.length;
    this.name = h("code", {}, depth ? shown(node.text) : "(the prompt)");
    this.fold = h("span", { class: "inb-tree-fold", "aria-hidden": "true", onclick: (/** @type {Event} */ event) => {
      event.stopPropagation();
      tree.fold(this.node);
    } });
    this.bar = h("span");
    this.share = h("span", { class: "inb-tree-share" });
    this.rest = h("span", { class: "inb-tree-rest" });
    this.el = h(
      "li", { role: "treeitem", "aria-level": depth + 1, onclick: () => tree.choose(this.node.ids, true), ondblclick: () => tree.further(this.node) },
      this.fold, h("span", { class: "inb-tree-bar", "aria-hidden": "true" }, this.bar), this.name, this.share, this.rest,
    );
    this.el.style.setProperty("--depth", String(depth));
  }

  /** @param {Node} node @param {boolean} chosen @param {boolean} folded */
  show(node, chosen, folded) {
    this.node = node;
    const depth = node.ids.length;
    const state = node.children ? (folded ? "false" : "true") : node.end ? null : "false";
    this.fold.textContent = node.end ? "■" : state === "true" ? "▾" : "▸";
    this.bar.style.width = percent(node.probability);
    this.share.textContent = depth ? `${percent(node.probability)} · branch ${percent(node.branch)}` : "";
    const left = node.open ? `not shown ${percent(node.rest)}` : "not looked further";
    this.rest.textContent = node.end ? "ends the text" : left;
    attribute(this.el, "aria-expanded", state);
    attribute(this.el, "aria-selected", String(chosen));
    attribute(this.el, "tabindex", chosen ? "0" : "-1");
    attribute(this.el, "aria-label", depth
      ? `${shown(node.text)}, ${percent(node.probability)}, branch ${percent(node.branch)}, ${this.rest.textContent}`
      : `The prompt, ${this.rest.textContent}`);
  }
}

export class Branches {
  /**
   * @param {{ choose: (ids: number[]) => void, expand: (ids: number[]) => void, prune: (ids: number[]) => void }} asks
   */
  constructor(asks) {
    this.asks = asks;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Set<string>} */
    this.folded = new Set();
    /** @type {Node[]} */
    this.nodes = [];
    /** @type {number[]} */
    this.chosen = [];
    this.el = h("ul", { class: "inb-tree", role: "tree", "aria-label": "What may follow, with the model's own probabilities", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) });
  }

  /** @param {Node[]} nodes @param {number[]} chosen */
  show(nodes, chosen) {
    this.nodes = nodes;
    this.chosen = chosen;
    const focused = this.el.contains(document.activeElement);
    const before = this.rows;
    this.rows = new Map();
    for (const node of this.#visible()) {
      const name = key(node.ids);
      const old = before.get(name);
      const row = old?.node.text === node.text ? old : new Row(this, node);
      row.show(node, name === key(chosen), this.folded.has(name));
      this.rows.set(name, row);
    }
    const elements = [...this.rows.values()].map(({ el }) => el);
    const same = elements.length === this.el.children.length && elements.every((el, at) => el === this.el.children[at]);
    if (!same) fill(this.el, ...elements);
    if (focused) this.rows.get(key(chosen))?.el.focus();
  }

  /** The nodes under no folded one. */
  #visible() {
    /** @type {string[]} */
    const under = [];
    return this.nodes.filter(({ ids, children }) => {
      const name = key(ids);
      while (under.length && !within(ids, under[under.length - 1] ?? "")) under.pop();
      const hidden = under.length > 0;
      if (!hidden && children && this.folded.has(name)) under.push(name);
      return !hidden;
    });
  }

  /** @param {number[]} ids @param {boolean} focus */
  choose(ids, focus) {
    this.chosen = ids;
    this.show(this.nodes, ids);
    if (focus) this.rows.get(key(ids))?.el.focus();
    this.asks.choose(ids);
  }

  /** @param {Node} node open or close it on this page */
  fold(node) {
    if (!node.children) return this.further(node);
    const name = key(node.ids);
    if (!this.folded.delete(name)) this.folded.add(name);
    const inside = this.folded.has(name) && within(this.chosen, name);
    if (inside && key(this.chosen) !== name) this.choose(node.ids, true);
    else this.show(this.nodes, this.chosen);
  }

  /** @param {Node} node look at what follows it */
  further(node) {
    if (!node.end && !node.children) this.asks.expand(node.ids);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const rows = [...this.rows.values()];
    const at = rows.findIndex(({ el }) => el === event.target);
    const row = rows[at];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const { node } = row;
    const folded = this.folded.has(key(node.ids));
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowDown: () => this.#to(rows[at + 1]),
      ArrowUp: () => this.#to(rows[at - 1]),
      Home: () => this.#to(rows[0]),
      End: () => this.#to(rows[rows.length - 1]),
      ArrowRight: () => (!node.children ? this.further(node) : folded ? this.fold(node) : this.#to(rows[at + 1])),
      ArrowLeft: () => (node.children && !folded ? this.fold(node) : this.#to(this.rows.get(key(node.ids.slice(0, -1))))),
      Enter: () => this.fold(node),
      Delete: () => this.asks.prune(node.ids),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @param {Row | undefined} row */
  #to(row) {
    if (row) this.choose(row.node.ids, true);
  }
}

/** @param {number[]} ids @param {string} name whether the branch goes through the node of that name */
function within(ids, name) {
  return name === "" || `${key(ids)}/`.startsWith(`${name}/`);
}
