/** A tool as the hub knows it, and the hash that pins it (P26). `vectors/definition.json` holds Rust to the same. */

import { digest } from "./digest.js";

/**
 * @typedef {object} Definition
 * @property {string} name
 * @property {string} [title]
 * @property {string} description
 * @property {unknown} [inputSchema]
 * @property {unknown} [outputSchema]
 * @property {Record<string, true>} [annotations]
 * @property {"imperative" | "form"} kind
 */

/**
 * What a browser tells of a tool, with what it drops but the SDK saw when the tool was registered.
 *
 * Only hints that are true are kept: browsers add a `false` for each hint that they know, and each build knows others,
 * so the hash would depend on the build.
 *
 * @param {{ name: string, title?: string, description: string, inputSchema?: object, annotations?: object }} listed
 * @param {{ outputSchema?: unknown, hints: object } | undefined} record
 * @param {"imperative" | "form"} kind
 * @returns {Definition}
 */
export function definitionOf(listed, record, kind) {
  // A hint counts if the page gave it to either: where a browser lost one, the risk that it told of is still there (P28).
  const hints = [...Object.entries(record?.hints ?? {}), ...Object.entries(listed.annotations ?? {})].filter(([, value]) => value === true);
  return {
    name: listed.name,
    ...(listed.title ? { title: listed.title } : {}),
    description: listed.description,
    ...(listed.inputSchema === undefined ? {} : { inputSchema: listed.inputSchema }),
    ...(record?.outputSchema === undefined ? {} : { outputSchema: record.outputSchema }),
    ...(hints.length === 0 ? {} : { annotations: Object.fromEntries(hints) }),
    kind,
  };
}

/**
 * @param {string} origin
 * @param {Definition} definition
 * @returns {Promise<string>}
 */
export function hashDefinition(origin, definition) {
  return digest({ ...definition, origin });
}

/**
 * The hash of a whole set, by which the hub knows whether it has it already (P9).
 *
 * @param {string[]} hashes
 * @returns {Promise<string>}
 */
export function hashTools(hashes) {
  return digest([...hashes].sort());
}
