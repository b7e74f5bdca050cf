/** What Python tells the page of a TokenTreeView. */

/**
 * @typedef {object} Node
 * @property {number[]} ids of its branch; empty for the root
 * @property {string} text
 * @property {number} probability of the token after those before it, the model's own
 * @property {number} branch of the whole branch
 * @property {boolean} end whether it ends a text
 * @property {boolean} open whether what follows was looked at
 * @property {number} rest the mass after it that is not shown
 * @property {number} children how many nodes stand directly below it
 */

/**
 * @typedef {import("../shared/asking.js").Asked & {
 *   width: number, nodes: Node[], chosen: number[], text: string, share: number, adopts: boolean, adopted: string,
 *   progress: { done: number, total: number } | Record<string, never>, answered: number,
 * }} State
 */

export {};
