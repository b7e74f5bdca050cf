/** The whole panel: which tokenizers, which tab, what went wrong; the tabs do the rest. */

import { button } from "../shared/asking.js";
import { attribute, fill, h, show, unique } from "../shared/dom.js";
import { Latest } from "../shared/latest.js";
import { Problem } from "../shared/problem.js";
import { walk } from "../shared/walk.js";
import { ChatTab } from "./chat_tab.js";
import { LanguagesTab } from "./languages_tab.js";
import { LONG, TextTab } from "./text_tab.js";
import { VocabularyTab } from "./vocabulary_tab.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Tab} Tab */

const TITLES = /** @type {Record<Tab, string>} */ ({ text: "Text", vocabulary: "Vocabulary", chat: "Chat template", languages: "Languages" });
/** Milliseconds without a key before what is typed is sent. */
const PAUSE = 120;
const STARTER = "starter/chat";

export class Panel {
  /** @param {(message: Record<string, unknown>) => void} send */
  constructor(send) {
    this.changes = new Latest(send);
    /** @type {Record<string, unknown>} */
    this.typed = {};
    this.timer = 0;
    /** @type {State | null} */
    this.state = null;
    /** @type {Tab | null} */
    this.opening = null;
    this.id = unique("tk");
    const set = (/** @type {Record<string, unknown>} */ values, soon = false) => this.set(values, soon);
    const choice = (/** @type {string} */ name) => h("select", { id: `${this.id}-${name}`, onchange: () => this.#choose() });
    this.first = choice("first");
    this.second = choice("second");
    this.status = h("span", { class: "inb-hint", role: "status" });
    this.tabs = { text: new TextTab(this.id, set), vocabulary: new VocabularyTab(this.id, set), chat: new ChatTab(this.id, set), languages: new LanguagesTab() };
    this.names = /** @type {Tab[]} */ (Object.keys(this.tabs));
    this.buttons = this.names.map((name) => h("button", {
      type: "button", role: "tab", id: `${this.id}-tab-${name}`, class: "inb-tk-tab", "aria-controls": `${this.id}-panel-${name}`,
      onclick: () => this.#open(name),
    }, TITLES[name]));
    this.bodies = this.names.map((name) => h("div", { role: "tabpanel", id: `${this.id}-panel-${name}`, "aria-labelledby": `${this.id}-tab-${name}` }, this.tabs[name].el));
    this.problem = new Problem(button("Fetch it", () => set({ chosen: [STARTER] })));
    this.el = h("section", { class: "inb-widget inb-tk live", "aria-label": "Tokenizers" },
      h("div", { class: "inb-row" },
        h("label", { for: `${this.id}-first` }, "Tokenizer of"), this.first,
        h("label", { for: `${this.id}-second` }, "beside that of"), this.second, this.status),
      this.problem.el,
      h("div", { role: "tablist", "aria-label": "What to look at", class: "inb-tk-tabs", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) }, ...this.buttons),
      ...this.bodies);
  }

  /** @param {Record<string, unknown>} values @param {boolean} soon once typing pauses, in place of now */
  set(values, soon = false) {
    this.typed = { ...this.typed, ...values };
    clearTimeout(this.timer);
    if (soon) this.timer = /** @type {any} */ (setTimeout(() => this.#flush(), PAUSE));
    else this.#flush();
  }

  /** Asks for a first view when the panel is first seen: one in a hidden tab costs nothing. */
  opened() {
    const look = () => {
      if (this.el.clientWidth === 0) return;
      observer.disconnect();
      if (this.state && !this.state.view.tab && this.state.status === "idle" && !this.state.problem) this.set({});
    };
    const observer = new ResizeObserver(look);
    observer.observe(this.el);
    return () => {
      observer.disconnect();
      clearTimeout(this.timer);
    };
  }

  /** @param {State} state */
  show(state) {
    this.state = state;
    this.changes.answered(state.answered);
    const [first, second = ""] = state.chosen;
    options(this.first, state.names, first ?? "");
    options(this.second, ["", ...state.names.filter((name) => name !== first)], second);
    const running = state.status === "running";
    const said = running && !state.view.tab ? "Opening the tokenizer…" : running && state.text.length > LONG ? "Cutting the text…" : "";
    if (this.status.textContent !== said) this.status.textContent = said;
    attribute(this.el, "aria-busy", running);
    const settled = !Object.keys(this.typed).length && this.changes.number <= this.changes.done;
    if (settled || !this.opening) this.opening = state.tab;
    this.#showTab(this.opening);
    this.tabs[this.opening].show(state, settled);
    this.problem.show(state.problem, state.problem?.fetch);
  }

  /** @param {Tab} name a tab opens at once: what is in it comes when it is worked out */
  #open(name) {
    this.opening = name;
    this.#showTab(name);
    this.set({ tab: name });
  }

  /** @param {Tab} tab */
  #showTab(tab) {
    this.names.forEach((name, at) => {
      const button = /** @type {HTMLElement} */ (this.buttons[at]);
      attribute(button, "aria-selected", String(name === tab));
      attribute(button, "tabindex", name === tab ? "0" : "-1");
      show(/** @type {HTMLElement} */ (this.bodies[at]), name === tab);
    });
  }

  #flush() {
    const values = this.typed;
    this.typed = {};
    this.changes.ask({ type: "set", values });
  }

  #choose() {
    this.set({ chosen: [this.first.value, this.second.value].filter((name, at, all) => name && all.indexOf(name) === at) });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    this.buttons[walk(event, this.buttons, true)]?.click();
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {string[]} names "" is none
 * @param {string} chosen
 */
function options(select, names, chosen) {
  const all = names.includes(chosen) ? names : [...names, chosen];
  const same = select.options.length === all.length && all.every((name, at) => select.options[at]?.value === name);
  if (!same) fill(select, ...all.map((name) => h("option", { value: name }, name || "none")));
  if (select.value !== chosen) select.value = chosen;
}
