/** The set of tools that the hub is told: fresh, small enough, and only if it is another one. */

import { hashTools } from "./definition.js";
import { DeputyError } from "./error.js";
import { findHidden } from "./hidden-text.js";
import { lookAlikes } from "./look-alike.js";
import { messageOf } from "./result.js";
import { byteLength, isTooDeep } from "./size.js";

/** @import { Environment } from "./environment.js" */
/** @import { Limits } from "./frame.js" */
/** @import { Link } from "./link.js" */
/** @import { Tool, Tools } from "./tools.js" */

const COALESCE_MS = 100;
/** Until the hub says its own. */
const LIMITS = { tools: 256, definitionBytes: 16_384 };

/** Keeps the hub's list of this document's tools up to date. */
export class Listing {
  #tools;
  #environment;
  #refused;
  /** @type {Set<string>} */
  #told = new Set();
  /** @type {string | undefined} */
  #hubHas;
  /** @type {unknown} */
  #timer;
  #turn = 0;

  /**
   * @param {Tools} tools
   * @param {Environment} environment
   * @param {(error: DeputyError) => void} refused
   */
  constructor(tools, environment, refused) {
    this.#tools = tools;
    this.#environment = environment;
    this.#refused = refused;
  }

  /**
   * For `hello` (P9).
   *
   * @returns {Promise<string | undefined>}
   */
  async hash() {
    const set = await this.#set(LIMITS);
    return set?.hash;
  }

  /**
   * A connection was greeted.
   *
   * @param {Link} link
   * @param {string | undefined} known The hash of the set that the hub still has.
   */
  greeted(link, known) {
    this.#hubHas = known;
    return this.#send(link);
  }

  /**
   * Tools came or went: tells the hub, once for all changes within 100 ms.
   *
   * @param {() => Link | undefined} link
   */
  changed(link) {
    if (this.#timer !== undefined) return;
    this.#timer = this.#environment.clock.after(() => {
      this.#timer = undefined;
      const open = link();
      if (open !== undefined) void this.#send(open);
    }, COALESCE_MS);
  }

  /** Nothing more is told. */
  stop() {
    this.#environment.clock.cancel(this.#timer);
    this.#timer = undefined;
  }

  /** @param {Link} link */
  async #send(link) {
    if (link.limits === undefined) return;
    this.#turn += 1;
    const turn = this.#turn;
    const set = await this.#set(link.limits);
    // A later look at the tools is the one that counts, whichever is through first.
    if (turn !== this.#turn || set === undefined || set.hash === this.#hubHas || !link.isOpen) return;
    this.#hubHas = set.hash;
    link.send("tools", this.#environment.uuid(), `{"tools":[${set.texts.join(",")}]}`);
  }

  /**
   * @param {Pick<Limits, "tools" | "definitionBytes">} limits
   * @returns {Promise<{ hash: string, texts: string[] } | undefined>} Undefined if the tools cannot be listed.
   */
  async #set(limits) {
    try {
      const all = await this.#tools.list();
      const fit = all.filter((tool) => this.#fits(tool, limits));
      for (const { definition } of fit.slice(limits.tools)) this.#refuse(definition.name, "is beyond the limit of one document");
      const taken = fit.slice(0, limits.tools);
      for (const { name, why } of lookAlikes(taken.map(({ definition }) => definition))) this.#flag(name, why);
      return { hash: await hashTools(taken.map((tool) => tool.hash)), texts: taken.map((tool) => JSON.stringify(tool.definition)) };
    } catch (error) {
      this.#refused(new DeputyError("tools_unavailable", `the tools cannot be listed: ${messageOf(error)}`, error));
      return undefined;
    }
  }

  /**
   * @param {Tool} tool
   * @param {Pick<Limits, "definitionBytes">} limits
   */
  #fits({ definition, hash }, { definitionBytes }) {
    const text = JSON.stringify(definition);
    if (hash === "") return this.#refuse(definition.name, "has text that is no Unicode");
    if (byteLength(text) > definitionBytes) return this.#refuse(definition.name, `is larger than ${definitionBytes} bytes`);
    if (isTooDeep(text)) return this.#refuse(definition.name, "is nested too deep");
    const hidden = findHidden(definition);
    if (hidden !== null) return this.#refuse(definition.name, `has a character that nobody sees, ${hidden},`);
    return true;
  }

  /**
   * Said once, and the tool is offered: looks prove nothing.
   *
   * @param {string} name
   * @param {string} why
   */
  #flag(name, why) {
    const words = `the tool \`${name}\` ${why}`;
    if (!this.#told.has(words)) this.#refused(new DeputyError("tool_look_alike", words));
    this.#told.add(words);
  }

  /**
   * Said once for each tool: it is never silently missing.
   *
   * @param {string} name
   * @param {string} why
   */
  #refuse(name, why) {
    if (!this.#told.has(name)) this.#refused(new DeputyError("tool_refused", `the tool \`${name}\` ${why} and is not offered`));
    this.#told.add(name);
    return false;
  }
}
