/** What Python tells the page of an XrayPanel. */

/**
 * @typedef {object} Stage what one stage did to the choice that is shown
 * @property {string} name
 * @property {boolean} on
 * @property {number} kept
 * @property {number} cut
 * @property {number} mass
 * @property {number} before entropy in nats
 * @property {number} entropy
 */

/** @typedef {import("../shared/bars.js").Bar} Bar */

/**
 * @typedef {object} View
 * @property {number} index
 * @property {number} came the token of the text
 * @property {number} drawn the token that the settings of now choose
 * @property {boolean} greedy
 * @property {number} vocabulary
 * @property {Stage[]} stages
 * @property {Bar[]} bars
 * @property {{ kept: number, entropy: number, drawn: number, order: string[] } | null} pinned
 */

/**
 * @typedef {object} Flip a token that would come otherwise
 * @property {number} index
 * @property {string} now
 * @property {string} stage
 * @property {number | null} margin null where the token that came is cut
 * @property {string} words
 */

/**
 * @typedef {import("../shared/asking.js").Asked & Own} State
 *
 * @typedef {object} Own
 * @property {import("../shared/fields.js").Field[]} fields
 * @property {string[]} tokens
 * @property {number} where
 * @property {View | Record<string, never>} view
 * @property {Flip[]} flips
 * @property {boolean} judged
 * @property {Record<string, unknown>} sampling
 * @property {string[]} changed
 * @property {boolean} pinned
 * @property {number} earlier
 * @property {number} answered
 */

export {};
