/** Names that look like others: flagged for the page's author and never refused, since the hub keeps sources apart by name. */

/** What the eye takes for the same. */
const SAME = /** @type {const} */ ([[/rn/g, "m"], [/vv/g, "w"], [/[.\-_]/g, "_"], [/0/g, "o"], [/[1i]/g, "l"], [/5/g, "s"]]);

/**
 * @param {Array<{ name: string, title?: string, description: string }>} tools
 * @returns {Array<{ name: string, why: string }>}
 */
export function lookAlikes(tools) {
  /** @type {Map<string, string>} */
  const seen = new Map();
  const found = [];
  for (const { name, title = "", description } of tools) {
    const shape = SAME.reduce((text, [like, same]) => text.replace(like, same), name.toLowerCase());
    const other = seen.get(shape);
    if (other !== undefined) found.push({ name, why: `looks like \`${other}\`` });
    else seen.set(shape, name);
    const word = mixed(`${title} ${description}`);
    if (word !== undefined) found.push({ name, why: `has a word of two alphabets, \`${word}\`` });
  }
  return found;
}

/** @param {string} text */
function mixed(text) {
  return text.match(/\p{L}{4,}/gu)?.find((word) => /\p{Script=Latin}/u.test(word) && /\p{Script=Cyrillic}|\p{Script=Greek}/u.test(word));
}
