/** Going through a row of buttons by arrow keys. It does not know what they are. */

/**
 * @param {KeyboardEvent} event on one of the buttons; it is taken where there is somewhere to go
 * @param {HTMLElement[]} row
 * @param {boolean} [around] whether the last is before the first
 * @returns {number} the place of the button that has the focus now; -1 where nothing happened
 */
export function walk(event, row, around = false) {
  const at = row.findIndex((one) => one === event.target);
  const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: row.length - 1 };
  const wanted = steps[/** @type {keyof typeof steps} */ (event.key)];
  const place = wanted === undefined || at < 0 ? -1 : around ? (wanted + row.length) % row.length : wanted;
  const next = row[place];
  if (!next) return -1;
  event.preventDefault();
  event.stopPropagation();
  next.focus();
  return place;
}
