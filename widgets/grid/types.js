/** What Python tells the page of a GridPanel. */

/** @typedef {{ name: string, label: string, help: string, lines: boolean }} Choice what may be varied */
/** @typedef {{ name: string, text: string }} Axis what is varied, as it is typed */
/** @typedef {{ message: string, hint: string, field: string | null }} AxisProblem */
/** @typedef {{ done: number, total: number, words: string }} Progress */

/**
 * @typedef {object} Cell
 * @property {number} place
 * @property {[string, boolean][]} pieces its text, and whether the cell that is compared with has each piece too
 * @property {string} facts
 * @property {string} label
 * @property {Record<string, number | null>} measured
 */

/**
 * @typedef {object} Layout
 * @property {string[]} down the axes of the rows
 * @property {string[]} heads of the columns
 * @property {{ labels: string[], places: number[] }[]} rows
 */

/**
 * @typedef {import("../shared/asking.js").Asked & Own} State
 *
 * @typedef {object} Own
 * @property {Choice[]} choices
 * @property {Axis[]} axes
 * @property {{ words: string, problem: AxisProblem | null }} counted
 * @property {Progress | Record<string, never>} progress
 * @property {Layout | Record<string, never>} table
 * @property {Cell[]} cells
 * @property {string} across
 * @property {string[]} figures
 * @property {string} colour_by
 * @property {number} reference
 * @property {string[]} opens
 * @property {number} answered
 */

export {};
