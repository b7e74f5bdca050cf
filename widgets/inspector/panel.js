/** The whole panel: what to look at, the coloured text, what is known of one token, and the texts that were kept. */

import { Asking, button } from "../shared/asking.js";
import { Bars } from "../shared/bars.js";
import { Chips } from "../shared/chips.js";
import { Choose } from "../shared/choose.js";
import { attribute, fill, h, show } from "../shared/dom.js";
import { download } from "../shared/download.js";
import { Latest } from "../shared/latest.js";
import { shown } from "../shared/tokens.js";
import { Hint } from "./hint.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").View} View */

/** @type {[string, string][]} */
const MEASURES = [["logprob", "probability"], ["rank", "rank"], ["entropy", "entropy of the choice"], ["margin", "margin to the best other"]];
/** @type {[string, string][]} */
const KINDS = [["raw", "raw: the model's own"], ["sampled", "post-sampler: drawn from"]];

export class Panel {
  /** @param {(message: Record<string, unknown>) => void} send */
  constructor(send) {
    this.send = send;
    this.changes = new Latest(send);
    this.asking = new Asking("Score", "by", send, { text: "Text" });
    attribute(this.asking.begin, "title", "What surprises the model in this text?");
    this.write = button("Write on", () => send({ type: "write", ...this.asking.asked() }), { title: "Let the model go on with this text, or answer the message" });
    this.asking.begin.after(this.write);
    this.meter = h("progress", { "aria-label": "Progress" });
    this.busy = h("div", { class: "inb-line", role: "status", hidden: true }, this.meter);

    this.measure = new Choose("Colour by", (measure) => send({ type: "colour", measure, of: this.of.select.value }));
    this.of = new Choose("Distribution", (of) => send({ type: "colour", measure: this.measure.select.value, of }));
    this.legend = h("ul", { class: "inb-inspector-legend", "aria-label": "What the colours mean" });
    const save = ["html", "csv"].map((suffix) => button(`Save as ${suffix.toUpperCase()}`, () => send({ type: "export", suffix })));
    this.looks = h("div", { class: "inb-line", hidden: true }, this.measure.el, this.of.el, this.legend, ...save);

    this.chips = new Chips((index) => this.changes.ask({ type: "at", index }), {
      onpoint: (index) => this.#point(index),
      onenter: () => [...this.bars.rows.values()].find(({ take }) => !take.hidden)?.take.focus(),
    });
    this.pointed = -1;
    this.hint = new Hint();
    this.summary = h("p", { role: "status" });
    this.note = h("p", { class: "inb-inspector-note", role: "note" });
    this.branches = h("div", { class: "inb-line", role: "group", "aria-label": "Texts that were kept" });

    this.heading = h("h3");
    this.figures = h("tbody");
    this.bars = new Bars((id) => send({ type: "take", id, index: this.where, length: this.asking.asked().length }));
    this.where = 0;
    this.nobody = h("p", { class: "inb-inspector-note" }, "What else might have come is not known.");
    const back = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.chips.chips[this.where]?.focus();
    };
    this.body = h(
      "section", { class: "inb-inspector-body", "aria-label": "The chosen token", hidden: true, onkeydown: back },
      this.heading,
      h("table", { class: "inb-inspector-figures" },
        h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col" }, "raw"), h("th", { scope: "col" }, "post-sampler"))), this.figures),
      h("h3", {}, "What might come here"), this.bars.el, this.nobody,
    );
    this.el = h(
      "section", { class: "inb-widget inb-panel inb-inspector live", "aria-label": "Token inspector" },
      this.asking.el, this.asking.problem.el, this.busy, this.looks, this.summary, this.note, this.branches, this.chips.el, this.hint.el, this.body,
    );
  }

  /** @param {{ type: string, name: string, text: string, kind: string }} message a file that was asked for */
  told({ type, name, text, kind }) {
    if (type === "file") download(name, text, kind);
  }

  /** @param {State} state */
  show(state) {
    const running = state.status === "running";
    const looked = "bars" in state.view;
    this.changes.answered(state.answered);
    this.asking.show(state);
    show(this.write, !running);
    this.#showProgress(state, running);
    this.#showLooks(state);
    const summary = running ? "Working." : state.tokens.length ? state.summary : "Press Score to see what surprises the model in a text, or Write on to let it go on.";
    if (this.summary.textContent !== summary) this.summary.textContent = summary;
    this.note.textContent = state.note;
    show(this.note, state.note && !running);
    this.#showBranches(state, running);
    this.chips.show(state.tokens, looked && !running ? state.where : -1, (chip, at) => this.#dress(chip, at, state));
    this.hint.show(state.hint, "index" in state.hint && state.hint.index === this.pointed ? this.chips.chips[this.pointed] : undefined);
    show(this.body, looked && !running);
    if (looked) this.#showChoice(/** @type {View} */ (state.view));
    attribute(this.el, "aria-busy", running);
  }

  /** @param {State} state @param {boolean} running */
  #showProgress({ progress }, running) {
    show(this.busy, running && "total" in progress);
    if (!("total" in progress)) return;
    this.meter.max = progress.total;
    this.meter.value = progress.done;
  }

  /** @param {State} state */
  #showLooks({ tokens, measure, of, has_sampled: sampled, legend }) {
    show(this.looks, tokens.length);
    this.measure.show(MEASURES, measure);
    this.of.show(KINDS, of, sampled ? [] : ["sampled"]);
    fill(this.legend, ...legend.map((words, level) => h("li", { dataset: { level: String(level) } }, words)));
  }

  /** @param {State} state @param {boolean} running */
  #showBranches({ branches, branch }, running) {
    show(this.branches, branches.length > 1);
    const focused = this.branches.contains(document.activeElement);
    fill(this.branches, h("span", {}, "Texts:"), ...branches.map((words, at) =>
      button(words, () => this.send({ type: "show", branch: at }), { "aria-pressed": String(at === branch), disabled: running })));
    if (focused) this.branches.querySelectorAll("button")[branch]?.focus();
  }

  /** @param {HTMLButtonElement} chip @param {number} at @param {State} state */
  #dress(chip, at, { levels, legend, given }) {
    const level = levels[at] ?? -1;
    attribute(chip, "data-level", level);
    attribute(chip, "data-given", at < given && given < levels.length);
    attribute(chip, "aria-label", `${chip.textContent}, ${level < 0 ? "not known" : legend[level]}`);
  }

  /** @param {View} view */
  #showChoice(view) {
    this.where = view.index;
    fill(this.heading, `Token ${view.index}: `, h("code", {}, shown(view.text)), view.came === null ? "" : ` (id ${view.came})`);
    fill(this.figures, ...view.figures.map(({ name, raw, sampled }) =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, raw || "not known"), h("td", {}, sampled || (raw && "nothing was drawn")))));
    show(this.bars.el, view.bars.length);
    show(this.nobody, !view.bars.length);
    if (view.bars.length) this.bars.show(view);
  }

  /** @param {number} index */
  #point(index) {
    this.pointed = index;
    show(this.hint.el, false);
    if (index >= 0 && !this.body.hidden) this.changes.ask({ type: "hint", index });
  }
}
