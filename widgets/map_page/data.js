/** A saved map as the page works with it: places, looks by column, and words by row. It draws nothing. */

/** @typedef {import("./types.js").Saved} Saved */
/** @typedef {import("./types.js").Column} Column */

/** Colours of a scale from its low end to its high one, and what is drawn where there is no number. */
const SCALE = ["#440154", "#443983", "#31688e", "#21918c", "#35b779", "#90d743", "#fde725"];
export const GREY = "#808790";
export const PLAIN = "#3b82f6";

/**
 * @param {string} text base64 of float32, little end first
 * @returns {Float32Array}
 */
export function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/**
 * @typedef {object} Look
 * @property {string[]} tones the colours in use
 * @property {Uint16Array} codes which of them each row has
 * @property {{ name: string, tone: string }[]} legend its categories; [] where there is a scale or nothing
 * @property {{ low: number, high: number } | null} range of a scale
 */

/**
 * How a column colours the rows.
 *
 * @param {Column | undefined} column none for one colour
 * @param {number} count of rows
 * @returns {Look}
 */
export function look(column, count) {
  const codes = new Uint16Array(count);
  if (!column || column.kind === "words") return { tones: [PLAIN], codes, legend: [], range: null };
  if (column.kind === "categories") {
    const [found, names] = [unpacked(column.codes ?? ""), column.names ?? []];
    const tones = column.colours ?? [];
    codes.set(found);
    return { tones, codes, legend: names.map((name, at) => ({ name, tone: tones[at] ?? GREY })), range: null };
  }
  const values = unpacked(column.values ?? "");
  const known = values.filter((one) => !Number.isNaN(one));
  const [low, high] = known.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity]);
  if (!known.length) return { tones: [GREY], codes, legend: [], range: null };
  const steps = 64;
  const tones = [...Array.from({ length: steps }, (_, at) => mixed(at / (steps - 1))), GREY];
  values.forEach((one, at) => {
    codes[at] = Number.isNaN(one) ? steps : Math.round(((one - low) / (high - low || 1)) * (steps - 1));
  });
  return { tones, codes, legend: [], range: { low, high } };
}

/** @param {number} share from 0 to 1 @returns {string} the colour there on the scale */
export function mixed(share) {
  const place = share * (SCALE.length - 1);
  const at = Math.min(Math.floor(place), SCALE.length - 2);
  const part = (/** @type {number} */ from) => [SCALE[at], SCALE[at + 1]].map((one) => parseInt((one ?? GREY).slice(from, from + 2), 16));
  const parts = [1, 3, 5].map((from) => {
    const [low = 0, high = 0] = part(from);
    return Math.round(low + (high - low) * (place - at));
  });
  return `rgb(${parts.join(" ")})`;
}

/**
 * What is said of a row beside its text.
 *
 * @param {Column[]} columns
 * @returns {(row: number) => string[]} "name: value", one a column
 */
export function words(columns) {
  const values = columns.map((column) => unpacked(column.values ?? column.codes ?? ""));
  return (row) =>
    columns.map((column, at) => {
      const value = values[at]?.[row] ?? NaN;
      const said = column.kind === "numbers" ? (Number.isNaN(value) ? "(missing)" : String(+value.toPrecision(6))) : (column.names?.[value] ?? "");
      return `${column.name}: ${said}`;
    });
}
