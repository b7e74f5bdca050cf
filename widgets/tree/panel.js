/** The whole panel: what to grow a tree after, the tree, and what may be done with the branch that is chosen. */

import { Asking, button, whole } from "../shared/asking.js";
import { attribute, fill, h, show } from "../shared/dom.js";
import { Latest } from "../shared/latest.js";
import { percent, shown } from "../shared/tokens.js";
import { Branches } from "./branches.js";

/** @typedef {import("./types.js").State} State */

const WIDEST = 50;

export class Panel {
  /** @param {(message: Record<string, unknown>) => void} send */
  constructor(send) {
    this.changes = new Latest(send);
    this.width = h("input", { type: "number", min: 1, max: WIDEST });
    const beside = [h("label", {}, "Width ", this.width)];
    this.asking = new Asking("Grow", "by", send, { length: "Depth", beside, more: () => ({ width: this.#width() }) });
    this.meter = h("progress", { "aria-label": "Progress" });
    this.busy = h("div", { class: "inb-line", hidden: true }, this.meter);

    this.branches = new Branches({
      choose: (ids) => this.changes.ask({ type: "choose", ids }),
      expand: (ids) => send({ type: "expand", ids, width: this.#width() }),
      prune: (ids) => send({ type: "prune", ids }),
    });
    this.note = h("p", { class: "inb-tree-note" }, "Probabilities are the model's own (raw): of the token, and of the branch from the prompt on. Arrow keys walk, open and close; Delete prunes.");
    this.said = h("p", { role: "status" });
    this.expand = button("Look further", () => send({ type: "expand", ids: this.branches.chosen, width: this.#width() }), { title: "What follows this branch, as many tokens as Width says" });
    this.follow = button("Follow the likeliest", () => send({ type: "follow", ids: this.branches.chosen, length: this.asking.asked().length }), { title: "Go on along the most probable tokens, as many as Depth says" });
    this.prune = button("Prune", () => send({ type: "prune", ids: this.branches.chosen }), { title: "Take this branch away: its mass counts as not shown" });
    this.adopt = button("Adopt in the chat", () => send({ type: "adopt", ids: this.branches.chosen }), { title: "Go on with this branch as an answer" });
    this.acts = h("div", { class: "inb-line", role: "group", "aria-label": "The chosen branch" }, this.expand, this.follow, this.prune, this.adopt);
    this.el = h(
      "section", { class: "inb-widget inb-panel inb-token-tree live", "aria-label": "Token tree" },
      this.asking.el, this.asking.problem.el, this.busy, this.said, this.acts, this.branches.el, this.note,
    );
  }

  /** @param {State} state */
  show(state) {
    const running = state.status === "running";
    const grown = state.nodes.length > 0;
    this.changes.answered(state.answered);
    this.asking.show(state);
    if (document.activeElement !== this.width) this.width.value = String(state.width);
    show(this.busy, running);
    if ("total" in state.progress) {
      this.meter.max = state.progress.total;
      this.meter.value = state.progress.done;
    } else this.meter.removeAttribute("value");
    // What a person chose last counts, also while Python has not answered yet.
    const asked = this.changes.done < this.changes.number;
    this.branches.show(state.nodes, asked ? this.branches.chosen : state.chosen);
    this.#showBranch(state, running, grown);
    show(this.branches.el, grown);
    show(this.note, grown);
    attribute(this.el, "aria-busy", running);
  }

  /** @param {State} state @param {boolean} running @param {boolean} grown */
  #showBranch({ nodes, chosen, text, share, adopts, adopted }, running, grown) {
    const node = nodes.find(({ ids }) => ids.join("/") === chosen.join("/"));
    show(this.acts, grown);
    for (const act of [this.expand, this.follow, this.prune, this.adopt]) attribute(act, "disabled", running || !node);
    if (node?.end) for (const act of [this.expand, this.follow]) attribute(act, "disabled", true);
    if (!chosen.length) attribute(this.adopt, "disabled", true);
    show(this.adopt, adopts);
    if (running) fill(this.said, "Looking at what may follow.");
    else if (!grown) fill(this.said, "Press Grow to see what may follow a text, with the probability of every branch.");
    else if (!chosen.length) fill(this.said, "The prompt is chosen: all that may follow it.");
    else fill(this.said, "Branch: ", h("code", {}, shown(text)), ` ${percent(share)}`, adopted === text && adopted ? " · adopted" : "");
  }

  #width() {
    return whole(this.width, WIDEST);
  }
}
