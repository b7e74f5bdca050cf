/** What a model is asked: a text to go on with or a message, how long, and the way to begin and to stop. */

import { h, show, unique } from "./dom.js";
import { Problem } from "./problem.js";

/** @typedef {{ message: string, hint: string, field: string | null, load: boolean }} ModelProblem */

/**
 * @typedef {object} Asked
 * @property {string} model
 * @property {string} prompt
 * @property {boolean} chat
 * @property {number} length
 * @property {"idle" | "running"} status
 * @property {ModelProblem | null} problem
 */

const LONGEST = 1024;

/**
 * @param {string} text
 * @param {() => void} onclick
 * @param {import("./dom.js").Props} [props]
 */
export function button(text, onclick, props = {}) {
  return h("button", { type: "button", class: "inb-button", onclick, ...props }, text);
}

/**
 * @param {HTMLInputElement} field
 * @param {number} most
 * @returns {number} what is typed there as a whole number from 1
 */
export function whole(field, most) {
  return Math.max(1, Math.min(most, Math.round(Number(field.value) || 1)));
}

export class Asking {
  /**
   * @param {string} begin what the button that begins says; its message's type is that in lower case
   * @param {string} by what is said before the model's name
   * @param {(message: Record<string, unknown>) => void} send
   * @param {{ text?: string, length?: string, beside?: HTMLElement[], more?: () => Record<string, unknown> }} own what
   *   the text and the length are called, controls that stand beside the length, and what they add to the message
   */
  constructor(begin, by, send, { text = "Text to go on with", length = "Tokens", beside = [], more = () => ({}) } = {}) {
    this.type = begin.toLowerCase();
    this.by = by;
    this.send = send;
    this.more = more;
    const id = unique("asking");
    this.prompt = h("textarea", { id: `${id}-prompt`, rows: 2, spellcheck: "false", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) });
    this.chat = h("input", { type: "checkbox" });
    this.length = h("input", { type: "number", id: `${id}-length`, min: 1, max: LONGEST });
    this.begin = button(begin, () => this.#ask(), { class: "inb-button inb-primary" });
    this.stop = button("Stop", () => send({ type: "stop" }), { dataset: { act: "stop" } });
    this.model = h("span", { class: "inb-asking-model" });
    this.problem = new Problem(button("Load the model", () => send({ type: "load" })));
    this.el = h(
      "div", { class: "inb-asking" },
      h("label", { for: `${id}-prompt` }, text), this.prompt,
      h("div", { class: "inb-line" },
        h("label", { class: "inb-switch" }, this.chat, "as a chat message"),
        h("label", { for: `${id}-length` }, length), this.length, ...beside, this.begin, this.stop, this.model),
    );
  }

  /** @param {Asked} state */
  show({ model, prompt, chat, length, status, problem }) {
    if (document.activeElement !== this.prompt) this.prompt.value = prompt;
    if (document.activeElement !== this.length) this.length.value = String(length);
    if (document.activeElement !== this.chat) this.chat.checked = chat;
    show(this.begin, status !== "running");
    show(this.stop, status === "running");
    this.model.textContent = model ? `${this.by} ${model}` : "no model is loaded";
    this.problem.show(problem, problem?.load);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      this.#ask();
    }
  }

  #ask() {
    this.send({ type: this.type, ...this.asked(), ...this.more() });
  }

  /** What is asked, as it stands on the page. */
  asked() {
    return { prompt: this.prompt.value, chat: this.chat.checked, length: whole(this.length, LONGEST) };
  }
}
