/** The whole of the chat on the page: its parts, and which of them is open. It does not know the widget's model. */

import { Banner, Confirmation } from "../shared/banner.js";
import { fill, h, show } from "../shared/dom.js";
import { download, filePicker } from "../shared/download.js";
import { Gauge, count } from "../shared/gauge.js";
import { NO_KERNEL } from "../shared/model.js";
import { Bar } from "./bar.js";
import { Composer } from "./composer.js";
import { apart, speed } from "./figures.js";
import { Log } from "./log.js";
import { SIDES, sides } from "./pair.js";
import { Sent } from "./sent.js";
import { Settings } from "./settings.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Lives} Lives */
/** @typedef {import("./types.js").Loaded} Loaded */
/** @typedef {import("./types.js").Problem} Problem */

/** Characters of a finished answer that are read out. */
const READ_OUT = 2000;

export class Panel {
  /**
   * @param {(message: Record<string, unknown>) => void} send a message to Python; raises where there is none to send to
   * @param {(trait: string, value: unknown) => void} change a trait; raises so too
   */
  constructor(send, change) {
    /** @param {Record<string, unknown>} message */
    this.send = (message) => this.#reached(() => send(message));
    this.change = change;
    /** @type {Message[]} */
    this.messages = [];
    /** @type {Loaded | null} */
    this.model = null;
    /** @type {string[]} */
    this.loaded = [];
    this.chosen = "";
    /** @type {Record<string, unknown>} */
    this.sampling = {};
    /** @type {Problem | null} */
    this.problem = null;
    this.busy = false;
    /** Whether each message is answered twice, and how the second time. */
    this.two = false;
    this.otherModel = "";
    /** @type {Record<string, unknown> | null} null as long as it was not chosen: then as the first time */
    this.otherSampling = null;
    /** What was sent and is not yet in the conversation: given back if it is refused. */
    this.pending = "";
    /** Which answers this view, not another of the same chat, asked for. @type {Set<string>} */
    this.awaited = new Set();

    this.settings = new Settings((trait, value) => this.#reached(() => change(trait, value)), () => this.#openSettings(false));
    this.sent = new Sent(() => this.#closeSent());
    /** @type {import("./message.js").Actions} */
    this.actions = {
      opens: [],
      choose: (id, which) => this.send({ type: "choose", id, which }),
      open: (id, where) => this.send({ type: "open", id, where }),
      regenerate: (id) => this.#generate(this.two ? { type: "compare", id } : { type: "regenerate", id }),
      edit: (id, text) => this.#generate({ type: this.two && this.#isMine(id) ? "compare" : "edit", id, text }),
      version: (id, index) => this.send({ type: "version", id, index }),
      inspect: (id) => this.#inspect({ id }),
    };
    this.log = new Log(this.actions);
    this.composer = new Composer((text) => this.#submit(text), () => this.send({ type: "stop" }));
    this.bar = new Bar(this.#tools(), (name) => this.send({ type: "model", name }));
    this.confirm = new Confirmation();
    this.banner = new Banner(() => this.#showProblem(null));
    this.picker = filePicker(".json,application/json", (json) => this.send({ type: "load", json }));
    this.apart = h("p", { class: "inb-apart inb-hint", role: "status", hidden: true });
    this.speed = h("span", { class: "inb-speed" });
    this.gauge = new Gauge("Context used");
    this.announcer = h("div", { class: "inb-offscreen", "aria-live": "polite" });
    this.el = h(
      "div",
      { class: "inb-chat inb-widget live", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
      this.bar.el,
      h("div", { class: "inb-middle" }, this.log.el, this.settings.el, this.sent.el),
      this.banner.el,
      this.confirm.el,
      this.apart,
      this.composer.el,
      h("footer", { class: "inb-foot" }, this.speed, this.gauge.el),
      this.picker,
      this.announcer,
    );
  }

  /**
   * @param {Message[]} messages
   * @param {Lives} live
   * @param {boolean} busy
   */
  showMessages(messages, live, busy) {
    const grown = messages.length > this.messages.length;
    const arrived = messages.some(({ role, content }) => role === "user" && content === this.pending);
    if (arrived && (grown || busy)) this.pending = "";
    const inside = this.el.contains(document.activeElement);
    if (this.busy && !busy) this.#announce(messages.at(-1));
    this.messages = messages;
    this.busy = busy;
    if (grown) this.log.following = true;
    this.log.update(messages, live);
    this.#showSpeed(live);
    this.#refresh();
    if (inside) this.#keepFocus();
  }

  /** Ends what outlives the elements. */
  end() {
    this.log.end();
    this.composer.end();
    this.el.remove();
  }

  /**
   * @param {Message} message
   * @param {Lives} live
   */
  paint(message, live) {
    this.log.paint(message, live);
    this.#showSpeed(live);
  }

  /**
   * @param {string} trait
   * @param {any} value
   */
  show(trait, value) {
    if (trait === "model") this.#setModel(value ?? null);
    if (trait === "loaded") this.loaded = value ?? [];
    if (trait === "chosen") this.chosen = value ?? "";
    if (trait === "opens") this.actions.opens = value ?? [];
    if (trait === "two") this.two = Boolean(value);
    if (trait === "sampling") this.sampling = value ?? {};
    if (trait === "other_sampling") this.otherSampling = value ?? null;
    if (trait === "other_model") this.otherModel = value ?? "";
    if (trait === "fields") this.settings.setFields(value ?? []);
    if (["fields", "sampling", "other_sampling"].includes(trait)) this.settings.setSampling(this.sampling, this.otherSampling ?? this.sampling);
    if (["two", "loaded", "other_model"].includes(trait)) this.settings.setTwo(this.two, this.loaded, this.otherModel);
    if (trait === "system") this.settings.setSystem(value ?? "");
    if (trait === "switches") this.settings.setSwitches(value ?? []);
    if (trait === "when_full") this.settings.setWhenFull(value ?? "stop");
    if (trait === "context") this.gauge.update(value?.used ?? 0, value?.size ?? null, "tokens");
    if (trait === "problem") this.#showProblem(value ?? null);
    this.#refresh();
  }

  /** @param {any} message from Python: an answer to what some view asked */
  receive(message) {
    if (!this.awaited.delete(message.type)) return;
    if (message.type === "rendered") this.sent.show(message);
    if (message.type === "saved") download(message.filename, message.json);
  }

  /** Stands the parts to what is known now. */
  #refresh() {
    const { busy, model, problem } = this;
    const ready = model !== null;
    const idle = problem ? "problem" : model ? "idle" : "no-model";
    this.el.dataset["status"] = busy ? "running" : idle;
    this.composer.update(busy, ready);
    this.bar.showTwo(this.two);
    show(this.apart, this.two);
    const name = this.chosen || (model?.name ?? "");
    const first = made(name, this.sampling);
    const second = made(this.otherModel || name, this.otherSampling ?? this.sampling);
    const said = [apart(first, second), apart(second, first)];
    fill(this.apart, ...said.map((words, side) => h("span", {}, h("b", {}, `${SIDES[side]} `), words)));
    this.log.enable(busy, ready);
    this.bar.showModel(model, this.loaded, this.chosen, busy);
    this.bar.enable(busy, this.messages.length === 0, ready);
    fill(this.log.empty, ...(model ? welcome(model, this.chosen !== "") : noModel()));
  }

  /** A button that is gone or disabled cannot keep the focus: the message box takes it, so that Escape still works. */
  #keepFocus() {
    const focused = document.activeElement;
    if (this.el.contains(focused) && !focused?.closest("[hidden], :disabled")) return;
    this.composer.area.focus({ preventScroll: true });
  }

  /** @param {Loaded | null} model the first one ends what was wrong without it, though not a wrong setting */
  #setModel(model) {
    const first = this.model === null && model !== null;
    this.model = model;
    if (first && this.problem && !this.problem.field) this.#showProblem(null);
  }

  /** @param {Problem | null} problem */
  #showProblem(problem) {
    if (this.problem?.field) this.settings.fail(this.problem.field, "");
    this.problem = problem;
    this.banner.update(problem);
    if (problem) {
      this.awaited.clear();
      this.#closeSent();
      if (problem.field && this.settings.fail(problem.field, problem.message)) this.#openSettings(true);
      if (this.pending) this.composer.restore(this.pending);
      this.pending = "";
    }
    this.#refresh();
  }

  /** @param {Lives} live */
  #showSpeed(live) {
    const last = this.messages.at(-1);
    const figures = this.busy ? live(last?.id ?? "") : this.messages.findLast(({ stats }) => stats)?.stats;
    this.speed.textContent = last?.beside ? "" : speed(figures ?? {}).join(" · "); // two tell their own
  }

  /** @param {Message | undefined} message the answer that has just ended */
  #announce(message) {
    if (message?.role !== "assistant") return;
    const ended = { cancelled: "stopped", error: "failed" };
    const both = sides(message);
    const said = both.map(({ status, error, content }, which) => {
      const how = ended[/** @type {"cancelled"} */ (status)] ?? "finished";
      return `${both.length > 1 ? `${SIDES[which]} answer` : "Answer"} ${how}. ${(error?.message ?? content).slice(0, READ_OUT)}`;
    });
    this.announcer.textContent = said.join(" ");
  }

