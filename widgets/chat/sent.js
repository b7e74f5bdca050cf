/** What was sent: the text after the chat template, and the tokens it became. It does not know how either was made. */

import { fill, h } from "../shared/dom.js";
import { count } from "../shared/gauge.js";
import { iconButton } from "../shared/icons.js";

/** @typedef {import("./types.js").Rendered} Rendered */

export class Sent {
  /** @param {() => void} onclose */
  constructor(onclose) {
    this.content = h("div", { class: "inb-drawer-body", tabindex: "0" });
    this.close = iconButton("close", "Close", onclose);
    this.el = h(
      "section",
      { class: "inb-sent", "aria-label": "Prompt and tokens", hidden: true },
      h("header", {}, h("h2", {}, "What was sent"), this.close),
      this.content,
    );
  }

  wait() {
    fill(this.content, h("p", { class: "inb-hint", role: "status" }, "Asking the kernel for the rendered prompt"));
  }

  /** @param {Rendered} rendered */
  show({ template, tokens, truncated, note }) {
    const total = tokens.length + truncated;
    const about = note && h("p", { role: "status" }, note);
    if (!total) return fill(this.content, about);
    fill(
      this.content,
      about,
      h("h3", {}, "Text after the chat template"),
      h("pre", { class: "inb-template", tabindex: "0" }, template),
      h("h3", {}, `Tokens (${count(total)})`),
      h("div", { class: "inb-chips" }, ...tokens.flatMap(chip)),
      truncated > 0 && h("p", { class: "inb-hint" }, `${count(truncated)} more are not shown.`),
    );
  }
}

/** @param {{ id: number, text: string }} token */
function chip({ id, text }) {
  const special = /^<[|｜].*[|｜]>$|^<\/?s>$/.test(text);
  const el = h("span", { class: special ? "inb-chip inb-special" : "inb-chip", title: `id ${id}` }, visible(text) || "∅");
  return text.endsWith("\n") ? [el, h("br")] : [el];
}

/**
 * @param {string} text
 * @returns {string} the text with its spaces, tabs and ends of lines made visible
 */
export function visible(text) {
  return text.replaceAll(" ", "·").replaceAll("\n", "↵").replaceAll("\t", "→").replaceAll("\r", "␍");
}
