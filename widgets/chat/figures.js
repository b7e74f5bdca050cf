/** Words for the numbers of a generation. */

/** @typedef {import("./types.js").Message} Message */
/** @typedef {{ tokens_per_second?: number | null, first_token?: number | null, tokens?: number }} Speed */

/**
 * @param {Speed} speed
 * @returns {string[]} such as "42.1 tok/s", "first token 0.18 s"
 */
export function speed({ tokens_per_second, first_token }) {
  const parts = [];
  if (tokens_per_second != null) parts.push(`${tokens_per_second.toFixed(tokens_per_second < 100 ? 1 : 0)} tok/s`);
  if (first_token != null) parts.push(`first token ${first_token.toFixed(2)} s`);
  return parts;
}

/** @param {number} count */
export function tokens(count) {
  return `${count} ${count === 1 ? "token" : "tokens"}`;
}

/**
 * @typedef {Pick<Message, "model" | "sampling" | "seed">} Made
 *
 * @param {Made} one
 * @param {Made} other
 * @returns {string} how `one` is made otherwise than `other`, such as "temperature 0.7"
 */
export function apart({ model, sampling, seed }, other) {
  const text = (/** @type {unknown} */ value) => JSON.stringify(value ?? null);
  const differs = Object.entries(sampling ?? {}).filter(([name, value]) => name !== "seed" && text(value) !== text(other.sampling?.[name]));
  const words = differs.map(([name, value]) => `${name.replaceAll("_", " ")} ${shown(value)}`);
  if (model !== other.model) words.unshift(String(model));
  return words.join(" · ") || (seed == null ? "any seed" : `seed ${seed}`);
}

/**
 * @param {Message} message an assistant's
 * @returns {string[]} what is worth saying below it
 */
export function summary({ model, stats, seed, status }) {
  const parts = model ? [model] : [];
  if (stats) {
    parts.push(...speed(stats), tokens(stats.tokens));
  }
  if (seed != null) parts.push(`seed ${seed}`);
  if (status === "cancelled") parts.push("stopped");
  if (status === "length") parts.push("ended at the token limit");
  return parts;
}

/**
 * @param {Message} message an assistant's
 * @returns {[string, unknown][]} what else is known of how it was made
 */
export function usage({ stats }) {
  if (!stats) return [];
  const { prompt_tokens, cached_tokens, finish_reason } = stats;
  return Object.entries({ prompt_tokens, cached_tokens, finish_reason }).filter(([, value]) => value != null);
}

/**
 * @param {unknown} value of a sampling parameter
 * @returns {string}
 */
export function shown(value) {
  if (value === null || value === undefined) return "off";
  if (Array.isArray(value) || typeof value === "object") {
    return Object.keys(value).length === 0 ? "none" : JSON.stringify(value);
  }
  return String(value);
}
