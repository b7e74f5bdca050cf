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

/**
 * @param {Message} message an assistant's
 * @returns {string[]} what is worth saying below it
 */
export function summary({ model, stats, seed, status }) {
  const parts = model ? [model] : [];
  if (stats) {
    parts.push(...speed(stats));
    parts.push(`${stats.tokens} ${stats.tokens === 1 ? "token" : "tokens"}`);
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
