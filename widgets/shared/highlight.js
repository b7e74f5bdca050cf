/** Colours source code: Prism splits it into tokens, and each becomes a span. It does not know where the code stands. */

import { Prism } from "./prism.js";
import "prismjs/components/prism-markup.js";
import "prismjs/components/prism-css.js";
import "prismjs/components/prism-clike.js";
import "prismjs/components/prism-javascript.js";
import "prismjs/components/prism-typescript.js";
import "prismjs/components/prism-python.js";
import "prismjs/components/prism-bash.js";
import "prismjs/components/prism-json.js";
import "prismjs/components/prism-sql.js";
import "prismjs/components/prism-rust.js";
import "prismjs/components/prism-c.js";
import "prismjs/components/prism-cpp.js";
import "prismjs/components/prism-java.js";
import "prismjs/components/prism-go.js";
import "prismjs/components/prism-yaml.js";
import { h } from "./dom.js";

/** Names people and models write that Prism does not know. @type {Record<string, string>} */
const ALIASES = {
  "c++": "cpp", cc: "cpp", h: "c", hpp: "cpp", console: "bash", zsh: "bash", golang: "go", jsonc: "json",
  jsx: "javascript", mjs: "javascript", node: "javascript", py3: "python", python3: "python", ipython: "python",
  rs: "rust", tsx: "typescript", postgresql: "sql", sqlite: "sql", mysql: "sql",
};

/** Longer code is shown plain: colouring it again at each repaint would cost more than it gives. */
const LONGEST = 40_000;

/**
 * @param {string} code
 * @param {string} language the word after the fence, in any case
 * @returns {(Node | string)[]}
 */
export function highlight(code, language) {
  const name = language.toLowerCase();
  const grammar = Prism.languages[ALIASES[name] ?? name];
  if (!grammar || typeof grammar === "function" || code.length > LONGEST) return [code];
  return Prism.tokenize(code, grammar).map(node);
}

/**
 * @param {string | Prism.Token} token
 * @returns {Node | string}
 */
function node(token) {
  if (typeof token === "string") return token;
  const children = Array.isArray(token.content) ? token.content.map(node) : [node(token.content)];
  return h("span", { class: `inb-tok-${token.type}` }, ...children);
}
