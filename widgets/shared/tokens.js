/** A token's text with nothing invisible in it. It does not know where the text comes from. */

/** @type {Record<string, string>} */
const MARKS = { " ": "·", "\n": "↵", "\t": "⇥", "\r": "␍", "\u00a0": "⍽" };

/**
 * @param {string} text
 * @returns {string} with spaces, line ends and control characters as signs
 */
export function shown(text) {
  if (text === "") return "∅";
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Z}]/gu, (one) => MARKS[one] ?? `⟨${(one.codePointAt(0) ?? 0).toString(16)}⟩`);
}

/**
 * @param {number} share of one
 * @returns {string} such as "45.1%", and "<0.1%" rather than a nought that is none
 */
export function percent(share) {
  if (share > 0 && share < 0.001) return "<0.1%";
  return `${(100 * share).toFixed(1)}%`;
}
