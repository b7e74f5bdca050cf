/** What a saved map hands to its page: written by `influence_nb/embeddings/map_page.py`. */

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {"numbers" | "categories" | "words"} kind
 * @property {string} [values] of numbers: base64 of float32, NaN for missing
 * @property {string[]} [names] of the others: the different values
 * @property {string[]} [colours] of categories: one a name
 * @property {string} [codes] of the others: which name, base64 of float32
 */

/**
 * @typedef {object} Saved
 * @property {string} title
 * @property {{ words: string, warning: string } | null} trust
 * @property {string[]} axes
 * @property {string} points base64 of float32, x and y in turns, from -1 to 1
 * @property {string[]} texts
 * @property {number[]} rows their numbers in the map
 * @property {Column[]} columns
 * @property {string | null} color the column that colours the points at first
 */

export {};
