/** The conversation: its messages in order, and a scroll that follows the newest text only while the reader does. */

import { h, show } from "../shared/dom.js";
import { iconButton } from "../shared/icons.js";
import { MessageView } from "./message.js";
import { PairView, sides } from "./pair.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Lives} Lives */

/** Pixels from the end that still count as reading the end. */
const NEAR = 24;

export class Log {
  /** @param {import("./message.js").Actions} actions */
  constructor(actions) {
    this.actions = actions;
    /** @type {Map<string, MessageView | PairView>} */
    this.views = new Map();
    this.following = true;
    this.lastTop = 0;
    this.empty = h("div", { class: "inb-empty" });
    this.list = h("div", { class: "inb-list" });
    const log = { role: "log", "aria-label": "Conversation", "aria-live": "off", tabindex: "0" };
    this.scroller = h("div", { class: "inb-scroller", ...log, onscroll: () => this.#scrolled() }, this.empty, this.list);
    this.jump = iconButton("down", "Jump to the end", () => this.follow(), { class: "inb-round inb-jump", hidden: true });
    this.el = h("div", { class: "inb-log" }, this.scroller, this.jump);
    this.resized = new ResizeObserver(() => this.settle());
    this.resized.observe(this.scroller);
  }

  /**
   * @param {Message[]} messages
   * @param {Lives} live
   */
  update(messages, live) {
    const ids = new Set(messages.map(key));
    for (const [id, view] of this.views) {
      if (ids.has(id)) continue;
      view.end();
      this.views.delete(id);
    }
    messages.forEach((message, index) => {
      const view = this.#view(message);
      view.update(message, live);
      if (this.list.children[index] !== view.el) this.list.insertBefore(view.el, this.list.children[index] ?? null);
    });
    show(this.empty, messages.length === 0);
    this.settle();
  }

  /**
   * Paints the text so far of a message in the making.
   *
   * @param {Message} message
   * @param {Lives} live
   */
  paint(message, live) {
    this.views.get(key(message))?.update(message, live);
    this.settle();
  }

  /**
   * @param {boolean} busy whether anything is being generated
   * @param {boolean} ready whether there is a model
   */
  enable(busy, ready) {
    for (const view of this.views.values()) view.enable(busy, ready);
  }

  /** Goes to the end and stays there. */
  follow() {
    this.following = true;
    this.settle();
  }

  /** Ends what outlives the elements. */
  end() {
    this.resized.disconnect();
    for (const view of this.views.values()) view.end();
  }

  /** Keeps the end in view where the reader was at the end. */
  settle() {
    if (this.following) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#scrolled();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.following = true;
    else if (scrollTop < this.lastTop) this.following = false;
    this.lastTop = scrollTop;
    show(this.jump, !this.following);
  }

  /** @param {Message} message */
  #view(message) {
    let view = this.views.get(key(message));
    if (!view) {
      view = message.beside ? new PairView(message, this.actions) : new MessageView(message, this.actions);
      this.views.set(key(message), view);
    }
    return view;
  }
}

/** @param {Message} message what is shown in one place */
function key(message) {
  return sides(message).map(({ id }) => id).join();
}
