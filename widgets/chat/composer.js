/** Where a person writes: Enter sends, Shift+Enter begins a line. It does not know what becomes of the text. */

import { h, show } from "../shared/dom.js";
import { Grower } from "../shared/grow.js";
import { icon } from "../shared/icons.js";

export class Composer {
  /**
   * @param {(text: string) => boolean} onsend whether the text was taken
   * @param {() => void} onstop
   */
  constructor(onsend, onstop) {
    this.onsend = onsend;
    this.running = false;
    this.ready = false;
    this.area = h("textarea", {
      rows: 1,
      "aria-label": "Message",
      oninput: () => this.#changed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.grower = new Grower(this.area, 180);
    this.send = h(
      "button",
      { type: "button", class: "inb-round inb-primary", "aria-label": "Send", title: "Send (Enter)", onclick: () => this.#send() },
      icon("send"),
    );
    this.stop = h(
      "button",
      { type: "button", class: "inb-round inb-stop", "aria-label": "Stop", title: "Stop (Escape)", onclick: onstop, hidden: true },
      icon("stop"),
    );
    this.el = h("div", { class: "inb-composer" }, this.area, this.send, this.stop);
    this.update(false, false);
    this.grower.begin();
  }

  /** Ends what outlives the elements. */
  end() {
    this.grower.end();
  }

  /**
   * @param {boolean} running
   * @param {boolean} ready whether there is a model to send to
   */
  update(running, ready) {
    const focused = document.activeElement;
    const moved = focused === this.send || focused === this.stop;
    this.running = running;
    this.ready = ready;
    this.area.placeholder = ready ? "Write a message" : "Load a model to begin";
    show(this.send, !running);
    show(this.stop, running);
    this.#changed();
    if (moved && running && focused === this.send) this.stop.focus();
    if (moved && !running && focused === this.stop) this.area.focus();
  }

  /** @param {string} text gives a text back that was not taken, unless another was begun */
  restore(text) {
    if (this.area.value) return;
    this.area.value = text;
    this.#changed();
  }

  #changed() {
    this.send.disabled = !this.ready || !this.area.value.trim();
    this.grower.fit();
  }

  #send() {
    const text = this.area.value;
    if (this.running || !this.ready || !text.trim() || !this.onsend(text)) return;
    this.area.value = "";
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, Enter chooses a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }
}
