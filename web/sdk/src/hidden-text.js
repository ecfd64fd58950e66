/**
 * Text that a person who reviews a tool does not see, and a model does: controls, bidirectional overrides, zero-width and
 * tag characters. `vectors/hidden-text.json` has cases that the hub agrees on.
 */

/** Never shown, or changing the order of what is: nowhere. */
const HIDDEN = new RegExp(
  "[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u200e\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]",
  "u",
);
/** Joiners and variation selectors: one, after a visible character of a script or an emoji that uses them. */
const MISPLACED = new RegExp(
  "(?:^|[\\s\\u0000-\\u007f\\u200c\\u200d])[\\u200c\\u200d]" +
    "|(?:^|[^\\u0080-\\u{10ffff}#*0-9]|[\\s\\u200c\\u200d])[\\ufe00-\\ufe0f]" +
    "|[\\ufe00-\\ufe0f][\\u200c\\ufe00-\\ufe0f]",
  "u",
);

/**
 * Looks through all texts of a JSON value, names of members too.
 *
 * @param {unknown} value
 * @returns {string | null} The first hidden character, as `U+200B`; null if there is none.
 */
export function findHidden(value) {
  if (typeof value === "string") return inText(value);
  if (typeof value !== "object" || value === null) return null;
  for (const [name, member] of Object.entries(value)) {
    const found = inText(name) ?? findHidden(member);
    if (found !== null) return found;
  }
  return null;
}

/** @param {string} text */
function inText(text) {
  const [found] = HIDDEN.exec(text) ?? MISPLACED.exec(text) ?? [];
  if (found === undefined) return null;
  const code = found.codePointAt([...found].length > 1 ? found.length - 1 : 0) ?? 0;
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
