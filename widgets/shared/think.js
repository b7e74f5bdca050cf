/**
 * Finds the thinking in a model's text: what stands between <think> and </think>, or <thinking> and </thinking>.
 * It does not know Markdown, except that a tag inside a fenced code block is code.
 */

/** @typedef {{ kind: "text" | "think", text: string, open: boolean }} Segment */

const TAGS = ["<think>", "</think>", "<thinking>", "</thinking>"];

/**
 * Splits a text, complete or not, into what is said and what is thought.
 *
 * A thought begins with a tag at the start of a line and ends at its closing tag; one that has not ended is open.
 * Some templates write the opening tag into the prompt: a closing tag on its own then ends a thought that began
 * with the text.
 *
 * @param {string} text
 * @returns {Segment[]} without empty parts of text
 */
export function segments(text) {
  /** @type {Segment[]} */
  const found = [];
  /** @param {"text" | "think"} kind @param {string} part @param {boolean} open */
  const add = (kind, part, open = false) => {
    const body = part.replace(/^\s*\n/, "").trimEnd();
    if (kind === "think" || body) found.push({ kind, text: body, open });
  };
  let start = 0;
  let fence = "";
  for (let at = 0; at < text.length; ) {
    const end = lineEnd(text, at);
    const line = text.slice(at, end);
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? "";
    const opening = fence ? null : /^[ \t]*<(think|thinking)>/i.exec(line);
    const closing = fence || found.length > 0 ? null : /<\/(?:think|thinking)>[ \t]*\n?$/i.exec(line);
    if (opening?.[1]) {
      add("text", text.slice(start, at));
      const from = at + opening[0].length;
      const close = indexOfClose(text, opening[1], from);
      add("think", text.slice(from, close.at), close.length === 0);
      start = at = close.at + close.length;
    } else if (closing) {
      add("think", text.slice(start, at + closing.index));
      start = at = end;
    } else {
      if (!fence) fence = mark;
      else if (mark.startsWith(fence) && line.trim() === mark) fence = "";
      at = end;
    }
  }
  add("text", text.slice(start));
  return found;
}

/**
 * Leaves out the beginning of a tag that is still being written.
 *
 * @param {string} text
 * @returns {string}
 */
export function withoutPartialTag(text) {
  const start = text.lastIndexOf("<");
  const tail = text.slice(start).toLowerCase();
  const partial = start >= 0 && TAGS.some((tag) => tag !== tail && tag.startsWith(tail));
  return partial ? text.slice(0, start) : text;
}

/**
 * @param {string} text
 * @param {number} from
 */
function lineEnd(text, from) {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end + 1;
}

/**
 * @param {string} text
 * @param {string} tag
 * @param {number} from
 * @returns {{ at: number, length: number }} length 0 where it is missing
 */
function indexOfClose(text, tag, from) {
  const close = `</${tag.toLowerCase()}>`;
  const at = text.toLowerCase().indexOf(close, from);
  return at < 0 ? { at: text.length, length: 0 } : { at, length: close.length };
}
