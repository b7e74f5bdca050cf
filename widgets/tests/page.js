/** A document for tests that run without a browser. Import it before anything that makes elements. */

import { Window } from "happy-dom";

const page = new Window({ url: "http://localhost/" });
const names = [
  "document", "HTMLElement", "HTMLButtonElement", "HTMLInputElement", "Element", "Node", "MutationObserver", "ResizeObserver",
  "getComputedStyle", "matchMedia", "requestAnimationFrame", "cancelAnimationFrame", "KeyboardEvent", "Event",
];
for (const name of names) {
  const value = Reflect.get(page, name);
  const bound = typeof value === "function" && /^[a-z]/.test(name) ? value.bind(page) : value;
  Object.defineProperty(globalThis, name, { value: bound, configurable: true, writable: true });
}

/** @returns {Promise<void>} when the next animation frame has been painted */
export function frame() {
  return new Promise((resolve) => requestAnimationFrame(() => resolve()));
}

/**
 * Repeatable random numbers (mulberry32).
 *
 * @param {number} seed
 * @returns {() => number} in [0, 1)
 */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
