/**
 * Bundles every widget: widgets/<name>/index.js and <name>.css, where it has one, become
 * influence_nb/widgets/static/<name>.{js,css}.
 * A page, which is written into a file of its own, becomes a plain script in the static folder of what writes it.
 * With --fresh nothing is written there: it fails when a committed bundle differs from what the sources give.
 */

import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const committed = join(here, "..", "influence_nb", "widgets", "static");
/** @type {Record<string, string>} the pages, and the folder of what writes each */
const PAGES = { map_page: join(here, "..", "influence_nb", "embeddings", "static") };
/** Bytes for everything of one widget: it travels in the state of each instance. */
const LIMIT = 150_000;

/** @returns {Promise<string[]>} the widgets' names: the folders that have an index.js */
async function widgets() {
  const entries = await readdir(here, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && existsSync(join(here, entry.name, "index.js")))
    .map((entry) => entry.name)
    .sort();
}

/**
 * @param {string} name
 * @returns {string[]} the files it is bundled to: what has no view has no style
 */
function files(name) {
  return [`${name}.js`, `${name}.css`].filter((file) => file.endsWith(".js") || existsSync(join(here, name, file)));
}

/** What the licences of the bundled libraries ask for. */
const NOTICE = "/*! Includes marked (MIT, (c) MarkedJS) and Prism (MIT, (c) Lea Verou) */";

/**
 * Leaves out the half of marked that writes HTML: no widget does, and it is a twelfth of what one may weigh. Without
 * the statements that set that half up, esbuild sees that nothing asks for it.
 *
 * @type {import("esbuild").Plugin}
 */
const ONLY_THE_READER = {
  name: "only the reader",
  setup({ onLoad }) {
    onLoad({ filter: /marked\.esm\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const [writer, reader] = ["Marked", "Lexer"].map((name) => new RegExp(`(\\w+) as ${name}\\b`).exec(text)?.[1]);
      const end = text.search(new RegExp(`var \\w+=new ${writer};`));
      if (end < 0) throw new Error("marked is another one: where does the half end that reads Markdown?");
      return { contents: `${text.slice(0, end)}export{${reader} as Lexer};` };
    });
  },
};

/** @type {import("esbuild").BuildOptions} what a widget needs that includes them */
const LIBRARIES = {
  banner: { js: NOTICE },
  // Prism's language files speak of a global Prism: hand them ours.
  inject: ["shared/prism.js"],
  // Where Prism finds a page, it highlights all of that page: let it find none.
  define: { window: "undefined", WorkerGlobalScope: "undefined" },
};

/**
 * @param {string} name
 * @param {string} folder
 */
async function bundle(name, folder) {
  /** @type {import("esbuild").BuildOptions} */
  const options = {
    absWorkingDir: here,
    bundle: true,
    minify: true,
    charset: "utf8",
    target: "es2022",
    logLevel: "warning",
    legalComments: "none",
    plugins: [ONLY_THE_READER],
  };
  /** @type {import("esbuild").BuildOptions} */
  const script = { ...options, entryPoints: [`${name}/index.js`], outfile: join(folder, `${name}.js`), format: name in PAGES ? "iife" : "esm" };
  const { metafile } = await build({ ...script, write: false, metafile: true });
  const libraries = Object.keys(metafile.inputs).some((file) => file.includes("node_modules/"));
  await build({ ...script, ...(libraries && LIBRARIES) });
  const style = `${name}.css`;
  if (files(name).includes(style)) await build({ ...options, entryPoints: [`${name}/${style}`], outfile: join(folder, style) });
}

/**
 * @param {string} name
 * @param {string} folder
 */
async function report(name, folder) {
  const sizes = await Promise.all(files(name).map(async (file) => (await readFile(join(folder, file))).length));
  const [js = 0, css = 0] = sizes;
  console.log(`${name}: ${js} bytes of JavaScript + ${css} bytes of CSS = ${js + css} (limit ${LIMIT})`);
  if (js + css > LIMIT) throw new Error(`${name} is over the limit of ${LIMIT} bytes`);
}

/**
 * @param {string} name
 * @param {string} folder
 * @returns {Promise<string[]>} the committed files that differ
 */
async function stale(name, folder) {
  const differ = [];
  for (const file of files(name)) {
    const old = join(PAGES[name] ?? committed, file);
    const same = existsSync(old) && (await readFile(old)).equals(await readFile(join(folder, file)));
    if (!same) differ.push(relative(join(here, ".."), old));
  }
  return differ;
}

const fresh = process.argv.includes("--fresh");
const folder = fresh ? await mkdtemp(join(tmpdir(), "widgets-")) : committed;
try {
  const differ = [];
  for (const name of await widgets()) {
    const place = fresh ? folder : (PAGES[name] ?? folder);
    await bundle(name, place);
    await report(name, place);
    if (fresh) differ.push(...(await stale(name, place)));
  }
  if (differ.length > 0) {
    console.error(`Stale: ${differ.join(", ")}. Run "npm run build" in widgets/ and commit what it writes.`);
    process.exitCode = 1;
  }
} finally {
  if (fresh) await rm(folder, { recursive: true });
}
