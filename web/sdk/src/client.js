/** What a tool's code learns of who asks: the second argument of `execute(input, client)`. */

import { abortable } from "./wait.js";

/** @import { Agent } from "./frame.js" */

/**
 * @typedef {object} Client
 * @property {AbortSignal} signal Aborted when the call is cancelled, its deadline passes, or the session ends.
 * @property {string | null} callId The hub's id of the call; null when it does not come from the hub.
 * @property {string} agentType
 * @property {string | null} agentName What the agent calls itself: a label, no proof.
 * @property {string | null} agentOrigin
 * @property {string} verification `verified`, `invalid`, `unverified` or `none`.
 * @property {string | null} assertion The hub's signed word, for the application's back end to check.
 * @property {<T>(callback: () => T | Promise<T>) => Promise<T>} requestUserInteraction
 *   Runs the callback, which may ask the person in the page, and answers with what it returns.
 * @property {(progress: number, of?: { total?: number, message?: string }) => void} reportProgress
 */

/** @typedef {(progress: number, of?: { total?: number, message?: string }) => void} Report */

/** The words for a call that did not come through the hub: the browser's own agent, or the page itself. */
export const STRANGER = Object.freeze({ type: "unknown", verification: "none" });

/**
 * @param {{ signal: AbortSignal, agent: Agent, callId?: string, assertion?: string, report?: Report }} call
 * @returns {Readonly<Client>}
 */
export function clientOf({ signal, agent, callId, assertion, report = () => {} }) {
  return Object.freeze({
    signal,
    callId: callId ?? null,
    agentType: agent.type,
    agentName: agent.name ?? null,
    agentOrigin: agent.origin ?? null,
    verification: agent.verification,
    assertion: assertion ?? null,
    requestUserInteraction: async (/** @type {() => any} */ callback) => {
      if (typeof callback !== "function") throw new TypeError("requestUserInteraction takes a function");
      signal.throwIfAborted();
      report(0, { message: "waiting for the user" });
      return abortable(Promise.resolve().then(() => callback()), signal);
    },
    reportProgress: report,
  });
}
