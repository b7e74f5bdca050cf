/** The shapes that Python and the page exchange: the traits of the results table. Messages are in `index.js`. */

/**
 * One model, in words ready to be shown; "" for what is not known.
 *
 * @typedef {object} Row
 * @property {string} id "owner/name"
 * @property {string} page the address of its page on the hub
 * @property {string} task
 * @property {string} library
 * @property {string} parameters
 * @property {string} size
 * @property {string} license
 * @property {"open" | "auto" | "manual"} gate
 * @property {string} downloads short, as 1.2M
 * @property {string} downloads_exact in all its digits
 * @property {string} likes
 * @property {string} likes_exact
 * @property {string} updated
 * @property {"yes" | "int8" | "nf4" | "no" | ""} fits
 */

/** @typedef {{ message: string, hint: string, retry: boolean }} Problem */

/**
 * @typedef {object} State
 * @property {Row[]} rows
 * @property {"idle" | "searching" | "paging" | "done"} status
 * @property {string} note what is said above the table
 * @property {Problem | null} problem
 * @property {number} more how many models the next page may have; 0 where there is none
 * @property {string} wanted the model whose download is being planned
 * @property {boolean} stale whether the rows answer an earlier question
 * @property {boolean} judging whether it is still being worked out what fits
 */

export {};
