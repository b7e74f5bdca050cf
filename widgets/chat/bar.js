/** The strip above the conversation: which model answers, and what can be done with the whole of it. */

import { attribute, fill, h, show } from "../shared/dom.js";
import { iconButton } from "../shared/icons.js";

/** @typedef {import("./types.js").Loaded} Loaded */
/** @typedef {"inspect" | "save" | "load" | "clear" | "two" | "settings"} Tool */

export class Bar {
  /**
   * @param {Record<Tool, () => void>} actions
   * @param {(name: string) => void} onmodel
   */
  constructor(actions, onmodel) {
    this.chooser = h("select", { class: "inb-chooser", "aria-label": "Model", onchange: () => onmodel(this.chooser.value) });
    this.name = h("span", { class: "inb-model" });
    this.facts = h("span", { class: "inb-facts" });
    this.buttons = {
      inspect: iconButton("look", "What was sent", actions.inspect),
      save: iconButton("save", "Save", actions.save),
      load: iconButton("load", "Load", actions.load),
      clear: iconButton("clear", "Clear", actions.clear),
      two: iconButton("two", "Two at once", actions.two, { "aria-pressed": "false" }),
      settings: iconButton("settings", "Settings", actions.settings, { "aria-expanded": "false" }),
    };
    const tools = h("span", { class: "inb-tools", role: "toolbar", "aria-label": "Conversation tools" });
    fill(tools, ...Object.values(this.buttons));
    this.el = h("header", { class: "inb-bar" }, h("span", { class: "inb-who" }, this.chooser, this.name, this.facts), tools);
  }

  /**
   * @param {Loaded | null} model
   * @param {string[]} loaded
   * @param {string} chosen the model's name among those loaded; "" where it went by itself and comes back when needed
   * @param {boolean} busy
   */
  showModel(model, loaded, chosen, busy) {
    const choose = loaded.length > 1 || (!chosen && loaded.length > 0);
    show(this.chooser, choose);
    show(this.name, !choose);
    const none = chosen ? null : h("option", { value: "", disabled: true }, model?.name ?? "Choose a model");
    fill(this.chooser, none, ...loaded.map((name) => h("option", { value: name }, name)));
    this.chooser.value = model ? chosen : "";
    this.name.textContent = model?.name ?? "No model";
    const absent = busy ? "loading" : "not in memory, loads again for the next message";
    this.facts.textContent = !model ? "" : chosen ? `${model.device} · ${model.dtype}` : absent;
  }

  /**
   * @param {boolean} busy
   * @param {boolean} empty whether there is no message
   * @param {boolean} ready whether there is a model
   */
  enable(busy, empty, ready) {
    this.chooser.disabled = busy;
    this.buttons.inspect.disabled = !ready;
    this.buttons.save.disabled = empty;
    this.buttons.load.disabled = busy;
    this.buttons.clear.disabled = busy || empty;
  }

  /** @param {boolean} two whether each message is answered twice */
  showTwo(two) {
    attribute(this.buttons.two, "aria-pressed", two);
  }

  /** @param {boolean} open */
  showSettings(open) {
    attribute(this.buttons.settings, "aria-expanded", open);
  }
}
