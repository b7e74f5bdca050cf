/** Prism's core under the name its language files expect; esbuild injects this module wherever they say Prism. */

// @ts-expect-error the types describe the whole package, not this file of it
import core from "prismjs/components/prism-core.js";

/** @type {typeof import("prismjs")} */
export const Prism = core;
