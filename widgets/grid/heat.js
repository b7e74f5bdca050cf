/** Figures as shares of the way from the least to the most. It does not know what they measure. */

/** Positive figures that lie so many times apart are compared by their logarithms. */
const WIDE = 50;

/**
 * @param {(number | null)[]} values null where one is not known
 * @returns {{ least: number, most: number, wide: boolean } | null} null for none
 */
export function span(values) {
  const known = /** @type {number[]} */ (values.filter((value) => value !== null));
  if (!known.length) return null;
  const least = Math.min(...known);
  const most = Math.max(...known);
  return { least, most, wide: least > 0 && most > WIDE * least };
}

/**
 * @param {(number | null)[]} values
 * @returns {(value: number | null) => number | null} from 0 for the least to 1 for the most; null for null
 */
export function heat(values) {
  const found = span(values);
  if (!found) return () => null;
  const turn = found.wide ? Math.log : (/** @type {number} */ value) => value;
  const from = turn(found.least);
  const wide = turn(found.most) - from;
  return (value) => (value === null ? null : wide ? (turn(value) - from) / wide : 0.5);
}

/** @param {number | null} value */
export function number(value) {
  if (value === null) return "–";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