  /**
   * @param {string} text
   * @returns {boolean} whether it was sent
   */
  #submit(text) {
    if (!this.#valid()) return false;
    if (!this.send({ type: this.two ? "compare" : "send", text })) return false;
    this.pending = text;
    this.log.follow();
    return true;
  }

  /**
   * @param {Record<string, unknown>} message
   * @returns {boolean} whether it was sent
   */
  #generate(message) {
    return Boolean(!this.busy && this.model && this.#valid() && this.send(message));
  }

  /** @param {string} id */
  #isMine(id) {
    return this.messages.some((message) => message.id === id && message.role === "user");
  }

  /**
   * @param {() => void} tell something to Python
   * @returns {boolean} whether that could be done
   */
  #reached(tell) {
    try {
      tell();
      return true;
    } catch (error) {
      console.warn("ChatPanel:", error);
      this.#showProblem(NO_KERNEL);
      return false;
    }
  }

  /** Nothing is generated with settings other than those on the screen. */
  #valid() {
    const invalid = this.settings.invalid();
    if (!invalid) return true;
    this.#openSettings(true);
    invalid.input.focus();
    return false;
  }

  /** @param {boolean} open */
  #openSettings(open) {
    if (open) show(this.sent.el, false);
    const within = this.settings.el.contains(document.activeElement);
    show(this.settings.el, open);
    this.bar.showSettings(open);
    if (!open && within) this.bar.buttons.settings.focus();
    this.log.settle();
  }

  /** @param {{ id?: string }} [which] */
  #inspect(which = {}) {
    this.#openSettings(false);
    this.awaited.add("rendered");
    this.sent.wait();
    show(this.sent.el, true);
    this.sent.close.focus();
    this.send({ type: "inspect", ...which });
  }

  #closeSent() {
    if (this.sent.el.hidden) return;
    const within = this.sent.el.contains(document.activeElement);
    show(this.sent.el, false);
    if (within) this.bar.buttons.inspect.focus();
  }

  #tools() {
    return {
      inspect: () => (this.sent.el.hidden ? this.#inspect() : this.#closeSent()),
      save: () => {
        this.awaited.add("saved");
        this.send({ type: "save" });
      },
      load: () => {
        const pick = () => this.picker.click();
        if (this.messages.length === 0) return pick();
        this.confirm.open("Replace the whole conversation with that of a file?", pick);
      },
      clear: () => this.confirm.open("Clear the whole conversation?", () => this.send({ type: "clear" })),
      two: () => {
        const on = !this.two;
        if (this.#reached(() => this.change("two", on)) && on) this.#openSettings(true);
      },
      settings: () => this.#openSettings(Boolean(this.settings.el.hidden)),
    };
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Escape") this.#escape();
  }

  #escape() {
    if (this.busy) this.send({ type: "stop" });
    else if (this.confirm.isOpen) this.confirm.close();
    else if (!this.sent.el.hidden) this.#closeSent();
    else this.#openSettings(false);
  }
}

/** @param {string} model @param {Record<string, any>} sampling an answer that is still to be made */
function made(model, sampling) {
  return { model, sampling, seed: sampling["seed"] ?? null };
}

/** @param {Loaded} model @param {boolean} present whether it is in memory, or comes back when it is needed */
function welcome(model, present) {
  const context = model.context_length ? ` with a context of ${count(model.context_length)} tokens` : "";
  return [
    h("p", { class: "inb-empty-title" }, "Ready"),
    h("p", {}, `${model.name} is ${present ? `loaded on ${model.device}${context}` : "loaded again for the next message"}. Write a message below.`),
  ];
}

function noModel() {
  return [
    h("p", { class: "inb-empty-title" }, "No model is loaded yet"),
    h("p", {}, "Load one in the Load tab, or in a cell: ", h("code", {}, "inb.load()")),
  ];
}
