/** The sampler's stages in the order they run: each with its control, what it did, and a grip that moves it. */

import { attribute, h, show } from "../shared/dom.js";
import { FieldControl } from "../shared/fields.js";
import { icon } from "../shared/icons.js";
import { percent } from "../shared/tokens.js";

/** @typedef {import("../shared/fields.js").Field} Field */
/** @typedef {import("./types.js").View} View */
/** @typedef {import("./types.js").Stage} StageEffect */

/** Parameters that belong to no single stage, shown after them. */
const APART = ["penalty_window", "seed"];

class Stage {
  /**
   * @param {string} name
   * @param {Field | undefined} field
   * @param {(name: string, value: unknown) => void} onset
   * @param {Stages} list
   */
  constructor(name, field, onset, list) {
    this.name = name;
    const label = field?.label ?? name.replaceAll("_", " ");
    this.control = field ? new FieldControl(field, (value) => onset(name, value)) : null;
    this.grip = h("button", {
      type: "button", class: "inb-icon-button inb-grip", title: "Drag, or press the arrow keys, to move it",
      "aria-label": `Move ${label}: up and down arrow keys`,
      onkeydown: (/** @type {KeyboardEvent} */ event) => list.key(event, name),
      onpointerdown: (/** @type {PointerEvent} */ event) => list.drag(event, name),
    }, icon("grip"));
    this.effect = h("p", { class: "inb-stage-effect" });
    this.mass = h("span");
    this.gauge = h("div", { class: "inb-stage-mass", "aria-hidden": "true" }, this.mass);
    const body = h("div", { class: "inb-stage-body" }, this.control ? this.control.el : h("div", { class: "inb-stage-name" }, label), this.effect, this.gauge);
    this.el = h("li", { class: "inb-stage", dataset: { stage: name } }, this.grip, body);
  }

  /** @param {StageEffect | undefined} effect @param {boolean} changed */
  show(effect, changed) {
    attribute(this.el, "data-on", String(effect?.on ?? true));
    attribute(this.el, "data-changed", changed);
    show(this.gauge, effect?.on && effect.cut > 0);
    if (!effect) this.effect.textContent = "";
    else if (!effect.on) this.effect.textContent = "off";
    else {
      const entropy = `entropy ${effect.before.toFixed(2)} → ${effect.entropy.toFixed(2)} nats`;
      const cut = `keeps ${effect.kept.toLocaleString("en")}, cuts ${effect.cut.toLocaleString("en")}; ${percent(effect.mass)} of the mass stays`;
      this.effect.textContent = effect.cut > 0 ? `${cut}; ${entropy}` : `rescales, cuts none; ${entropy}`;
      this.mass.style.width = percent(effect.mass);
    }
  }
}

export class Stages {
  /**
   * @param {(name: string, value: unknown) => void} onset
   * @param {(order: string[]) => void} onorder
   */
  constructor(onset, onorder) {
    this.onset = onset;
    this.onorder = onorder;
    /** @type {Map<string, Stage>} */
    this.stages = new Map();
    /** @type {Map<string, FieldControl>} */
    this.apart = new Map();
    /** @type {string[]} */
    this.order = [];
    /** The stage that is being dragged. */
    this.held = "";
    this.list = h("ol", { class: "inb-stages" });
    this.more = h("div", { class: "inb-stage-more" });
    this.said = h("p", { class: "inb-offscreen", role: "status" });
    this.el = h("div", {}, this.list, this.more, this.said);
  }

  /**
   * @param {Field[]} fields
   * @param {Record<string, unknown>} sampling
   * @param {View | Record<string, never> | null} view
   * @param {string[]} changed
   */
  show(fields, sampling, view, changed) {
    const order = /** @type {string[]} */ (sampling["order"] ?? []);
    this.#make(fields, order);
    if (!this.held) this.#place(order);
    const stages = view && "stages" in view ? view.stages : [];
    const effects = new Map(stages.map((one) => [one.name, one]));
    for (const [name, stage] of this.stages) {
      stage.control?.set(sampling[name]);
      stage.show(effects.get(name), changed.includes(name));
    }
    for (const [name, control] of this.apart) control.set(sampling[name]);
    attribute(this.list, "data-moved", changed.includes("order"));
  }

  /** @param {string} name @param {string} message */
  fail(name, message) {
    (this.stages.get(name)?.control ?? this.apart.get(name))?.fail(message);
  }

  /** What is not here yet: settings may name stages that those before left out.
   * @param {Field[]} fields @param {string[]} order */
  #make(fields, order) {
    const by = new Map(fields.map((field) => [field.name, field]));
    for (const name of order) {
      if (!this.stages.has(name)) this.stages.set(name, new Stage(name, by.get(name), this.onset, this));
    }
    for (const name of APART) {
      const field = by.get(name);
      if (!field || this.apart.has(name)) continue;
      const control = new FieldControl(field, (value) => this.onset(name, value));
      this.apart.set(name, control);
      this.more.append(control.el);
    }
  }

  /** @param {string[]} order */
  #place(order) {
    this.order = order;
    const elements = order.flatMap((name) => this.stages.get(name)?.el ?? []);
    const same = elements.length === this.list.children.length && elements.every((el, at) => el === this.list.children[at]);
    if (same) return;
    const focused = document.activeElement;
    this.list.replaceChildren(...elements);
    if (focused instanceof HTMLElement && this.list.contains(focused)) focused.focus();
  }

  /** @param {KeyboardEvent} event @param {string} name */
  key(event, name) {
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const to = this.order.indexOf(name) + step;
    if (to < 0 || to >= this.order.length) return;
    this.#move(name, to);
    this.stages.get(name)?.grip.focus();
    this.said.textContent = `${name.replaceAll("_", " ")} is stage ${to + 1} of ${this.order.length}`;
    this.onorder(this.order);
  }

  /** @param {PointerEvent} event @param {string} name */
  drag(event, name) {
    if (event.button !== 0) return;
    event.preventDefault();
    const grip = /** @type {HTMLElement} */ (event.currentTarget);
    const before = this.order.join();
    const end = new AbortController();
    const stop = () => {
      end.abort();
      this.held = "";
      attribute(this.list, "data-held", null);
      attribute(this.stages.get(name)?.el ?? this.list, "data-dragged", null);
      if (this.order.join() !== before) this.onorder(this.order);
    };
    this.held = name;
    grip.focus();
    attribute(this.list, "data-held", true);
    attribute(this.stages.get(name)?.el ?? this.list, "data-dragged", true);
    // On the document: an element that is moved in the page loses a pointer that it captured.
    const options = { signal: end.signal };
    document.addEventListener("pointermove", (moved) => this.#hover(moved.clientY, name), options);
    document.addEventListener("pointerup", stop, options);
    document.addEventListener("pointercancel", stop, options);
  }

  /** @param {number} y @param {string} name */
  #hover(y, name) {
    const others = this.order.filter((one) => one !== name);
    const below = others.findIndex((one) => {
      const box = this.stages.get(one)?.el.getBoundingClientRect();
      return box ? y < box.top + box.height / 2 : false;
    });
    this.#move(name, below < 0 ? others.length : below);
  }

  /** @param {string} name @param {number} to */
  #move(name, to) {
    const order = this.order.filter((one) => one !== name);
    order.splice(to, 0, name);
    this.#place(order);
  }
}
