/** The tab of the chat template: a conversation that can be edited, and what the template makes of it. */

import { fill, h } from "../shared/dom.js";
import { iconButton } from "../shared/icons.js";
import { Chips } from "./chips.js";
import { Held } from "./held.js";
import { Side } from "./side.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Message} Message */

const ROLES = ["system", "user", "assistant"];

export class ChatTab {
  /** @param {string} id @param {import("./types.js").Set} set */
  constructor(id, set) {
    this.set = set;
    /** @type {Message[]} */
    this.messages = [];
    this.rows = h("ol", { class: "inb-tk-messages" });
    this.held = new Held((value) => this.#fill(value));
    this.answering = h("input", { type: "checkbox", id: `${id}-answering`, onchange: () => set({ answering: this.answering.checked }) });
    this.chips = [new Chips("Tokens of the conversation"), new Chips("Tokens of the conversation, second tokenizer")];
    this.sides = this.chips.map((chips) => new Side(chips.el));
    this.add = h("button", { type: "button", class: "inb-button", onclick: () => this.#add() }, "Add a message");
    this.el = h("div", {}, this.rows,
      h("div", { class: "inb-row inb-tk-line" }, this.add, h("label", { class: "inb-switch" }, this.answering, "an answer begins at the end")),
      h("div", { class: "inb-tk-sides" }, ...this.sides.map(({ el }) => el)));
  }

  /** @param {State} state @param {boolean} settled whether all that was typed is answered */
  show({ messages, answering, view }, settled) {
    this.held.show(messages, settled);
    if (settled) this.answering.checked = answering;
    if (view.tab !== "chat") return;
    this.sides.forEach((side, at) => {
      const shown = view.sides?.[at];
      const roles = Object.entries(shown?.by_role ?? {}).map(([role, count]) =>
        h("span", { class: "inb-tk-role", dataset: { role: ROLES.includes(role) ? role : "template" } }, `${role}: ${count}`));
      side.show(shown, shown?.count ? `, ${shown.count.toLocaleString("en")} tokens `: "", ...roles);
      this.chips[at]?.show(shown?.tokens ?? []);
    });
  }

  /** @param {Message[]} messages */
  #fill(messages) {
    this.messages = messages.map((one) => ({ ...one }));
    fill(this.rows, ...this.messages.map((message, at) => {
      const roles = ROLES.includes(message.role) ? ROLES : [...ROLES, message.role];
      const role = h("select", { "aria-label": `Role of message ${at + 1}`, onchange: () => this.#change(at, { role: role.value }, false) },
        ...roles.map((value) => h("option", { value }, value)));
      role.value = message.role;
      const content = h("textarea", { rows: 1, value: message.content, "aria-label": `Message ${at + 1}`, spellcheck: "false", oninput: () => this.#change(at, { content: content.value }, true) });
      const remove = iconButton("close", `Remove message ${at + 1}`, () => this.#remove(at));
      remove.disabled = this.messages.length === 1;
      return h("li", {}, role, content, remove);
    }));
  }

  /** @param {number} at @param {Partial<Message>} more @param {boolean} soon */
  #change(at, more, soon) {
    this.messages = this.messages.map((one, other) => (other === at ? { ...one, ...more } : one));
    this.set({ messages: this.held.sent(this.messages) }, soon);
  }

  /** @param {number} at */
  #remove(at) {
    this.#replace(this.messages.filter((_, other) => other !== at));
    this.rows.querySelectorAll("textarea")[Math.max(at - 1, 0)]?.focus();
  }

  #add() {
    const last = this.messages.at(-1)?.role;
    this.#replace([...this.messages, { role: last === "user" ? "assistant" : "user", content: "" }]);
    [...this.rows.querySelectorAll("textarea")].at(-1)?.focus();
  }

  /** @param {Message[]} messages */
  #replace(messages) {
    this.#fill(messages);
    this.set({ messages: this.held.sent(this.messages) });
  }
}
