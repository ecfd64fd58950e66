/** How large and how deep a JSON text is; the hub refuses a whole frame for what is too much of either. */

/** Deeper than this the hub's parser might refuse the frame (it stops at 128, and the frame itself takes some). */
export const DEPTH = 100;

/**
 * Bytes of a text in UTF-8.
 *
 * @param {string} text
 */
export function byteLength(text) {
  return new TextEncoder().encode(text).length;
}

/**
 * Whether arrays and objects in a JSON text are nested deeper than {@link DEPTH}.
 *
 * @param {string} json
 */
export function isTooDeep(json) {
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const character = json.charCodeAt(at);
    if (character === 0x22) at = endOfString(json, at);
    else if (character === 0x5b || character === 0x7b) depth += 1;
    else if (character === 0x5d || character === 0x7d) depth -= 1;
    if (depth > DEPTH) return true;
  }
  return false;
}

/**
 * @param {string} json
 * @param {number} start Where the opening quote is.
 */
function endOfString(json, start) {
  let at = start + 1;
  while (at < json.length && json.charCodeAt(at) !== 0x22) at += json.charCodeAt(at) === 0x5c ? 2 : 1;
  return at;
}
