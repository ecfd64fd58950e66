/** What a tool answered, as the protocol writes it. */

import { DeputyError } from "./error.js";
import { isTooDeep } from "./size.js";

/**
 * The body of a `result` frame, as JSON text: taken down at once, so that what the page does to the object afterwards
 * changes nothing.
 *
 * @param {unknown} value
 * @returns {string}
 * @throws {DeputyError} `tool_failed`: it is no JSON. `too_large`: it is nested too deep.
 */
export function resultBody(value) {
  const text = JSON.stringify({ result: resultOf(plain(value)) });
  if (isTooDeep(text)) throw new DeputyError("too_large", "the result is nested too deep");
  return text;
}

/** @param {unknown} value */
function plain(value) {
  if (typeof value === "string") return value;
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new DeputyError("tool_failed", `the result is not JSON: ${messageOf(error)}`, error);
  }
  return text === undefined ? null : JSON.parse(text);
}

/** @param {any} value */
function resultOf(value) {
  if (typeof value === "string") return { kind: "text", text: value };
  if (!isToolResult(value)) return { kind: "json", value };
  const { content, structuredContent, isError } = value;
  return {
    kind: "content",
    content,
    ...(structuredContent === undefined ? {} : { structuredContent }),
    ...(isError === true ? { isError } : {}),
  };
}

/**
 * Whether it has the shape of an MCP tool result.
 *
 * @param {any} value
 */
function isToolResult(value) {
  return Array.isArray(value?.content) && value.content.every((/** @type {any} */ block) => typeof block?.type === "string");
}

/**
 * What an error says, at most 2,000 characters.
 *
 * @param {any} error
 * @returns {string}
 */
export function messageOf(error) {
  let text;
  try {
    text = String(error?.message ?? error);
  } catch {
    text = "an error that cannot be written";
  }
  return text.slice(0, 2000).toWellFormed();
}
