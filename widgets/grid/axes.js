/** What is varied: a row for each axis with its name and its values as they are typed. It does not read the values. */

import { button } from "../shared/asking.js";
import { attribute, fill, h, show, unique } from "../shared/dom.js";
import { iconButton } from "../shared/icons.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Axis} Axis */
/** @typedef {import("./types.js").Choice} Choice */

export class Axes {
  /** @param {(axes: Axis[]) => void} onchange */
  constructor(onchange) {
    this.onchange = onchange;
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Choice[]} */
    this.choices = [];
    this.added = 0; // how many there were when one was added that the page does not have yet
    this.list = h("ul", { class: "inb-axes" });
    this.add = button("Vary something else", () => this.#add());
    this.words = h("span", { class: "inb-axes-words", role: "status" });
    this.error = h("p", { class: "inb-field-error" });
    this.el = h("section", { "aria-label": "What is varied" }, h("h3", {}, "What is varied"), this.list, h("div", { class: "inb-line" }, this.add, this.words), this.error);
  }

  /** @param {State} state */
  show({ choices, axes, counted }) {
    this.choices = choices;
    while (this.rows.length > axes.length) this.rows.pop()?.el.remove();
    axes.forEach((axis, index) => {
      const row = (this.rows[index] ??= this.#row());
      if (!row.el.parentElement) this.list.append(row.el);
      row.show(axis, choices, axes, counted.problem);
    });
    if (this.added && axes.length > this.added) this.rows.at(-1)?.name.focus();
    this.added = 0;
    const problem = counted.problem;
    const placed = problem && axes.some(({ name }) => name === problem.field);
    this.words.textContent = counted.words;
    this.error.textContent = problem && !placed ? `${problem.message} ${problem.hint}` : "";
    show(this.error, problem && !placed);
    show(this.add, axes.length < choices.length);
  }

  #row() {
    return new Row(
      () => this.onchange(this.#now()),
      (row) => {
        const at = this.rows.indexOf(row);
        this.onchange(this.#now().filter((_, index) => index !== at));
        this.add.focus();
      },
    );
  }

  #add() {
    const now = this.#now();
    const next = this.choices.find(({ name }) => now.every((axis) => axis.name !== name));
    if (!next) return;
    this.added = now.length;
    this.onchange([...now, { name: next.name, text: "" }]);
  }

  /** @returns {Axis[]} */
  #now() {
    return this.rows.map(({ name, values }) => ({ name: name.value, text: values.value }));
  }
}

class Row {
  /** @param {() => void} onchange @param {(row: Row) => void} onremove */
  constructor(onchange, onremove) {
    const id = unique("axis");
    this.onchange = onchange;
    this.name = h("select", { "aria-label": "Varied", onchange });
    this.values = /** @type {HTMLInputElement | HTMLTextAreaElement} */ (this.#field(false));
    this.help = h("p", { class: "inb-field-help", id: `${id}-help` });
    this.error = h("p", { class: "inb-field-error", id: `${id}-error`, role: "alert" });
    this.ids = `${id}-help ${id}-error`;
    this.remove = iconButton("close", "Vary it no longer", () => onremove(this));
    this.place = h("div", { class: "inb-axis-values" }, this.values, this.help, this.error);
    this.el = h("li", { class: "inb-axis" }, this.name, this.place, this.remove);
    this.offered = "";
  }

  /** @param {Axis} axis @param {Choice[]} choices @param {Axis[]} axes @param {import("./types.js").AxisProblem | null} problem */
  show(axis, choices, axes, problem) {
    const free = choices.filter(({ name }) => name === axis.name || axes.every((other) => other.name !== name));
    const offered = JSON.stringify([axis.name, free]);
    if (offered !== this.offered) {
      const known = free.some(({ name }) => name === axis.name);
      const options = known ? free : [{ name: axis.name, label: axis.name }, ...free];
      fill(this.name, ...options.map(({ name, label }) => h("option", { value: name }, label)));
      this.offered = offered;
    }
    this.name.value = axis.name;
    const choice = choices.find(({ name }) => name === axis.name);
    const lines = choice?.lines ?? false;
    if (lines !== (this.values.tagName === "TEXTAREA")) {
      const field = this.#field(lines);
      this.values.replaceWith(field);
      this.values = field;
    }
    if (document.activeElement !== this.values) this.values.value = axis.text;
    const wrong = problem?.field === axis.name ? problem : null;
    this.help.textContent = choice?.help ?? "";
    this.error.textContent = wrong ? `${wrong.message} ${wrong.hint}` : "";
    show(this.error, wrong);
    attribute(this.values, "aria-invalid", Boolean(wrong));
    attribute(this.values, "aria-describedby", this.ids);
    attribute(this.values, "aria-label", `Values of ${choice?.label ?? axis.name}`);
    attribute(this.remove, "aria-label", `Vary ${choice?.label ?? axis.name} no longer`);
  }

  /** @param {boolean} lines */
  #field(lines) {
    const props = { spellcheck: "false", oninput: () => this.onchange() };
    return lines ? h("textarea", { rows: 2, ...props }) : h("input", { type: "text", ...props });
  }
}
