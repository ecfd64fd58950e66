/** The calls of one document: accepted, queued, run once, answered once, and remembered for a while (P10 to P14). */

import { clientOf } from "./client.js";
import { DeputyError } from "./error.js";
import { Forms } from "./forms.js";
import { messageOf, resultBody } from "./result.js";
import { byteLength } from "./size.js";
import { abortable } from "./wait.js";

/** @import { Clock } from "./environment.js" */
/** @import { Agent, CallFrame } from "./frame.js" */
/** @import { Link } from "./link.js" */
/** @import { Tool, Tools } from "./tools.js" */

/** @typedef {{ id: string, tool: string, phase: string, code?: string, agent: Agent, client: string }} CallNews */

/**
 * @typedef {object} Entry
 * @property {CallFrame} frame
 * @property {Link} link The connection on which the hub last asked for it.
 * @property {"queued" | "checking" | "running" | "ended"} state
 * @property {boolean} hasStarted Whether its code ever ran.
 * @property {{ type: string, body?: string }} said The last word on it.
 * @property {AbortController} abort
 * @property {unknown} deadline
 * @property {number} endedAt
 * @property {number} progressAt
 */

const LONGEST_MS = 600_000;
const KEPT_MS = 300_000;
const KEPT_CHARACTERS = 64_000_000;
const PROGRESS_MS = 250;
/** Room for a frame's envelope. */
const ENVELOPE_BYTES = 300;

/** All calls that the hub sent to this document. They outlive a connection: the hub may ask again on the next one. */
export class Calls {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {Entry[]} */
  #queue = [];
  #inFlight = 0;
  #forms = new Forms();
  #tools;
  #clock;
  #checkSession;
  #permit;
  #tell;

  /**
   * @param {object} parts
   * @param {Tools} parts.tools
   * @param {Clock} parts.clock
   * @param {() => Promise<void>} parts.checkSession Throws what stands against running now.
   * @param {(frame: CallFrame, tool: Tool) => void} parts.permit Throws what the page's own policy has against it.
   * @param {(news: CallNews) => void} parts.tell
   */
  constructor({ tools, clock, checkSession, permit, tell }) {
    this.#tools = tools;
    this.#clock = clock;
    this.#checkSession = checkSession;
    this.#permit = permit;
    this.#tell = tell;
  }

  /**
   * Takes a call, or repeats the last word on one that is known: it never runs twice (P13).
   *
   * @param {CallFrame} frame
   * @param {Link} link
   */
  take(frame, link) {
    this.#forgetOld();
    const known = this.#entries.get(frame.id);
    if (known !== undefined) return this.#repeat(known, link);
    const entry = this.#add(frame, link);
    const { callsInFlight = 0, queue = 0 } = link.limits ?? {};
    if (this.#inFlight >= callsInFlight && this.#queue.length >= queue) {
      return this.#end(entry, "error", new DeputyError("busy", "too many calls wait in this tab"));
    }
    const afterMs = Math.min(frame.timeoutMs, LONGEST_MS);
    entry.deadline = this.#clock.after(() => this.#late(entry), afterMs);
    this.#say(entry, "accepted");
    this.#queue.push(entry);
    this.#pump();
  }

  /**
   * @param {string} id
   * @param {string} reason
   */
  cancel(id, reason) {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#stop(entry, "cancelled", new DOMException(`cancelled: ${reason}`, "AbortError"));
  }

  /**
   * Ends every call that has not ended: the session is over, or the page leaves. What runs is cancelled, since it may
   * have done something already; of the rest the hub learns why it did not start.
   *
   * @param {string} code
   * @param {string} why
   * @param {string} [runningCode] Of what runs, when its code cannot go on and the hub is to hear why (P23).
   */
  stopAll(code, why, runningCode) {
    for (const entry of this.#entries.values()) {
      const reason = new DOMException(why, "AbortError");
      if (entry.state !== "running") this.#stop(entry, "error", reason, new DeputyError(code, why));
      else if (runningCode === undefined) this.#stop(entry, "cancelled", reason);
      else this.#stop(entry, "error", reason, new DeputyError(runningCode, why));
    }
  }

