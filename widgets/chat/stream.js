/**
 * Puts the text of a running message together from deltas and snapshots. It does not know how the text is shown.
 *
 * Positions count characters as Python does: code points, not UTF-16 units.
 */

/** @typedef {import("./types.js").Live} Live */
/** @typedef {Live & { type: "delta", at: number } | Live & { type: "snapshot" }} Update */

/** How long to wait for an asked-for snapshot before asking again, in milliseconds. */
const PATIENCE = 1000;

export class Stream {
  /**
   * @param {() => void} hello asks for a snapshot
   * @param {() => number} [now] milliseconds
   */
  constructor(hello, now = () => performance.now()) {
    this.hello = hello;
    this.now = now;
    /** @type {Live | null} */
    this.live = null;
    this.length = 0;
    this.asked = -Infinity;
  }

  /**
   * @param {Update} update
   * @returns {boolean} whether the text or its figures changed
   */
  take(update) {
    return update.type === "snapshot" ? this.#replace(update) : this.#append(update);
  }

  /** Forgets the text: its message is finished. */
  end() {
    this.live = null;
    this.length = 0;
    this.asked = -Infinity;
  }

  /** @param {Update} update */
  #replace(update) {
    this.live = figures(update, update.text);
    this.length = points(update.text);
    this.asked = -Infinity;
    return true;
  }

  /** @param {Live & { at: number }} delta */
  #append(delta) {
    const known = this.live?.id === delta.id;
    const length = known ? this.length : 0;
    const size = points(delta.text);
    if (known && delta.at + size <= length && size > 0) return false; // a snapshot already held it
    if (delta.at !== length) {
      this.#ask();
      return false;
    }
    this.live = figures(delta, known ? this.live?.text + delta.text : delta.text);
    this.length = length + size;
    return true;
  }

  #ask() {
    if (this.now() - this.asked < PATIENCE) return;
    this.asked = this.now();
    this.hello();
  }
}

/**
 * @param {Live} update
 * @param {string} text
 * @returns {Live}
 */
function figures({ id, tokens, tokens_per_second, first_token }, text) {
  return { id, text, tokens, tokens_per_second, first_token };
}

/**
 * @param {string} text
 * @returns {number} its length in code points
 */
export function points(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}
