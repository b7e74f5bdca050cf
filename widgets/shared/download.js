/** Hands a text to the person as a file, and takes one. It does not know what is in it. */

import { h } from "./dom.js";

/**
 * @param {string} filename
 * @param {string} text
 * @param {string} [type]
 */
export function download(filename, text, type = "application/json") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/**
 * An input for a file that is shown by another control.
 *
 * @param {string} accept
 * @param {(text: string) => void} onload
 */
export function filePicker(accept, onload) {
  const input = h("input", {
    type: "file",
    accept,
    hidden: true,
    onchange: async () => {
      const text = await input.files?.[0]?.text();
      input.value = "";
      if (text !== undefined) onload(text);
    },
  });
  return input;
}
