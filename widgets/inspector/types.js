/** What Python tells the page of a TokenInspector. */

/**
 * @typedef {object} Figure one measure in words, "" where it is not known
 * @property {string} name
 * @property {string} raw
 * @property {string} sampled
 */

/** @typedef {import("../shared/bars.js").Choice & { text: string, figures: Figure[] }} View */

/** @typedef {"logprob" | "rank" | "entropy" | "margin"} Measure */

/**
 * @typedef {import("../shared/asking.js").Asked & {
 *   tokens: string[], given: number, levels: number[], legend: string[], measure: Measure, of: "raw" | "sampled",
 *   has_sampled: boolean, where: number, view: View | Record<string, never>, hint: View | Record<string, never>,
 *   branches: string[], branch: number, summary: string, note: string,
 *   progress: { done: number, total: number } | Record<string, never>, answered: number,
 * }} State
 */

export {};
