/** How a widget is shown: its traits are read together, painted once a change, and what it sends goes to Python. */

import { NO_KERNEL, listeners } from "./model.js";
import { Place } from "./place.js";
import { followTheme } from "./theme.js";

/** @typedef {import("./model.js").WidgetModel} WidgetModel */

/**
 * @template State
 * @typedef {object} Page what paints a widget
 * @property {HTMLElement} el
 * @property {(state: State) => void} show
 * @property {() => () => void} [opened] it is on the page now; gives what undoes what that began
 * @property {(message: any) => void} [told] takes what Python sends beside the state
 */

/**
 * The `render` that anywidget asks for.
 *
 * @template State
 * @param {string} name of the widget, for the browser's log
 * @param {readonly string[]} traits that make up the state
 * @param {(send: (message: Record<string, unknown>) => void) => Page<State>} make
 * @param {Record<string, unknown>} lost what changes in the state where a message cannot be sent, beside `problem`
 */
export function viewOf(name, traits, make, lost = {}) {
  /**
   * @param {{ model: WidgetModel, el: HTMLElement }} props
   * @returns {() => void} undoes what was set up
   */
  return ({ model, el }) => {
    const { on, also, end } = listeners(model);
    let alone = false;
    const page = make((message) => {
      try {
        model.send(message);
      } catch (error) {
        console.warn(`${name}:`, error);
        alone = true;
        show();
      }
    });
    const place = new Place(page.el);
    const show = () => {
      const state = Object.fromEntries(traits.map((trait) => [trait, model.get(trait)]));
      place.keep(() => page.show(/** @type {State} */ (alone ? { ...state, ...lost, problem: { ...NO_KERNEL } } : state)));
    };
    let asked = false;
    // One message changes several traits: show them once, but in time for the very next frame.
    const ask = () => {
      if (asked) return;
      asked = true;
      queueMicrotask(() => {
        asked = false;
        show();
      });
    };
    for (const trait of traits) on(`change:${trait}`, ask);
    show();
    el.append(page.el);
    also(followTheme(page.el));
    if (page.told) on("msg:custom", (message) => page.told?.(message));
    if (page.opened) also(page.opened());
    return end;
  };
}
