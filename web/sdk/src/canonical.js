/** Canonical JSON (RFC 8785). `vectors/canonical.json` has cases that Rust agrees on. */

/**
 * Writes a JSON value in its one canonical form. Members that are `undefined` count as absent.
 *
 * @param {unknown} value
 * @returns {string}
 * @throws {TypeError} Not a JSON value: not finite, a lone surrogate, a function.
 */
export function canonical(value) {
  switch (typeof value) {
    case "boolean":
      return String(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError("a number is not finite");
      return JSON.stringify(value);
    case "string":
      return text(value);
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? `[${value.map(canonical).join(",")}]` : members(value);
    default:
      throw new TypeError(`a ${typeof value} is not JSON`);
  }
}

/** @param {object} value */
function members(value) {
  const object = /** @type {Record<string, unknown>} */ (value);
  const names = Object.keys(object).filter((name) => object[name] !== undefined);
  // The order of `sort` without an argument is that of RFC 8785: by UTF-16 code units.
  return `{${names.sort().map((name) => `${text(name)}:${canonical(object[name])}`).join(",")}}`;
}

/** @param {string} value */
function text(value) {
  if (!value.isWellFormed()) throw new TypeError("a text has a lone surrogate");
  return JSON.stringify(value);
}
