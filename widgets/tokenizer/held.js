/** Keeps a control from being overwritten by an older value of its own that comes back while a person types on. */

export class Held {
  /** @param {(value: any) => void} put writes a value into the control */
  constructor(put) {
    this.put = put;
    /** @type {string | undefined} */
    this.last = undefined;
  }

  /**
   * @template T
   * @param {T} value what the page sends
   * @returns {T}
   */
  sent(value) {
    this.last = JSON.stringify(value);
    return value;
  }

  /** @param {unknown} value what Python says @param {boolean} settled whether all that was typed is answered */
  show(value, settled) {
    const told = JSON.stringify(value);
    if (!settled || told === this.last) return;
    this.last = told;
    this.put(value);
  }
}
