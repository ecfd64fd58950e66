/**
 * A page's own policy over agents, in the form of the proposal (webmachinelearning/webmcp issue 105). It can only refuse:
 * the hub decides first, by the operator's policy, and that decision is the one that binds. This copy runs in the page,
 * where whoever controls the page controls it too; it stands between the page's tools and callers that do not come through the
 * hub, and lets an application be stricter than its operator.
 */

/** @import { Agent } from "./frame.js" */

/**
 * @typedef {object} PolicyInit
 * @property {string[]} [allowAgentTypes] Who may call. Without it: nobody, but for reading.
 * @property {string[]} [denyAgentTypes] Who may not; wins over `allowAgentTypes`.
 * @property {boolean | string[]} [requireVerification] Only verified agents: all, or those of these types.
 */

/** @typedef {{ allow: Set<string> | null, deny: Set<string>, verified: Set<string> }} Policy */

export const AGENT_TYPES = ["user_session", "browser_agent", "assistive_technology", "search_crawler", "automated_agent", "unknown"];
const KNOWN = ["allowAgentTypes", "denyAgentTypes", "requireVerification"];

/**
 * @param {unknown} given
 * @returns {Policy}
 * @throws {TypeError} Names the member or the type that is unknown: a policy with a slip of the pen must not allow more.
 */
export function readPolicy(given) {
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new TypeError("`policy` has to be an object");
  const unknown = Object.keys(given).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw new TypeError(`a policy knows no member \`${unknown}\``);
  const { allowAgentTypes, denyAgentTypes = [], requireVerification = [] } = /** @type {PolicyInit} */ (given);
  return {
    allow: allowAgentTypes === undefined ? null : types("allowAgentTypes", allowAgentTypes),
    deny: types("denyAgentTypes", denyAgentTypes),
    verified: types("requireVerification", typeof requireVerification === "boolean" ? (requireVerification ? AGENT_TYPES : []) : requireVerification),
  };
}

/**
 * Why this agent may not call. Deny wins over allow; evidence that failed is never good enough.
 *
 * @param {Policy} policy
 * @param {Pick<Agent, "type" | "verification">} agent
 * @param {string[]} [classes] What the tool does, in the hub's words; unknown counts as writing and sending out.
 * @returns {string | null} Null if it may.
 */
export function refusal({ allow, deny, verified }, { type, verification }, classes = ["write", "egress"]) {
  const known = AGENT_TYPES.includes(type) ? type : "unknown";
  if (verification === "invalid") return "the page's policy refuses agents whose evidence failed";
  if (deny.has(known)) return `the page's policy denies agents of type \`${known}\``;
  if (verified.has(known) && verification !== "verified") return `the page's policy wants agents of type \`${known}\` verified`;
  const reads = classes.length === 1 && classes[0] === "read";
  if (allow === null ? reads : allow.has(known)) return null;
  return `the page's policy does not allow agents of type \`${known}\` to do this`;
}

/**
 * @param {string} member
 * @param {unknown} given
 */
function types(member, given) {
  if (!Array.isArray(given)) throw new TypeError(`\`${member}\` has to be a list of agent types`);
  const words = given.map((word) => String(word).replaceAll("-", "_"));
  const unknown = words.find((word) => !AGENT_TYPES.includes(word));
  if (unknown !== undefined) throw new TypeError(`\`${member}\` has \`${unknown}\`, which is no agent type`);
  return new Set(words);
}
