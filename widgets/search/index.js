/**
 * SearchPanel's results: it shows the rows that Python holds and sends what a person asks for of them. It does not
 * know how the hub is asked. Messages: {type: "plan", id}, {type: "more"}, {type: "retry"}.
 */

import { NO_KERNEL, listeners } from "../shared/model.js";
import { followTheme } from "../shared/theme.js";
import { Results } from "./results.js";

/** @typedef {import("../shared/model.js").WidgetModel} WidgetModel */
/** @typedef {import("./types.js").State} State */

const TRAITS = ["rows", "status", "note", "problem", "more", "wanted", "stale", "judging"];

/**
 * @param {{ model: WidgetModel, el: HTMLElement }} props
 * @returns {() => void} undoes what was set up
 */
function render({ model, el }) {
  const { on, also, end } = listeners(model);
  let lost = false;
  const results = new Results((message) => {
    try {
      model.send(message);
    } catch (error) {
      console.warn("SearchPanel:", error);
      lost = true;
      show();
    }
  });
  const show = () => {
    const state = /** @type {State} */ (Object.fromEntries(TRAITS.map((name) => [name, model.get(name)])));
    results.show(lost ? { ...state, problem: { ...NO_KERNEL, retry: false } } : state);
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
  for (const trait of TRAITS) on(`change:${trait}`, ask);
  show();
  el.append(results.el);
  also(followTheme(results.el));
  return end;
}

export default { render };
