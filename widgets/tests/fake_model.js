/** A widget model without a kernel: it keeps traits, tells listeners of changes, and records what the page sends. */

/** @typedef {(...args: any[]) => void} Callback */

export class FakeModel {
  /** @param {Record<string, unknown>} traits */
  constructor(traits) {
    this.traits = { ...traits };
    /** @type {Map<string, Set<Callback>>} */
    this.listeners = new Map();
    /** @type {any[]} what the page sent */
    this.sent = [];
    this.saves = 0;
    /** @type {(message: any) => void} */
    this.onsend = () => {};
  }

  /** @param {string} name */
  get(name) {
    return this.traits[name];
  }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    if (this.traits[name] === value) return;
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes() {
    this.saves += 1;
  }

  /** @param {string} event @param {Callback} callback */
  on(event, callback) {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set.add(callback));
  }

  /** @param {string} event @param {Callback} callback */
  off(event, callback) {
    this.listeners.get(event)?.delete(callback);
  }

  /** @param {unknown} content */
  send(content) {
    this.sent.push(content);
    this.onsend(content);
  }

  /** @param {string} event @param {...unknown} args */
  emit(event, ...args) {
    for (const callback of this.listeners.get(event) ?? []) callback(...args);
  }

  /** @param {Record<string, unknown>} message as if Python sent it */
  receive(message) {
    this.emit("msg:custom", message, []);
  }

  /** @returns {number} how many listeners there are */
  get listening() {
    return [...this.listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }
}

/** @param {Record<string, unknown>} [more] */
export function traits(more = {}) {
  return {
    messages: [],
    running: "",
    model: { name: "starter/chat", device: "cpu", dtype: "bfloat16", context_length: 8192 },
    loaded: ["starter/chat"],
    chosen: "starter/chat",
    fields: FIELDS,
    sampling: { temperature: 0.7, top_k: null, top_p: 0.9, min_p: null, repetition_penalty: 1.1, max_new_tokens: 512, stop: [], seed: null },
    two: false,
    other_sampling: null,
    other_model: "",
    opens: [],
    system: "",
    switches: [],
    when_full: "stop",
    context: { used: 0, size: 8192 },
    problem: null,
    ...more,
  };
}

const field = { nullable: false, step: null, min: null, max: null, default: null, help: "" };

export const FIELDS = [
  { ...field, name: "temperature", label: "Temperature", kind: "float", min: 0, max: 2, step: 0.05, default: 0.7, help: "0 always takes the likeliest token" },
  { ...field, name: "top_k", label: "Top-k", kind: "int", min: 1, default: 50, nullable: true, help: "Keep the k likeliest tokens" },
  { ...field, name: "top_p", label: "Top-p", kind: "float", min: 0.01, max: 1, step: 0.01, default: 0.9, nullable: true, help: "Keep the likeliest tokens that together reach this probability" },
  { ...field, name: "min_p", label: "Min-p", kind: "float", min: 0, max: 1, step: 0.01, default: 0.05, nullable: true, help: "Keep tokens at least this likely, relative to the likeliest" },
  { ...field, name: "repetition_penalty", label: "Repetition penalty", kind: "float", min: 0.5, max: 2, step: 0.05, default: 1.1, help: "Above 1 makes repeats rarer" },
  { ...field, name: "max_new_tokens", label: "Longest answer", kind: "int", min: 1, default: 512, help: "In tokens" },
  { ...field, name: "stop", label: "Stop strings", kind: "strings", default: [], help: "Generation ends where one of these appears" },
  { ...field, name: "seed", label: "Seed", kind: "seed", min: 0, max: 2 ** 53 - 1, help: "Empty draws a new one each time; the message records it" },
];

/** @param {Record<string, unknown>} more */
export function message(more) {
  return { id: "m1", role: "user", content: "", status: "done", version: 0, versions: 1, model: null, sampling: null, seed: null, stats: null, error: null, ...more };
}

/** @param {Record<string, unknown>} more */
export function answer(more) {
  return message({ id: "a1", role: "assistant", model: "starter/chat", ...more });
}
