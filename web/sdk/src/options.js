/** The options of `connect`, checked. Nothing is silently ignored. */

import { readPolicy } from "./policy.js";

/** @import { Policy, PolicyInit } from "./policy.js" */
/** @import { AskSession } from "./session.js" */
/** @import { ToolInit } from "./tools.js" */

/** @typedef {() => Promise<string | { ticket: string } | null> | string | { ticket: string } | null} AskTicket */

/**
 * @typedef {object} ConnectOptions
 * @property {string} hub The hub's address, `https://hub.example`, or that of its socket, `wss://hub.example/tab`.
 * @property {AskTicket} ticket Fetches a fresh ticket; null if nobody is signed in.
 * @property {AskSession} session Says who is signed in in this browser now; null if nobody is.
 * @property {ToolInit[]} [tools] Tools to register for as long as the tab is there.
 * @property {PolicyInit} [policy] Which agents may call, on top of what the hub allows. The hub's policy is the one that
 *   binds: this one runs in the page.
 * @property {boolean} [frame] Whether to connect although this document is in a frame of another. Off unless it is `true`.
 */

const KNOWN = ["hub", "ticket", "session", "tools", "policy", "frame"];

/**
 * @param {ConnectOptions} options
 * @returns {{ url: string, ticket: AskTicket, session: AskSession, tools: ToolInit[], policy: Policy | undefined, frame: boolean }}
 * @throws {TypeError} Names the option that is missing, wrong or unknown.
 */
export function checkOptions(options) {
  if (typeof options !== "object" || options === null) throw new TypeError("connect takes an object of options");
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw new TypeError(`connect knows no option \`${unknown}\``);
  const { hub, ticket, session, tools = [], frame = false } = options;
  const policy = options.policy === undefined ? undefined : readPolicy(options.policy);
  for (const [name, value] of Object.entries({ ticket, session })) {
    if (typeof value !== "function") throw new TypeError(`\`${name}\` has to be a function`);
  }
  if (!Array.isArray(tools)) throw new TypeError("`tools` has to be an array");
  if (typeof frame !== "boolean") throw new TypeError("`frame` has to be true or false");
  return { url: socketUrl(hub), ticket, session, tools, policy, frame };
}

/** @param {unknown} hub */
function socketUrl(hub) {
  if (typeof hub !== "string" || !URL.canParse(hub)) throw new TypeError("`hub` has to be an address such as https://hub.example");
  const url = new URL(hub);
  /** @type {Record<string, string>} */
  const protocols = { "https:": "wss:", "http:": "ws:", "wss:": "wss:", "ws:": "ws:" };
  const protocol = protocols[url.protocol];
  if (protocol === undefined) throw new TypeError("`hub` has to begin with https, http, wss or ws");
  // A credential belongs into the first frame, never into the address (P2).
  if (url.username || url.password || url.search || url.hash) throw new TypeError("`hub` may have no credentials, query or fragment");
  const path = url.pathname.replace(/\/$/, "");
  return `${protocol}//${url.host}${path.endsWith("/tab") ? path : `${path}/tab`}`;
}
