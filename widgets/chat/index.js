/**
 * ChatPanel's page: it shows the conversation that Python holds and sends what a person asks for. What it keeps for
 * itself is only what is open, typed or scrolled. It does not know how text is generated.
 */

import { listeners, painter } from "../shared/model.js";
import { followTheme } from "../shared/theme.js";
import { sides } from "./pair.js";
import { Panel } from "./panel.js";
import { Stream } from "./stream.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("../shared/model.js").WidgetModel} WidgetModel */

/**
 * @param {{ model: WidgetModel, el: HTMLElement }} props
 * @returns {() => void} undoes what was set up
 */
function render({ model, el }) {
  const { on, also, end } = listeners(model);
  const hello = () => void panel.send({ type: "hello" });
  /** @type {Map<string, Stream>} those of the messages in the making, by id */
  const streams = new Map();
  const live = (/** @type {string} */ id) => streams.get(id)?.live ?? null;
  const panel = new Panel((message) => model.send(message), (trait, value) => {
    model.set(trait, value);
    model.save_changes();
  });
  const messages = () => /** @type {Message[]} */ (model.get("messages") ?? []);
  const running = () => messages().filter((message) => sides(message).some(({ status }) => status === "running"));
  const busy = () => Boolean(model.get("running"));

  const showMessages = () => {
    if (running().length === 0 && !busy()) streams.clear();
    panel.showMessages(messages(), live, busy());
  };
  const paint = painter(() => {
    for (const message of running()) panel.paint(message, live);
  });

  on("msg:custom", (message) => {
    if (message.type === "delta" || message.type === "snapshot") {
      const stream = streams.get(message.id) ?? new Stream(hello);
      streams.set(message.id, stream);
      if (stream.take(message)) paint.ask();
    } else {
      panel.receive(message);
    }
  });
  on("change:messages", showMessages);
  on("change:running", showMessages);
  for (const trait of ["opens", "model", "loaded", "chosen", "two", "other_model", "other_sampling", "context", "problem", "fields", "sampling", "system", "switches", "when_full"]) {
    const update = () => panel.show(trait, model.get(trait));
    on(`change:${trait}`, update);
    update();
  }
  el.append(panel.el);
  also(followTheme(panel.el));
  also(() => paint.cancel());
  also(() => panel.end());
  showMessages();
  hello();
  return end;
}

export default { render };
