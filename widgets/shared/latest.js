/** Sends changes one at a time: while one waits for its answer, of those that come meanwhile only the newest is sent. */

export class Latest {
  /** @param {(message: Record<string, unknown>) => void} send */
  constructor(send) {
    this.send = send;
    this.number = 0;
    this.done = 0;
    /** @type {Record<string, unknown> | null} */
    this.waiting = null;
  }

  /** @param {Record<string, unknown>} message sent with a number, which the answer names */
  ask(message) {
    if (this.number > this.done) {
      this.waiting = merged(this.waiting, message, (first) => this.#sendNow(first));
      return;
    }
    this.#sendNow(message);
  }

  /** @param {number} number of the last message that was answered */
  answered(number) {
    this.done = Math.max(this.done, number);
    // A page that comes late begins after what others asked.
    this.number = Math.max(this.number, this.done);
    if (this.done >= this.number && this.waiting) {
      const next = this.waiting;
      this.waiting = null;
      this.#sendNow(next);
    }
  }

  /** @param {Record<string, unknown>} message */
  #sendNow(message) {
    this.number += 1;
    this.send({ ...message, number: this.number });
  }
}

/**
 * Two changes as one: of the same kind the newer values win, and others keep their turn.
 *
 * @param {Record<string, unknown> | null} before
 * @param {Record<string, unknown>} now
 * @param {(message: Record<string, unknown>) => void} send for what cannot be merged
 * @returns {Record<string, unknown>}
 */
function merged(before, now, send) {
  if (!before) return now;
  if (before["type"] !== now["type"]) {
    send(before);
    return now;
  }
  const values = { .../** @type {object} */ (before["values"] ?? {}), .../** @type {object} */ (now["values"] ?? {}) };
  return now["values"] ? { ...now, values } : now;
}
