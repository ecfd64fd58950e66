/** SHA-256 over canonical JSON. */

import { canonical } from "./canonical.js";

/**
 * @param {unknown} value A JSON value.
 * @returns {Promise<string>} `sha256:` and 64 hexadecimal digits.
 */
export async function digest(value) {
  const bytes = new TextEncoder().encode(canonical(value));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256:${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
