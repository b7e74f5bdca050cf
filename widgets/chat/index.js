/**
 * ChatPanel's page: it shows the conversation that Python holds and sends what a person asks for. What it keeps for
 * itself is only what is open, typed or scrolled. It does not know how text is generated.
 */

import { listeners, painter } from "../shared/model.js";
import { followTheme } from "../shared/theme.js";
import { Stream } from "./stream.js";
import { Panel } from "./panel.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("../shared/model.js").WidgetModel} WidgetModel */

/**
 * @param {{ model: WidgetModel, el: HTMLElement }} props
 * @returns {() => void} undoes what was set up
 */
function render({ model, el }) {
  const { on, also, end } = listeners(model);
  const stream = new Stream(() => void panel.send({ type: "hello" }));
  const panel = new Panel((message) => model.send(message), (trait, value) => {
    model.set(trait, value);
    model.save_changes();
  });
  const messages = () => /** @type {Message[]} */ (model.get("messages") ?? []);
  const running = () => messages().find(({ status }) => status === "running");
  const busy = () => Boolean(model.get("running"));

  const showMessages = () => {
    if (stream.live && running()?.id !== stream.live.id && !busy()) stream.end();
    panel.showMessages(messages(), stream.live, busy());
  };
  const paint = painter(() => {
    const message = running();
    if (message && stream.live?.id === message.id) panel.paint(message, stream.live);
  });

  on("msg:custom", (message) => {
    if (message.type === "delta" || message.type === "snapshot") {
      if (stream.take(message)) paint.ask();
    } else {
      panel.receive(message);
    }
  });
  on("change:messages", showMessages);
  on("change:running", showMessages);
  for (const trait of ["model", "loaded", "chosen", "context", "problem", "fields", "sampling", "system", "switches", "when_full"]) {
    const update = () => panel.show(trait, model.get(trait));
    on(`change:${trait}`, update);
    update();
  }
  el.append(panel.el);
  also(followTheme(panel.el));
  also(() => paint.cancel());
  also(() => panel.end());
  showMessages();
  stream.hello();
  return end;
}

export default { render };
