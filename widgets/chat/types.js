/** The shapes that Python and the page exchange: the traits of ChatPanel and the messages between the two. */

/**
 * @typedef {object} Stats
 * @property {number} [prompt_tokens]
 * @property {number} [cached_tokens]
 * @property {number} tokens
 * @property {number | null} [first_token] seconds
 * @property {number | null} [tokens_per_second]
 * @property {string | null} [finish_reason]
 */

/** @typedef {{ message: string, hint: string, field?: string | null }} Problem */

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {"user" | "assistant"} role
 * @property {string} content
 * @property {"done" | "running" | "cancelled" | "length" | "error"} status
 * @property {number} version 0-based among its siblings
 * @property {number} versions
 * @property {string | null} model
 * @property {Record<string, unknown> | null} sampling
 * @property {number | string | null} seed
 * @property {Stats | null} stats
 * @property {{ message: string, hint: string } | null} error
 * @property {Message | null} [beside] another answer to the same turn, left of it where that has the lower version
 * @property {[string, boolean][]} [pieces] its content, and what of it the answer beside it has too
 * @property {boolean} [kept] whether its tokens are there to be looked at
 */

/**
 * @typedef {object} Loaded
 * @property {string} name
 * @property {string} device
 * @property {string} dtype
 * @property {number | null} context_length
 */

/** @typedef {{ name: string, label: string, value: boolean }} Switch */

/**
 * What a message in the making has become so far.
 *
 * @typedef {object} Live
 * @property {string} id
 * @property {string} text
 * @property {number} tokens
 * @property {number | null} tokens_per_second
 * @property {number | null} first_token seconds
 */

/** @typedef {(id: string) => Live | null} Lives what has come of a message in the making */

/**
 * @typedef {object} Rendered
 * @property {string} template the text after the chat template
 * @property {{ id: number, text: string }[]} tokens
 * @property {number} truncated how many tokens are not shown
 * @property {string} note what is to be known of it, or nothing
 */

export {};
