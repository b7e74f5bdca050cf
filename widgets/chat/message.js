/** One message of the conversation, with what can be done to it. It does not know the other messages. */

import { AnswerView } from "../shared/answer.js";
import { copyButton } from "../shared/clipboard.js";
import { fill, h, show } from "../shared/dom.js";
import { iconButton } from "../shared/icons.js";
import { Editor } from "./editor.js";
import { shown, summary, usage } from "./figures.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Lives} Lives */

/**
 * @typedef {object} Actions
 * @property {(id: string) => void} regenerate
 * @property {(id: string, text: string) => boolean} edit whether it was sent
 * @property {(id: string, index: number) => void} version
 * @property {(id: string) => void} inspect
 * @property {(id: string, which: number) => void} choose
 * @property {(id: string, where: string) => void} open
 * @property {string[]} opens where an answer can be taken up
 */

export class MessageView {
  /**
   * @param {Message} message
   * @param {Actions} actions
   */
  constructor(message, actions) {
    const assistant = message.role === "assistant";
    this.message = message;
    this.actions = actions;
    this.answer = assistant ? new AnswerView() : null;
    this.body = h("div", { class: "inb-body" }, this.answer?.el);
    this.waiting = h("div", { class: "inb-waiting", role: "img", "aria-label": "Waiting for the first token" });
    fill(this.waiting, h("span"), h("span"), h("span"));
    this.error = h("div", { class: "inb-error", role: "group", "aria-label": "Error" });
    this.retry = h("button", { type: "button", class: "inb-button", onclick: () => actions.regenerate(this.message.id) }, "Retry");
    this.editor = new Editor(this.body, (text) => actions.edit(this.message.id, text));
    this.tools = h("div", { class: "inb-tools" });
    this.meta = h("span", { class: "inb-meta" });
    this.parameters = h("details", { class: "inb-parameters" });
    this.opens = h("span", { class: "inb-opens" }, "Open in", ...actions.opens.map((where) => {
      const button = { type: "button", class: "inb-link", "aria-label": `Open this answer in ${where}` };
      return h("button", { ...button, onclick: () => actions.open(this.message.id, where) }, where);
    }));
    this.buttons = this.#buttons(assistant);
    fill(this.tools, ...Object.values(this.buttons), assistant && this.opens, assistant && this.meta, assistant && this.parameters);
    this.el = h(
      "article",
      { class: "inb-message", "aria-label": assistant ? "Answer" : "You", dataset: { role: message.role, id: message.id } },
      h("div", { class: "inb-bubble" }, this.body, this.waiting, this.editor.el, this.error),
      this.tools,
    );
    /** What `update` showed last, so that it repaints only what changed. */
    this.seen = "";
  }

  /**
   * @param {Message} message
   * @param {Lives} live its text so far where it is in the making
   */
  update(message, live) {
    this.message = message;
    const running = message.status === "running";
    const text = (running && live(message.id)?.text) || message.content;
    this.el.dataset["status"] = message.status;
    if (this.answer) this.answer.update(text, running);
    else this.body.textContent = text;
    show(this.waiting, running && !this.body.textContent);
    const seen = JSON.stringify(message);
    if (seen !== this.seen) this.#details();
    this.seen = seen;
  }

  /**
   * @param {boolean} busy whether anything is being generated
   * @param {boolean} ready whether there is a model
   */
  enable(busy, ready) {
    const { version, versions } = this.message;
    const { edit, again, inspect } = this.buttons;
    const [earlier, , later] = /** @type {HTMLElement[]} */ ([...this.buttons.versions.children]);
    disable(earlier, busy || version === 0);
    disable(later, busy || version >= versions - 1);
    for (const button of [edit, again, this.retry, this.editor.update]) disable(button, busy || !ready);
    disable(inspect, !ready);
  }

  /** Ends what outlives the elements. */
  end() {
    this.editor.end();
    this.el.remove();
  }

  /** @param {boolean} assistant */
  #buttons(assistant) {
    const { actions } = this;
    const id = () => this.message.id;
    const step = (/** @type {number} */ by) => actions.version(id(), this.message.version + by);
    const place = h("span", { class: "inb-version-place" });
    const earlier = iconButton("earlier", "Earlier version", () => step(-1));
    const later = iconButton("later", "Later version", () => step(1));
    const versions = h("span", { class: "inb-versions" }, earlier, place, later);
    const copy = copyButton("Copy", () => this.message.content);
    const edit = iconButton("edit", "Edit", () => this.editor.open(this.message.content));
    const again = iconButton("again", "Regenerate", () => actions.regenerate(id()));
    const inspect = iconButton("look", "Inspect prompt", () => actions.inspect(id()));
    return assistant ? { versions, copy, edit, again, inspect } : { versions, copy, edit };
  }

  #details() {
    const { message } = this;
    const running = message.status === "running";
    const several = message.versions > 1;
    show(this.buttons.versions, several);
    const place = this.buttons.versions.children[1];
    if (place) place.textContent = `${message.version + 1}/${message.versions}`;
    show(this.tools, !running);
    this.#fail();
    if (message.role === "user") return;
    show(this.opens, message.kept && this.actions.opens.length);
    this.meta.textContent = summary(message).join(" · ");
    const rows = [...Object.entries(message.sampling ?? {}), ...usage(message)];
    show(this.parameters, rows.length > 0);
    const list = h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, shown(value))]));
    fill(this.parameters, h("summary", {}, "Parameters"), list);
  }

  #fail() {
    const { error } = this.message;
    show(this.error, error);
    if (!error) return;
    fill(this.error, h("p", { class: "inb-error-message" }, error.message), error.hint && h("p", {}, error.hint), this.retry);
  }
}

/**
 * @param {HTMLElement | undefined} button
 * @param {boolean} off
 */
function disable(button, off) {
  if (button instanceof HTMLButtonElement) button.disabled = off;
}
