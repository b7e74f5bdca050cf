/** Two answers to one turn beside each other: each under its settings, what one has alone marked, one to be chosen. */

import { attribute, h, show } from "../shared/dom.js";
import { apart, speed, tokens } from "./figures.js";
import { MessageView } from "./message.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Lives} Lives */
/** @typedef {NonNullable<Message["pieces"]>} Pieces */

export const SIDES = /** @type {const} */ (["Left", "Right"]);

/** What counts as a word: as in Python, where the texts are compared. */
const WORD = /\s+|[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]/gu;
const LETTER = /[\p{L}\p{N}]/u;
/** Words of the source that may lie between two that are shown: those of an address, say. */
const AHEAD = 80;

/**
 * @param {Message} message
 * @returns {Message[]} it and what stands beside it, the left one first
 */
export function sides(message) {
  const both = message.beside ? [message, message.beside] : [message];
  return both.sort((one, other) => one.version - other.version);
}

export class PairView {
  /**
   * @param {Message} message
   * @param {import("./message.js").Actions} actions
   */
  constructor(message, actions) {
    this.same = h("span", {});
    this.next = h("span", { class: "inb-next" });
    this.note = h("p", { class: "inb-hint", role: "status" }, this.same, " ", this.next);
    this.sides = sides(message).map((one, which) => {
      const view = new MessageView(one, actions);
      attribute(view.el, "aria-label", `${SIDES[which]} answer`);
      const settings = h("span", { class: "inb-side-settings" });
      const figures = h("span", { class: "inb-meta" });
      const choose = h(
        "button",
        { type: "button", class: "inb-button", "aria-label": `Go on with the ${SIDES[which]?.toLowerCase()} answer`, onclick: () => actions.choose(view.message.id, which) },
        "Go on with this",
      );
      const el = h("div", { class: "inb-side" }, h("header", {}, h("b", {}, SIDES[which]), settings, figures), view.el, choose);
      return { view, settings, figures, choose, el, marked: false };
    });
    const columns = h("div", { class: "inb-sides" }, ...this.sides.map(({ el }) => el));
    this.el = h("section", { class: "inb-pair", "aria-label": "Two answers" }, columns, this.note);
  }

  /**
   * @param {Message} message that of the two which the conversation goes on with
   * @param {Lives} live
   */
  update(message, live) {
    const both = sides(message);
    const busy = both.some(({ status }) => status === "running");
    this.sides.forEach((side, which) => {
      const one = /** @type {Message} */ (both[which]);
      const so = one.status === "running" ? live(one.id) : null;
      side.view.update(one, live);
      side.settings.textContent = apart(one, /** @type {Message} */ (both[1 - which]));
      side.figures.textContent = so ? [...speed(so), tokens(so.tokens)].join(" · ") : "";
      attribute(side.el, "data-goes-on", one === message && !busy);
      if (one.pieces && !side.marked) mark(side.view.body, one.pieces, lead(both));
      side.marked ||= one.pieces !== undefined;
    });
    show(this.note, !busy);
    const goesOn = SIDES[both.indexOf(message)]?.toLowerCase();
    this.same.textContent = same(both);
    this.next.textContent = `The next message goes on with the ${goesOn} one unless you choose.`;
  }

  /**
   * @param {boolean} busy
   * @param {boolean} ready
   */
  enable(busy, ready) {
    for (const { view, choose } of this.sides) {
      view.enable(busy, ready);
      choose.disabled = busy;
    }
  }

  /** Ends what outlives the elements. */
  end() {
    for (const { view } of this.sides) view.end();
    this.el.remove();
  }
}

/**
 * @param {Message[]} both
 * @returns {number} how many words, spaces and signs of both sources are the same before they part
 */
function lead(both) {
  const first = both.map(({ pieces }) => (pieces?.[0]?.[1] ? words(pieces[0][0]).length : 0));
  return Math.min(...first);
}

/**
 * @param {Message[]} both
 * @returns {string} how far they are the same
 */
function same(both) {
  const [pieces, other] = both.map(({ status, pieces: some }) => (status === "error" ? undefined : some));
  if (!pieces || !other) return "";
  if ([...pieces, ...other].every(([, shared]) => shared)) return "Both say the same.";
  const count = words(pieces[0]?.[0] ?? "").slice(0, lead(both)).filter((word) => LETTER.test(word)).length;
  return count ? `The first ${count === 1 ? "word is" : `${count} words are`} the same.` : "They differ from the first word on.";
}

/** @param {string} text */
function words(text) {
  return text.match(WORD) ?? [];
}

/**
 * Marks the words that a text has alone where it is shown, and the place where the two part.
 *
 * @param {HTMLElement} el shows the text as Markdown: its words in their order, without some of the signs
 * @param {Pieces} pieces of the source
 * @param {number} shared how many of the source's words are the same in both before they part
 */
export function mark(el, pieces, shared) {
  const source = pieces.flatMap(([text, both]) => words(text).map((word) => ({ word, own: !both })));
  const walker = document.createTreeWalker(el, 4); // text nodes
  const texts = /** @type {Text[]} */ ([]);
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  let at = 0;
  let parted = false;
  for (const text of texts) {
    /** @type {{ text: string, own: boolean, parts: boolean }[]} */
    const runs = [];
    for (const word of words(text.data)) {
      const ahead = word.trim() ? source.slice(at, at + AHEAD).findIndex((one) => one.word === word) : -1;
      at += ahead + 1;
      const own = ahead >= 0 && Boolean(source[at - 1]?.own);
      /** @type {boolean} */
      const parts = !parted && ahead >= 0 && at > shared;
      parted ||= parts;
      const last = runs.at(-1);
      if (last?.own === own && !parts) last.text += word;
      else runs.push({ text: word, own, parts });
    }
    const nodes = runs.map(({ text: some, own, parts }, index) => {
      const between = !some.trim() && runs[index - 1]?.own && runs[index + 1]?.own;
      const props = parts ? { class: "inb-parts", title: "They part here" } : {};
      return own || between ? h("mark", props, some) : parts ? h("span", props, some) : some;
    });
    if (nodes.some((node) => typeof node !== "string")) text.replaceWith(...nodes);
  }
}
