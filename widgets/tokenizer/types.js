/** What Python tells the page of a TokenizerExplorer. */

/**
 * @typedef {object} Token
 * @property {string} text with nothing invisible in it
 * @property {number} id
 * @property {string} piece as the vocabulary writes it
 * @property {string} bytes in hexadecimal
 * @property {number | null} start in characters; null for a token of the vocabulary
 * @property {number | null} end
 * @property {boolean} special
 * @property {string | null} role
 * @property {boolean} line whether a line ends with it
 * @property {number} [index] in the text
 * @property {boolean} [apart] whether the other tokenizer cuts differently here
 */

/**
 * @typedef {object} Cost what a language takes
 * @property {string} name
 * @property {number} tokens
 * @property {number} times those of English
 * @property {number} per_character
 * @property {number | null} per_word
 */

/**
 * @typedef {object} Side one tokenizer
 * @property {string} name
 * @property {number} size
 * @property {{ message: string, hint: string } | null} problem
 * @property {number} [count]
 * @property {Token[]} [tokens]
 * @property {number} [total]
 * @property {Token[]} [special]
 * @property {number} [special_total]
 * @property {Record<string, number>} [by_role]
 * @property {Cost[]} [costs]
 */

/**
 * @typedef {object} View
 * @property {Tab} tab
 * @property {Side[]} sides
 * @property {number} [characters]
 * @property {number} [start]
 * @property {number} [end]
 * @property {number | null} [differences]
 * @property {boolean} [asked]
 */

/** @typedef {"text" | "vocabulary" | "chat" | "languages"} Tab */
/** @typedef {{ role: string, content: string }} Message */

/**
 * @typedef {object} State
 * @property {string[]} names
 * @property {string[]} chosen
 * @property {Tab} tab
 * @property {string} text
 * @property {string} query
 * @property {string} kind
 * @property {Message[]} messages
 * @property {boolean} answering
 * @property {View | Record<string, never>} view
 * @property {"idle" | "running"} status
 * @property {number} answered
 * @property {{ message: string, hint: string, fetch: boolean } | null} problem
 */

/** @typedef {(values: Record<string, unknown>, soon?: boolean) => void} Set sends changes; `soon` when typing pauses */

export {};
