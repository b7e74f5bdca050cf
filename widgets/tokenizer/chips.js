/** Tokens in a row, as chips or as a table: coloured in turns or by role, walked through by arrow keys. */

import { attribute, fill, h, show } from "../shared/dom.js";
import { walk } from "../shared/walk.js";

/** @typedef {import("./types.js").Token} Token */
/** @typedef {"text" | "ids" | "table"} Look */

/** Roles that have a colour; all others look like the template. */
const ROLES = ["system", "user", "assistant", "template"];
const ROWS = 500;

/** @param {Token} token @returns {string} all that is known of it, in words */
export function described(token) {
  const place = token.start === null ? "" : `, characters ${token.start}–${token.end}`;
  const number = token.index === undefined ? "" : `Token ${token.index}: `;
  const role = token.role ? `, ${token.role}` : token.special ? ", special" : "";
  return `${number}${token.text}  ·  id ${token.id}, bytes ${token.bytes || "none"}${place}, in the vocabulary as ${token.piece}${role}`;
}

export class Chips {
  /** @param {string} label for screen readers */
  constructor(label) {
    /** @type {Token[]} */
    this.tokens = [];
    /** @type {HTMLButtonElement[]} */
    this.chips = [];
    this.drawn = "";
    this.row = h("div", {
      class: "inb-tk-chips", role: "group", "aria-label": label,
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      onfocusin: (/** @type {Event} */ event) => this.#tell(event),
      onmouseover: (/** @type {Event} */ event) => this.#tell(event),
    });
    this.said = h("p", { class: "inb-tk-said", "aria-live": "polite" });
    this.table = h("div", { class: "inb-tk-table", role: "region", "aria-label": `${label}, as a table`, tabindex: "0" });
    this.el = h("div", {}, this.row, this.said, this.table);
  }

  /** @param {Token[]} tokens @param {Look} [look] */
  show(tokens, look = "text") {
    const drawn = look + JSON.stringify(tokens);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.tokens = tokens;
    show(this.row, look !== "table");
    show(this.said, look !== "table");
    show(this.table, look === "table");
    if (look === "table") fill(this.table, table(tokens));
    else this.#row(look);
  }

  /** @param {Look} look */
  #row(look) {
    const focused = this.chips.findIndex((chip) => chip === document.activeElement);
    this.chips = this.tokens.map((token, at) => {
      const role = token.role && ROLES.includes(token.role) ? token.role : token.role && token.start !== null ? "template" : null;
      return h("button", {
        type: "button", class: "inb-tk-chip", tabindex: at ? "-1" : "0", "aria-label": described(token),
        dataset: { at: String(at), tint: String((token.index ?? at) % 4), ...(role && { role }), ...(token.apart && { apart: "" }) },
      }, look === "ids" ? String(token.id) : token.text);
    });
    fill(this.row, ...this.chips.flatMap((chip, at) => (this.tokens[at]?.line ? [chip, h("br")] : [chip])));
    const again = this.chips[Math.min(focused, this.chips.length - 1)];
    if (again) again.focus();
    else this.said.textContent = this.chips.length ? "Point at a token, or go to it with the arrow keys, to read its id, bytes and place." : "";
  }

  /** @param {Event} event */
  #tell(event) {
    const token = event.target instanceof HTMLElement ? this.tokens[Number(event.target.dataset["at"] ?? -1)] : undefined;
    if (token) this.said.textContent = described(token);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const place = walk(event, this.chips);
    if (place >= 0) this.chips.forEach((chip, at) => attribute(chip, "tabindex", at === place ? "0" : "-1"));
  }
}

/** @param {Token[]} tokens */
export function table(tokens) {
  const places = tokens.some(({ start }) => start !== null);
  const pieces = tokens.some(({ piece, text }) => piece !== text);
  const kinds = tokens.some(({ role, special }) => role || special);
  const head = (/** @type {string} */ name, number = false) => h("th", { scope: "col", class: number ? "inb-tk-number" : null }, name);
  const code = (/** @type {string} */ text) => h("td", {}, h("code", {}, text));
  const rows = tokens.slice(0, ROWS).map((token) =>
    h("tr", { dataset: { id: String(token.id), ...(token.apart && { apart: "" }) } },
      h("th", { scope: "row" }, h("code", {}, token.text)), h("td", { class: "inb-tk-number" }, token.id), code(token.bytes), pieces && code(token.piece),
      places && h("td", { class: "inb-tk-number" }, `${token.start}–${token.end}`),
      kinds && h("td", {}, token.role ?? (token.special ? "special" : ""))));
  const left = tokens.length - rows.length;
  return h("div", {},
    h("table", {},
      h("thead", {}, h("tr", {}, head("Token"), head("Id", true), head("Bytes"), pieces && head("Piece"), places && head("Characters", true), kinds && head("Kind"))),
      h("tbody", {}, ...rows)),
    left > 0 && h("p", { class: "inb-hint" }, `${left.toLocaleString("en")} more are not drawn as a table.`));
}
