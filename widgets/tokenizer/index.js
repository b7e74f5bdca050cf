/**
 * TokenizerExplorer's page: it shows tokens and sends what a person changes. It does not know how a text is cut.
 * Its one message: {type: "set", values, number}, values by the names of traits.
 */

import { NO_KERNEL, listeners } from "../shared/model.js";
import { followTheme } from "../shared/theme.js";
import { Panel } from "./panel.js";

/** @typedef {import("../shared/model.js").WidgetModel} WidgetModel */
/** @typedef {import("./types.js").State} State */

const TRAITS = ["names", "chosen", "tab", "text", "query", "kind", "messages", "answering", "view", "status", "answered", "problem"];

/**
 * @param {{ model: WidgetModel, el: HTMLElement }} props
 * @returns {() => void} undoes what was set up
 */
function render({ model, el }) {
  const { on, also, end } = listeners(model);
  let lost = false;
  const panel = new Panel((message) => {
    try {
      model.send(message);
    } catch (error) {
      console.warn("TokenizerExplorer:", error);
      lost = true;
      show();
    }
  });
  const show = () => {
    const state = /** @type {State} */ (Object.fromEntries(TRAITS.map((name) => [name, model.get(name)])));
    panel.show(lost ? { ...state, status: "idle", problem: { ...NO_KERNEL, fetch: false } } : state);
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
  el.append(panel.el);
  also(followTheme(panel.el));
  also(panel.whenSeen());
  return () => {
    panel.close();
    end();
  };
}

export default { render };
