/** Copies text, on pages served without HTTPS too. It does not know what the text is. */

import { attribute, fill, h } from "./dom.js";
import { icon, iconButton } from "./icons.js";

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard interface is missing outside secure contexts: select the text and copy as a person would.
    const area = h("textarea", { value: text, class: "inb-offscreen", "aria-hidden": "true" });
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/**
 * A button that copies and says so for a moment.
 *
 * @param {string} label
 * @param {() => string} text
 * @returns {HTMLButtonElement}
 */
export function copyButton(label, text) {
  const button = iconButton("copy", label, async () => {
    const copied = await copyText(text());
    fill(button, icon(copied ? "done" : "alert"));
    attribute(button, "title", copied ? "Copied" : "The browser refused to copy");
    setTimeout(() => {
      fill(button, icon("copy"));
      attribute(button, "title", label);
    }, 1500);
  });
  return button;
}
