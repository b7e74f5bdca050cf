/** Line icons drawn on a 16 by 16 grid in the colour of the text around them. */

import { h } from "./dom.js";

const PATHS = {
  send: "M8 13V3.5M3.8 7.6 8 3.4l4.2 4.2",
  stop: "M4.5 4.5h7v7h-7z",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13.2 2.2v2.9h-2.9",
  edit: "M10.4 3.2l2.4 2.4-7 7-3 .6.6-3zM9 4.6 11.4 7",
  copy: "M6 6h7v7.5H6zM10 6V2.5H3V10h3",
  done: "M3 8.5l3.3 3.3L13 4.8",
  earlier: "M9.8 3.5 5.3 8l4.5 4.5",
  later: "M6.2 3.5 10.7 8l-4.5 4.5",
  clear: "M3 4.5h10M6.2 4.5V3h3.6v1.5M4.2 4.5l.6 8.7h6.4l.6-8.7M6.8 7v3.8M9.2 7v3.8",
  save: "M8 2.5v7.6M4.8 7 8 10.2 11.2 7M3 13.3h10",
  load: "M8 10.3V2.7M4.8 5.8 8 2.6l3.2 3.2M3 13.3h10",
  settings: "M2.5 5h5M11.5 5h2M2.5 11h2M8.5 11h5M9.5 3.2v3.6M6.5 9.2v3.6",
  two: "M2.5 3.5h4.3v9H2.5zM9.2 3.5h4.3v9H9.2z",
  look: "M1.5 8S4 3.7 8 3.7 14.5 8 14.5 8 12 12.3 8 12.3 1.5 8 1.5 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  grip: "M6 3.5v.1M10 3.5v.1M6 8v.1M10 8v.1M6 12.5v.1M10 12.5v.1",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M8 3v9.5M3.8 8.4 8 12.6l4.2-4.2",
  alert: "M8 2.6 14 13H2zM8 6.6v3.2M8 11.2v.4",
};

/** @typedef {keyof typeof PATHS} IconName */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {IconName} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", class: "inb-icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button that shows an icon and is named in words.
 *
 * @param {IconName} name
 * @param {string} label its accessible name, also shown as a tooltip
 * @param {(event: Event) => void} onclick
 * @param {import("./dom.js").Props} [props]
 * @returns {HTMLButtonElement}
 */
export function iconButton(name, label, onclick, props = {}) {
  const attributes = { type: "button", class: "inb-icon-button", "aria-label": label, title: label };
  return h("button", { ...attributes, onclick, ...props }, icon(name));
}