  /**
   * @param {Entry} entry
   * @param {Link} link
   */
  #repeat(entry, link) {
    const { id } = entry.frame;
    entry.link = link;
    // The word that it started may be lost with the last connection, and the answer means nothing without it.
    if (entry.hasStarted && entry.said.type !== "started") link.send("started", id);
    link.send(entry.said.type, id, entry.said.body);
    this.#pump();
  }

  /**
   * @param {CallFrame} frame
   * @param {Link} link
   */
  #add(frame, link) {
    /** @type {Entry} */
    const entry = {
      frame,
      link,
      state: "queued",
      hasStarted: false,
      said: { type: "accepted" },
      abort: new AbortController(),
      deadline: undefined,
      endedAt: 0,
      progressAt: -PROGRESS_MS,
    };
    this.#entries.set(frame.id, entry);
    return entry;
  }

  #pump() {
    for (;;) {
      // A call whose connection is gone was reported as not started: it waits until the hub asks for it again.
      const next = this.#queue.findIndex((entry) => entry.link.isOpen);
      const entry = this.#queue[next];
      if (entry === undefined || this.#inFlight >= (entry.link.limits?.callsInFlight ?? 0)) return;
      this.#queue.splice(next, 1);
      void this.#run(entry);
    }
  }

  /** @param {Entry} entry */
  async #run(entry) {
    this.#inFlight += 1;
    entry.state = "checking";
    try {
      await this.#perform(entry);
    } catch (error) {
      this.#end(entry, "error", error instanceof DeputyError ? error : new DeputyError("not_started", messageOf(error), error));
    } finally {
      this.#forms.release(entry);
      this.#inFlight -= 1;
      this.#pump();
    }
  }

  /** @param {Entry} entry */
  async #perform(entry) {
    const { signal } = entry.abort;
    const tool = await this.#admit(entry);
    if (entry.state === "ended") return;
    if (!entry.link.isOpen) {
      entry.state = "queued";
      this.#queue.push(entry);
      return;
    }
    entry.state = "running";
    entry.hasStarted = true;
    this.#say(entry, "started");
    const running = this.#tools.run(tool, entry.frame.arguments, this.#client(entry));
    const body = resultBody(await abortable(running, signal).catch(failed));
    if (byteLength(body) + ENVELOPE_BYTES > (entry.link.limits?.frameBytes ?? 0)) {
      throw new DeputyError("too_large", "the result is larger than a frame may be");
    }
    this.#end(entry, "result", body);
  }

  /**
   * Whose session, then which tool, then whether its form is free; from the start again if that took time.
   *
   * @param {Entry} entry
   * @returns {Promise<Tool>}
   */
  async #admit(entry) {
    const { signal } = entry.abort;
    for (;;) {
      await abortable(this.#checkSession(), signal);
      const tool = await abortable(this.#find(entry.frame.tool), signal);
      this.#permit(entry.frame, tool);
      if (tool.definition.kind !== "form" || this.#forms.take(tool.definition.name, entry)) return tool;
      await abortable(this.#forms.freed(tool.definition.name), signal);
    }
  }

  /**
   * @param {{ name: string, hash: string }} wanted
   * @returns {Promise<Tool>}
   */
  async #find({ name, hash }) {
    const [tool] = await this.#tools.list(name).catch((error) => {
      throw new DeputyError("not_started", `the tools cannot be listed: ${messageOf(error)}`, error);
    });
    if (tool === undefined) throw new DeputyError("tool_unknown", `there is no tool \`${name}\` in this document now`);
    if (tool.hash !== hash) throw new DeputyError("tool_changed", `the definition of \`${name}\` is another one now`);
    return tool;
  }

  /** @param {Entry} entry */
  #client(entry) {
    const { agent, assertion, id } = entry.frame;
    const report = (/** @type {number} */ progress, /** @type {{ total?: number, message?: string }} */ of = {}) =>
      this.#progress(entry, progress, of);
    return clientOf({ signal: entry.abort.signal, agent, callId: id, assertion, report });
  }

  /**
   * @param {Entry} entry
   * @param {number} progress
   * @param {{ total?: number, message?: string }} of
   */
  #progress(entry, progress, { total, message }) {
    if (!Number.isFinite(progress) || !(total === undefined || Number.isFinite(total))) {
      throw new TypeError("progress is told in finite numbers");
    }
    const now = this.#clock.now();
    if (entry.state !== "running" || now - entry.progressAt < PROGRESS_MS) return;
    entry.progressAt = now;
    const words = message === undefined ? undefined : messageOf(message);
    entry.link.sendProgress(entry.frame.id, JSON.stringify({ progress, total, message: words }));
  }

  /** @param {Entry} entry */
  #late(entry) {
    const code = entry.state === "running" ? "upstream_timeout" : "not_started";
    const error = new DeputyError(code, "the call's deadline passed");
    this.#stop(entry, "error", new DOMException(error.message, "TimeoutError"), error);
  }

  /**
   * Answers first, so that what the tool does about its aborted signal changes nothing.
   *
   * @param {Entry} entry
   * @param {"error" | "cancelled"} type
   * @param {DOMException} reason
   * @param {DeputyError} [error]
   */
  #stop(entry, type, reason, error) {
    if (entry.state === "ended") return;
    this.#queue = this.#queue.filter((waiting) => waiting !== entry);
    this.#end(entry, type, error);
    entry.abort.abort(reason);
  }

  /**
   * @param {Entry} entry
   * @param {"result" | "error" | "cancelled"} type
   * @param {string | DeputyError} [answer]
   */
  #end(entry, type, answer) {
    if (entry.state === "ended") return;
    entry.state = "ended";
    entry.endedAt = this.#clock.now();
    this.#clock.cancel(entry.deadline);
    if (answer instanceof DeputyError) this.#say(entry, type, errorBody(answer), answer.code);
    else this.#say(entry, type, answer);
  }

  /**
   * @param {Entry} entry
   * @param {string} type
   * @param {string} [body]
   * @param {string} [code]
   */
  #say(entry, type, body, code) {
    const { id, tool, agent, client } = entry.frame;
    entry.said = { type, body };
    entry.link.send(type, id, body);
    this.#tell({ id, tool: tool.name, phase: type, agent, client, ...(code === undefined ? {} : { code }) });
  }

  /** Answers are kept for a time and up to a size; beyond it the eldest keep their end, but not their words. */
  #forgetOld() {
    const now = this.#clock.now();
    let kept = 0;
    for (const [id, entry] of [...this.#entries].reverse()) {
      if (entry.state !== "ended") continue;
      if (now - entry.endedAt > KEPT_MS) this.#entries.delete(id);
      kept += entry.said.body?.length ?? 0;
      if (kept > KEPT_CHARACTERS) {
        entry.said = { type: "error", body: errorBody(new DeputyError("outcome_unknown", "the answer is not kept any more")) };
      }
    }
  }
}

/**
 * Whatever a tool throws, it cannot speak for the SDK.
 *
 * @param {unknown} error
 * @returns {never}
 */
function failed(error) {
  throw new DeputyError("tool_failed", messageOf(error), error);
}

/** @param {DeputyError} error */
function errorBody({ code, message }) {
  return JSON.stringify({ code, message });
}
