/** The whole panel: what to write, the tokens that came, the stages, and what each token's chances were. */

import { Asking, button } from "../shared/asking.js";
import { Bars } from "../shared/bars.js";
import { Chips } from "../shared/chips.js";
import { attribute, fill, h, show } from "../shared/dom.js";
import { Latest } from "../shared/latest.js";
import { Stages } from "./stages.js";
import { shown } from "../shared/tokens.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").View} View */

export class Panel {
  /** @param {(message: Record<string, unknown>) => void} send */
  constructor(send) {
    this.send = send;
    this.changes = new Latest(send);
    const just = (/** @type {string} */ type) => () => send({ type });
    this.asking = new Asking("Look", "written by", send);

    this.tokens = new Chips((index) => send({ type: "at", index }));
    this.verdict = h("p", { class: "inb-xray-verdict", role: "status" });
    this.regenerate = button("Write what would come", just("regenerate"));
    this.back = button("Back to the text before", just("back"));
    this.reset = button("Undo the changes", just("reset"));
    this.pin = button("Compare with these settings", () => send({ type: this.pinned ? "unpin" : "pin" }));
    this.pinned = false;
    this.acts = h("div", { class: "inb-line" }, this.regenerate, this.reset, this.pin, this.back);

    this.stages = new Stages(
      (name, value) => this.changes.ask({ type: "set", values: { [name]: value } }),
      (order) => this.changes.ask({ type: "order", order }),
    );
    this.bars = new Bars((token) => send({ type: "take", id: token }));
    this.sum = h("p", { class: "inb-xray-sum" });
    this.body = h(
      "div", { class: "inb-xray-body" },
      h("section", { "aria-label": "Stages of the sampler, in their order" }, h("h3", {}, "Stages, in their order"), this.stages.el),
      h("section", { "aria-label": "Tokens that might come" }, h("h3", {}, "What might come here"), this.sum, this.bars.el),
    );
    this.el = h("section", { class: "inb-widget inb-panel inb-xray live", "aria-label": "Sampler X-ray" },
      this.asking.el, this.asking.problem.el, this.tokens.el, this.verdict, this.acts, this.body);
  }

  /** @param {State} state */
  show(state) {
    const running = state.status === "running";
    const looked = "bars" in state.view;
    this.changes.answered(state.answered);
    this.asking.show(state);
    this.tokens.show(state.tokens, looked && !running ? state.where : -1, flipping(state.flips));
    this.#showVerdict(state, running, looked);
    this.stages.show(state.fields, state.sampling, looked ? state.view : null, state.changed);
    if (state.problem?.field) this.stages.fail(state.problem.field, state.problem.message);
    attribute(this.el, "aria-busy", running);
    if (looked) this.#showChoice(/** @type {View} */ (state.view), state);
    show(this.bars.el, looked);
    show(this.sum, looked);
  }

  /** @param {State} state @param {boolean} running @param {boolean} looked */
  #showVerdict({ flips, judged, changed, tokens, earlier, pinned }, running, looked) {
    const first = flips[0];
    const count = `${flips.length} of ${tokens.length} tokens would come otherwise`;
    this.pinned = pinned;
    let said = "";
    if (running) said = "Writing.";
    else if (!looked) said = "Press Look: the model writes a text, and every choice in it can be looked at and made again.";
    else if (!changed.length) said = "Move a slider or a stage: every choice is made again with the same noise, and what would come otherwise is marked.";
    else if (!judged) said = "Making every choice again.";
    else if (!first) said = "With these settings every token comes again.";
    else said = `First, ${first.words}. In all ${count}, each after the text that is there.`;
    if (this.verdict.textContent !== said) this.verdict.textContent = said;
    show(this.regenerate, looked && first && !running);
    show(this.reset, looked && changed.length > 0 && !running);
    show(this.back, earlier > 0 && !running);
    show(this.pin, looked && !running);
    this.pin.textContent = pinned ? "Compare no longer" : "Compare with these settings";
  }

  /** @param {View} view @param {State} state */
  #showChoice(view, { tokens, where }) {
    const last = view.stages.at(-1);
    const first = view.stages[0];
    const kept = last ? last.kept : view.vocabulary;
    const drawn = view.bars.find(({ id }) => id === view.drawn);
    const parts = [
      `Token ${where} of ${tokens.length}. `,
      `${view.vocabulary.toLocaleString("en")} tokens, of which ${kept.toLocaleString("en")} may come`,
      view.pinned ? ` (compared: ${view.pinned.kept.toLocaleString("en")})` : "",
      first && last ? `; entropy ${first.before.toFixed(2)} → ${last.entropy.toFixed(2)} nats` : "",
      view.pinned ? ` (compared: ${view.pinned.entropy.toFixed(2)})` : "",
      ". ",
      view.greedy ? "Temperature 0: no draw, the most probable is taken: " : "Drawn with this seed: ",
    ];
    fill(this.sum, parts.join(""), h("code", {}, drawn ? shown(drawn.text) : String(view.drawn)), ".");
    this.bars.show(view);
  }
}

/** @param {import("./types.js").Flip[]} flips how the tokens that would come otherwise are marked */
function flipping(flips) {
  const marked = new Map(flips.map((flip) => [flip.index, flip]));
  return (/** @type {HTMLButtonElement} */ chip, /** @type {number} */ at) => {
    const flip = marked.get(at);
    attribute(chip, "data-flip", flip ? (flip === flips[0] ? "first" : "other") : null);
    attribute(chip, "title", flip ? flip.words : null);
    attribute(chip, "aria-label", flip ? `${chip.textContent}, would be ${shown(flip.now)}` : null);
  };
}
