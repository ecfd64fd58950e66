/** The methods of the proposal that browsers have dropped, for pages that still call them. */

/** @import { Shared } from "./share.js" */
/** @import { ContextInit } from "./provided.js" */

/**
 * Puts `provideContext`, `clearContext` and `unregisterTool` (for what `provideContext` registered) on the document's
 * `modelContext`, and that on `navigator`, where they are missing.
 *
 * @param {Document} document
 * @param {Navigator} navigator
 * @param {Shared} shared
 */
export function proposal(document, navigator, shared) {
  const context = /** @type {Document & { modelContext: object }} */ (document).modelContext;
  /** @type {Record<string, Function>} */
  const methods = {
    provideContext: (/** @type {ContextInit | undefined} */ given) => shared.provideContext(given),
    clearContext: () => void shared.provideContext(),
    unregisterTool: (/** @type {string} */ name) => shared.withdraw(String(name)),
  };
  for (const [name, value] of Object.entries(methods)) define(context, name, value);
  define(navigator, "modelContext", context);
}

/**
 * @param {object} object
 * @param {string} name
 * @param {unknown} value
 */
function define(object, name, value) {
  if (!(name in object)) Object.defineProperty(object, name, { value, configurable: true, writable: true });
}
