/** What the page uses of a widget's model, and how it listens. It does not know any particular widget. */

/**
 * @typedef {object} WidgetModel
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(event: string, callback: (...args: any[]) => void) => void} on
 * @property {(event: string, callback: (...args: any[]) => void) => void} off
 * @property {(content: unknown) => void} send
 */

/** What is to be said where `send` raises: a widget does not outlive its kernel. */
export const NO_KERNEL = {
  message: "This panel has lost its kernel, which was restarted or shut down. Nothing was sent.",
  hint: "Run the cell again.",
};

/**
 * Collects listeners so that one call ends them all.
 *
 * @param {WidgetModel} model
 */
export function listeners(model) {
  /** @type {(() => void)[]} */
  const ends = [];
  return {
    /**
     * @param {string} event
     * @param {(...args: any[]) => void} callback
     */
    on(event, callback) {
      model.on(event, callback);
      ends.push(() => model.off(event, callback));
    },
    /** @param {() => void} end something else to undo */
    also(end) {
      ends.push(end);
    },
    end() {
      for (const end of ends.splice(0)) end();
    },
  };
}

/**
 * Runs `paint` once in the next animation frame however often it is asked for.
 *
 * @param {() => void} paint
 */
export function painter(paint) {
  let frame = 0;
  return {
    ask() {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        paint();
      });
    },
    cancel() {
      cancelAnimationFrame(frame);
      frame = 0;
    },
  };
}
