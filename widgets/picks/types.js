/** The shapes that Python and the page exchange: the traits of a table of things to pick. Messages are in `index.js`. */

/**
 * @typedef {object} State
 * @property {string} heading
 * @property {string[]} heads the columns' names
 * @property {string[][]} rows the cells' words
 * @property {boolean} pickable whether a row is picked by a click
 * @property {number[]} picked which rows are picked now
 * @property {string} more what is said below the table
 */

export {};
