/**
 * Builds DOM elements from plain descriptions. It knows nothing of any widget,
 * and it has no way to turn a string into markup: text is always text.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, unknown>} Props */

/**
 * Makes an element.
 *
 * A property named `onclick` with a function listens to clicks; `dataset` is an object; `value` and `checked`
 * are set as properties; true is an empty attribute; null, undefined and false leave the attribute out.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked") Object.assign(element, { [name]: value });
    else attribute(element, name, value);
  }
  element.append(...kept(children));
  return element;
}

/**
 * An id that no other element of the page has, whichever widget made it: each has its own copy of this module.
 *
 * @param {string} name what it is of
 * @returns {string}
 */
export function unique(name) {
  return `inb-${name}-${Math.random().toString(36).slice(2)}`;
}

/**
 * Sets an attribute, or removes it where the value is null, undefined or (but for aria-...) false.
 *
 * @param {Element} element
 * @param {string} name
 * @param {unknown} value
 */
export function attribute(element, name, value) {
  const off = value === false && !name.startsWith("aria-");
  if (value === null || value === undefined || off) element.removeAttribute(name);
  else element.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
}

/**
 * Replaces what an element holds.
 *
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...kept(children));
}

/**
 * Shows or hides an element.
 *
 * @param {HTMLElement} element
 * @param {unknown} visible
 */
export function show(element, visible) {
  element.hidden = !visible;
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function kept(children) {
  /** @type {(Node | string)[]} */
  const nodes = [];
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === "") continue;
    nodes.push(typeof child === "number" ? String(child) : child);
  }
  return nodes;
}
