/** Shows a model's text: Markdown, with its thinking folded away. It does not know where the text comes from. */

import { h } from "./dom.js";
import { MarkdownView, settled } from "./markdown.js";
import { segments, withoutPartialTag } from "./think.js";

/** @typedef {{ kind: "text" | "think", el: HTMLElement, view: MarkdownView }} Part */

/** A rendering of a model's text that follows it while it is written. */
export class AnswerView {
  constructor() {
    this.el = h("div", { class: "inb-answer" });
    /** @type {Part[]} */
    this.parts = [];
  }

  /**
   * @param {string} text
   * @param {boolean} growing whether more is to come
   */
  update(text, growing) {
    const found = segments(growing ? withoutPartialTag(text) : text);
    const same = found.findIndex((segment, index) => segment.kind !== this.parts[index]?.kind);
    const kept = same < 0 ? found.length : same;
    for (const part of this.parts.splice(kept)) part.el.remove();
    found.forEach((segment, index) => {
      const part = (this.parts[index] ??= this.#add(segment.kind));
      const last = growing && index === found.length - 1;
      part.view.update(last ? settled(segment.text) : segment.text, last);
      if (segment.kind === "think") part.el.dataset["open"] = String(growing && segment.open);
    });
  }

  /**
   * @param {"text" | "think"} kind
   * @returns {Part}
   */
  #add(kind) {
    const view = new MarkdownView();
    const el = kind === "text" ? view.el : h("details", { class: "inb-think" }, h("summary", {}, "Thinking"), view.el);
    this.el.append(el);
    return { kind, el, view };
  }
}
