/** One model as a row of the table, and the row of headings above. Text is only ever text. */

import { h } from "../shared/dom.js";
import { icon } from "../shared/icons.js";

/** @typedef {import("./types.js").Row} Row */

/** @type {[string, string, string, string][]} name, what stands below it, class, what it means */
const COLUMNS = [
  ["Model", "", "inb-col-model", ""],
  ["Parameters", "Size on Hub", "inb-number", "The size counts all formats and earlier versions; a download is smaller"],
  ["Fits here", "", "", "Whether the weights fit the free memory of this machine's device"],
  ["Licence", "", "", ""],
  ["Downloads", "Likes", "inb-number inb-spare", "Downloads in the last 30 days"],
  ["Updated", "", "inb-spare", ""],
];

const FITS = {
  yes: ["Fits", "The weights fit as they are"],
  int8: ["As int8", "The weights fit when they are quantized to 8 bits"],
  nf4: ["As nf4", "The weights fit when they are quantized to 4 bits"],
  no: ["Too big", "The weights do not fit, even at 4 bits"],
  "": ["–", "Not known"],
};

const GATES = {
  open: "",
  auto: "Gated: its licence has to be accepted first",
  manual: "Gated: its owner decides on each request",
};

/** @returns {HTMLTableRowElement} */
export function heading() {
  const cells = COLUMNS.map(([name, below, kind, meaning]) =>
    h("th", { scope: "col", class: kind || null, title: meaning || null }, name, below && h("span", { class: "inb-below" }, below)),
  );
  return h("tr", {}, ...cells, h("th", { scope: "col" }, h("span", { class: "inb-offscreen" }, "Action")));
}

/**
 * @param {Row} one
 * @param {boolean} planned whether its download is being planned
 * @param {boolean} judging whether it is still being worked out what fits
 * @param {() => void} onplan
 * @returns {HTMLTableRowElement}
 */
export function row(one, planned, judging, onplan) {
  const label = `${planned ? "Planned" : "Plan download"}: ${one.id}`;
  const button = h(
    "button",
    { type: "button", class: `inb-button inb-plan${planned ? " inb-planned" : ""}`, "aria-label": label, onclick: onplan },
    planned && icon("done"),
    planned ? "Planned" : h("span", {}, "Plan", h("span", { class: "inb-roomy" }, " download")),
  );
  return h(
    "tr",
    { dataset: { id: one.id }, "aria-current": planned ? "true" : null },
    h("th", { scope: "row", class: "inb-col-model" }, name(one), below([one.task, one.library].filter(Boolean).join(" · "))),
    h("td", { class: "inb-number" }, one.parameters || unknown(), below(one.size)),
    h("td", {}, fit(one, judging)),
    h("td", {}, h("span", { class: "inb-licence" }, one.license || unknown()), gate(one)),
    h("td", { class: "inb-number inb-spare", title: `${one.downloads_exact} downloads, ${one.likes_exact} likes` }, one.downloads, below(`${one.likes} ${one.likes === "1" ? "like" : "likes"}`)),
    h("td", { class: "inb-spare" }, one.updated || unknown()),
    h("td", { class: "inb-action" }, button),
  );
}

/** @param {Row} one */
function name({ id, page }) {
  const cut = id.lastIndexOf("/") + 1;
  const text = [h("span", { class: "inb-owner" }, id.slice(0, cut)), h("wbr"), id.slice(cut)];
  if (!/^https?:\/\//.test(page)) return h("span", { class: "inb-name" }, ...text);
  return h("a", { class: "inb-name", href: page, target: "_blank", rel: "noopener noreferrer", title: `${id} on the hub` }, ...text);
}

/** @param {Row} one */
function gate({ id, gate, page }) {
  const words = gate === "manual" ? "on request" : "gated";
  if (!GATES[gate] || !/^https?:\/\//.test(page)) return GATES[gate] && h("span", { class: "inb-gate", title: GATES[gate] }, words);
  const label = `${words}: the licence of ${id} is accepted on its page on the hub`;
  return h("a", { class: "inb-gate", href: page, target: "_blank", rel: "noopener noreferrer", title: GATES[gate], "aria-label": label }, words);
}

/**
 * @param {Row} one
 * @param {boolean} judging
 */
function fit({ fits }, judging) {
  const [text, meaning] = judging && !fits ? ["…", "Being worked out"] : (FITS[fits] ?? FITS[""]);
  return h("span", { class: "inb-fits", dataset: { fits: fits || "unknown" }, title: meaning }, text ?? "");
}

/** @param {string} text what stands smaller below something else */
function below(text) {
  return text && h("span", { class: "inb-below" }, text);
}

function unknown() {
  return h("span", { class: "inb-unknown", title: "Not known" }, "–");
}
