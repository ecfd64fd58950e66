/** The manifest of a page: its tools with their hashes, for `/.well-known/deputy-tools.json` (docs/reference/manifest.md). */

import { findHidden } from "./hidden-text.js";
import { DeputyError } from "./error.js";

/** @import { Definition } from "./definition.js" */
/** @import { Tools } from "./tools.js" */

/** @typedef {{ v: 1, origin: string, tools: Array<Definition & { hash: string }> }} Manifest */

/**
 * What this document has registered now, sorted by name.
 *
 * @param {Tools} tools
 * @param {string} origin
 * @returns {Promise<Manifest>}
 * @throws {DeputyError} `tool_refused`: a tool that the hub would never take.
 */
export async function manifestOf(tools, origin) {
  const all = await tools.list();
  for (const { definition, hash } of all) {
    const hidden = hash === "" ? "no Unicode" : findHidden(definition);
    if (hidden !== null) throw new DeputyError("tool_refused", `the tool \`${definition.name}\` has hidden text: ${hidden}`);
  }
  const sorted = all.sort((one, other) => (one.definition.name < other.definition.name ? -1 : 1));
  return { v: 1, origin, tools: sorted.map(({ definition, hash }) => ({ ...definition, hash })) };
}
