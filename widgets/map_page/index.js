/**
 * A saved map: the plot, its colours, a search, and the texts that were found. It reads the data that the file holds
 * and asks nobody for anything.
 */

import { fill, h, show } from "../shared/dom.js";
import { Plot } from "./canvas.js";
import { look, unpacked, words } from "./data.js";

/** @typedef {import("./types.js").Saved} Saved */

const MOST = 100;
const ONE = "(one colour)";

/**
 * @param {Saved} saved
 * @returns {HTMLElement}
 */
export function page(saved) {
  const { texts, columns, rows } = saved;
  const about = words(columns);
  const lower = texts.map((text) => text.toLowerCase());
  const points = unpacked(saved.points);
  const tip = h("div", { class: "map-tip", hidden: true });
  const plot = new Plot(points, {
    pointed: (row, x, y) => {
      show(tip, row >= 0);
      if (row < 0) return;
      fill(tip, h("strong", {}, texts[row] ?? ""), ...about(row).map((one) => h("div", {}, one)));
      tip.style.left = `${Math.min(x + 14, plot.el.clientWidth - 270)}px`;
      tip.style.top = `${y + 14}px`;
    },
    picked: (row) => pick(row),
  });
  plot.el.append(tip);

  const able = columns.filter((column) => column.kind !== "words");
  const colour = h("select", { "aria-label": "Colour", onchange: () => recolour() }, ...[ONE, ...able.map(({ name }) => name)].map((name) => h("option", { value: name }, name)));
  colour.value = able.some(({ name }) => name === saved.color) ? String(saved.color) : ONE;
  const search = h("input", { type: "search", "aria-label": "Search the texts", placeholder: "Search the texts", oninput: () => sift() });
  const legend = h("div", { class: "map-legend", role: "group", "aria-label": "Colours" });
  const count = h("p", { role: "status", class: "map-count" });
  const list = h("ol", { class: "map-list", "aria-label": "Texts" });
  const chosen = h("div", { class: "map-chosen", "aria-live": "polite" });
  /** @type {Set<number>} categories that are hidden */
  const hidden = new Set();

  function recolour() {
    hidden.clear();
    plot.look = look(able.find(({ name }) => name === colour.value), texts.length);
    const { legend: items, range } = plot.look;
    const scale = range && [h("span", {}, String(range.low)), h("i", { class: "map-scale" }), h("span", {}, String(range.high))];
    fill(
      legend,
      ...(scale ?? []),
      ...items.map(({ name, tone }, at) => {
        const dot = h("i", { class: "map-dot" });
        dot.style.background = tone;
        const button = h("button", { type: "button", "aria-pressed": true, title: "Show or hide", onclick: () => {
          if (!hidden.delete(at)) hidden.add(at);
          button.setAttribute("aria-pressed", String(!hidden.has(at)));
          sift();
        } }, dot, name);
        return button;
      }),
    );
    sift();
  }

  function sift() {
    const wanted = search.value.trim().toLowerCase();
    const found = [];
    let shown = 0;
    for (let row = 0; row < texts.length; row++) {
      const out = hidden.has(plot.look?.legend.length ? (plot.look.codes[row] ?? 0) : -1);
      const fits = !wanted || lower[row]?.includes(wanted);
      plot.state[row] = out ? 0 : fits ? 2 : 1;
      if (out || !fits) continue;
      shown += 1;
      if (found.length < MOST) found.push(row);
    }
    const all = `${shown.toLocaleString("en")} of ${texts.length.toLocaleString("en")} texts`;
    count.textContent = shown > found.length ? `${all}; the first ${MOST} are listed` : all;
    fill(list, ...found.map((row) => h("li", {}, h("button", { type: "button", onclick: () => pick(row) }, texts[row] ?? ""))));
    plot.draw();
  }

  /** @param {number} row */
  function pick(row) {
    plot.marked = row;
    fill(chosen, ...(row < 0 ? [] : [h("strong", {}, texts[row] ?? ""), h("div", {}, `row ${rows[row]}`), ...about(row).map((one) => h("div", {}, one))]));
    if (row >= 0) plot.reveal(row);
    plot.draw();
  }

  recolour();
  const { trust } = saved;
  const [across, up] = saved.axes;
  return h(
    "main",
    {},
    h("h1", {}, saved.title),
    trust && h("p", { class: "map-trust" }, trust.words),
    trust && trust.warning && h("p", { class: "map-warning", role: "note" }, trust.warning),
    h("div", { class: "map-tools" }, h("label", {}, "Colour ", colour), search, h("button", { type: "button", onclick: () => plot.whole() }, "Show all")),
    h("div", { class: "map-body" }, h("div", {}, plot.el, h("p", { class: "map-axes" }, `Across: ${across}. Up: ${up}.`), legend), h("aside", {}, chosen, count, list)),
  );
}

const data = document.getElementById("map");
if (data) document.body.append(page(JSON.parse(data.textContent ?? "")));
