/** Frames of `deputy.tab.v1`: text to objects and back. `vectors/tab-frames.json` has cases that Rust agrees on. */

import { DeputyError } from "./error.js";

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = "deputy.tab.v1";
const VERSION = 1;

/**
 * @typedef {object} Limits
 * @property {number} frameBytes
 * @property {number} tools
 * @property {number} definitionBytes
 * @property {number} callsInFlight
 * @property {number} queue
 * @property {number} framesPerSecond
 */

/**
 * @typedef {object} Agent
 * @property {string} type
 * @property {string} [name]
 * @property {string} [origin]
 * @property {string} verification
 */

/**
 * @typedef {object} WelcomeFrame
 * @property {"welcome"} type
 * @property {string} id
 * @property {number} version
 * @property {{ issuer: string, subject: string }} user
 * @property {boolean} toolsKnown
 * @property {Limits} limits
 * @property {{ intervalMs: number, deadMs: number }} heartbeat
 */

/**
 * @typedef {object} CallFrame
 * @property {"call"} type
 * @property {string} id
 * @property {{ name: string, hash: string }} tool
 * @property {Record<string, unknown>} arguments
 * @property {number} timeoutMs
 * @property {Agent} agent
 * @property {string} client
 * @property {string[]} class
 * @property {string} assertion
 */

/** @typedef {{ type: "cancel", id: string, reason: string }} CancelFrame */
/** @typedef {{ type: "ping", id: string }} PingFrame */
/** @typedef {{ type: "unknown", id: string }} UnknownFrame A type that this version does not know: ignored (P1). */
/** @typedef {WelcomeFrame | CallFrame | CancelFrame | PingFrame | UnknownFrame} HubFrame */

/** @type {Record<string, (frame: any) => boolean>} What each frame of the hub must have. */
const BODIES = {
  welcome: (f) =>
    f.version === VERSION &&
    isText(f.user?.issuer) &&
    isText(f.user?.subject) &&
    typeof f.toolsKnown === "boolean" &&
    ["frameBytes", "tools", "definitionBytes", "callsInFlight", "queue", "framesPerSecond"].every((name) =>
      isCount(f.limits?.[name]),
    ) &&
    isCount(f.heartbeat?.intervalMs) &&
    isCount(f.heartbeat?.deadMs),
  call: (f) =>
    isText(f.tool?.name) &&
    isText(f.tool?.hash) &&
    isObject(f.arguments) &&
    isCount(f.timeoutMs) &&
    isText(f.agent?.type) &&
    isText(f.agent?.verification) &&
    ["undefined", "string"].includes(typeof f.agent.name) &&
    ["undefined", "string"].includes(typeof f.agent.origin) &&
    isText(f.client) &&
    Array.isArray(f.class) &&
    f.class.every(isText) &&
    isText(f.assertion),
  cancel: (f) => isText(f.reason),
  ping: () => true,
};

/**
 * Reads one frame of the hub (P1).
 *
 * @param {unknown} text
 * @param {number} expectedSeq
 * @returns {HubFrame}
 * @throws {DeputyError} `bad_frame` or `version`.
 */
export function readFrame(text, expectedSeq) {
  const frame = parse(text);
  if (frame.v === undefined) throw bad("`v` is missing");
  if (frame.v !== VERSION) throw new DeputyError("version", "the hub speaks another version");
  if (frame.seq !== expectedSeq) throw bad(`sequence number where ${expectedSeq} was due`);
  if (!isText(frame.id) || !/^[A-Za-z0-9_-]{1,80}$/.test(frame.id)) throw bad("`id` is wrong");
  if (!isText(frame.type)) throw bad("`type` is wrong");
  if (!Object.hasOwn(BODIES, frame.type)) return { type: "unknown", id: frame.id };
  if (!BODIES[frame.type]?.(frame)) throw bad(`\`${frame.type}\` has a wrong member`);
  return /** @type {HubFrame} */ (frame);
}

/**
 * Writes one frame of the tab.
 *
 * @param {string} type
 * @param {string} id
 * @param {number} seq
 * @param {string} body Its other members as the text of a JSON object.
 */
export function writeFrame(type, id, seq, body = "{}") {
  const envelope = JSON.stringify({ v: VERSION, type, id, seq });
  const text = body === "{}" ? envelope : `${envelope.slice(0, -1)},${body.slice(1)}`;
  // JSON.stringify writes a lone surrogate as an escape, which is no Unicode text and would cost the whole socket.
  return text.replace(/\\\\|\\ud[89a-f][0-9a-f]{2}/g, (found) => (found === "\\\\" ? found : "\\ufffd"));
}

/** @param {unknown} text */
function parse(text) {
  if (typeof text !== "string") throw bad("not text");
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    throw bad("not JSON");
  }
  if (!isObject(frame)) throw bad("not an object");
  return /** @type {Record<string, any>} */ (frame);
}

/** @param {string} why */
function bad(why) {
  return new DeputyError("bad_frame", `bad frame: ${why}`);
}

/** @param {unknown} value */
function isText(value) {
  return typeof value === "string";
}

/** @param {unknown} value */
function isCount(value) {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
