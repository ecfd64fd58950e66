/** `provideContext({ tools, policy })`, for pages written to the proposal's form: the whole set of tools at once. */

import { readPolicy } from "./policy.js";

/** @import { PolicyInit } from "./policy.js" */
/** @import { ToolInit, Tools } from "./tools.js" */

/**
 * @typedef {object} ContextInit
 * @property {ToolInit[]} [tools] The whole set; it takes the place of the one before.
 * @property {PolicyInit} [policy] Which agents may call them.
 */

/** What `provideContext` registered, and nothing else. */
export class Provided {
  #tools;
  #registered = new AbortController();
  /** @type {Map<string, AbortController>} */
  #each = new Map();

  /** @param {Tools} tools */
  constructor(tools) {
    this.#tools = tools;
  }

  /**
   * Replaces the set: all of its tools or, if one is wrong, none.
   *
   * @param {ContextInit} [context]
   * @returns {Promise<void>}
   * @throws {TypeError} A member is wrong or unknown; then the set before stays.
   */
  async replace(context = {}) {
    const { tools, policy } = checked(context);
    this.clear();
    const registered = this.#registered;
    try {
      // All at once, so that nobody sees half a set.
      await Promise.all(tools.map((tool) => this.#tools.register(tool, { signal: this.#signal(tool?.name) }, policy)));
    } catch (error) {
      registered.abort();
      throw error;
    }
  }

  /** Unregisters the set. */
  clear() {
    this.#registered.abort();
    this.#registered = new AbortController();
    this.#each.clear();
  }

  /**
   * Unregisters one of the set.
   *
   * @param {string} name
   */
  withdraw(name) {
    this.#each.get(name)?.abort();
  }

  /** @param {string} name */
  #signal(name) {
    const own = new AbortController();
    this.#each.set(name, own);
    return AbortSignal.any([own.signal, this.#registered.signal]);
  }
}

/** @param {ContextInit} context */
function checked(context) {
  if (typeof context !== "object" || context === null) throw new TypeError("provideContext takes an object");
  const unknown = Object.keys(context).find((name) => !["tools", "policy"].includes(name));
  if (unknown !== undefined) throw new TypeError(`provideContext knows no member \`${unknown}\``);
  const { tools = [], policy } = context;
  if (!Array.isArray(tools)) throw new TypeError("`tools` has to be an array");
  return { tools, policy: policy === undefined ? undefined : readPolicy(policy) };
}
