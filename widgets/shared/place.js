/**
 * The keyboard's place in a panel. Who presses a button that goes away meanwhile has the way to stop, or what is
 * nearest; and the button again as soon as it is back. It does not know what is painted.
 */

const CONTROLS = "button, input, select, textarea, [tabindex]";

export class Place {
  /** @param {HTMLElement} el all that is painted */
  constructor(el) {
    this.el = el;
    /** What had the focus and is gone, and what has it in its stead. @type {HTMLElement | null} */
    this.left = null;
    /** @type {HTMLElement | undefined} */
    this.instead = undefined;
  }

  /** @param {() => void} paint after which the focus is on something that can be used, if it was in the panel */
  keep(paint) {
    const { activeElement: focused } = document;
    const within = focused instanceof HTMLElement && this.el.contains(focused) ? focused : null;
    const around = within ? this.#around(within) : [];
    paint();
    if (!within) return;
    if (within !== this.instead) this.left = null;
    if (this.left && this.#usable(this.left)) {
      this.left.focus();
      this.left = null;
    } else if (!this.#usable(document.activeElement)) {
      this.left ??= within;
      this.instead = this.#near(within, around);
      this.instead?.focus({ preventScroll: true });
    }
  }

  /** @param {Element} one @returns {Element[]} what holds it, the smallest first */
  #around(one) {
    const parent = one === this.el ? null : one.parentElement;
    return parent ? [parent, ...this.#around(parent)] : [];
  }

  /** @param {Element | null} one */
  #usable(one) {
    return one instanceof HTMLElement && this.el.contains(one) && !one.closest("[hidden], :disabled");
  }

  /** @param {Element} gone @param {Element[]} around */
  #near(gone, around) {
    const controls = /** @type {HTMLElement[]} */ ([...this.el.querySelectorAll(CONTROLS)]).filter((one) => this.#usable(one) && one.tabIndex >= 0);
    const stop = controls.find((one) => one.dataset["act"] === "stop");
    if (stop) return stop;
    const beside = around.map((one) => controls.filter((control) => one.contains(control))).find((some) => some.length) ?? controls;
    return beside.find((one) => gone.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) ?? beside.at(-1);
  }
}
