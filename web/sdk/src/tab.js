/** This document's tie to one hub: comes up, stays up, and ends when the session does. */

import { Calls } from "./calls.js";
import { afterClose } from "./closing.js";
import { DeputyError } from "./error.js";
import { Link } from "./link.js";
import { Listing } from "./listing.js";
import { messageOf } from "./result.js";
import { Retry } from "./retry.js";
import { refusal } from "./policy.js";
import { SessionChannel, checkSession } from "./session.js";
import { SDK } from "./version.js";
import { within } from "./wait.js";
import { watchPage } from "./page.js";

/** @import { CallNews } from "./calls.js" */
/** @import { Environment } from "./environment.js" */
/** @import { CallFrame, CancelFrame, WelcomeFrame } from "./frame.js" */
/** @import { checkOptions } from "./options.js" */
/** @import { SessionNews } from "./session.js" */
/** @import { Tool, ToolInit, Tools } from "./tools.js" */

/** @typedef {"connecting" | "open" | "frozen" | "signed_out" | "closed"} Status */
/** @typedef {ReturnType<typeof checkOptions>} Options */

/**
 * @typedef {object} TabEvents
 * @property {CustomEvent<{ status: Status }>} status
 * @property {CustomEvent<CallNews>} call
 * @property {CustomEvent<DeputyError>} error
 */

const TICKET_MS = 30_000;
const GOOD_MS = 30_000;
const TICKETS_REFUSED = 3;
/** All documents of a browser come online at the same moment: those that nobody looks at take some time. */
const ONLINE_MS = 4_000;
const LEFT = "the page was left in mid-call";

/**
 * What `connect` returns. Its events: `status`, `call` (`detail` says which and what), `error` (`detail` is a
 * {@link DeputyError}; unless prevented it is also written to the console).
 */
export class Tab extends EventTarget {
  #options;
  #environment;
  #tools;
  #docId;
  /** @type {Status} */
  #status = "closed";
  /** @type {Link | undefined} */
  #link;
  /** @type {string | undefined} Whose tab it is: the user of the ticket. */
  #subject;
  #attempt = 0;
  #ticketsRefused = 0;
  #leaving = false;
  #retry;
  #calls;
  #listing;
  #channel;
  #registered = new AbortController();
  #unwatch;

  /**
   * @param {Options} options
   * @param {Tools} tools
   * @param {string} docId
   * @param {Environment} environment
   */
  constructor(options, tools, docId, environment) {
    super();
    this.#options = options;
    this.#tools = tools;
    this.#docId = docId;
    this.#environment = environment;
    this.#retry = new Retry(environment, () => void this.#connect());
    this.#listing = new Listing(tools, environment, (error) => this.#report(error));
    this.#calls = new Calls({
      tools,
      clock: environment.clock,
      checkSession: () => this.#check(),
      permit: (frame, tool) => this.#permit(frame, tool),
      tell: (news) => this.#told(news),
    });
    this.#channel = new SessionChannel(environment.BroadcastChannel, (news) => void this.#heardNews(news));
    this.#unwatch = watchPage(environment, tools.context, {
      frozen: () => this.#freeze(),
      thawed: () => this.#thaw(),
      left: () => this.#calls.stopAll("not_started", LEFT, "outcome_unknown"),
      reachable: () => this.#hurry(),
      online: () => this.#hurry(ONLINE_MS),
      shown: () => void this.#look(),
      focused: (focused) => this.#link?.send("focus", environment.uuid(), JSON.stringify({ focused })),
      toolsChanged: () => this.#listing.changed(() => this.#link),
    });
    this.register(options.tools);
    void this.#connect();
  }

  /**
   * @template {keyof TabEvents} Name
   * @overload
   * @param {Name} type
   * @param {(event: TabEvents[Name]) => void} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {string} type
   * @param {EventListenerOrEventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @returns {void}
   */
  /**
   * As every `EventTarget`'s; here it also says which event has which `detail`.
   *
   * @override
   * @param {string} type
   * @param {any} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
  }

  /** @returns {Status} */
  get status() {
    return this.#status;
  }

  /** Ends it for good: tells the hub, stops what runs, unregisters the tools of `connect`. */
  close() {
    if (this.#status === "closed") return;
    this.#leave("closed", "not_started", "the application closed the connection", 1000, "closed");
    this.#dispose();
  }

  /** The user signed out: tells the hub and the other documents of this origin. */
  signOut() {
    if (this.#status === "closed") return;
    this.#channel.tell({ type: "signed_out" });
    this.#leave("signed_out", "session_ended", "the user signed out", 1000, "signed_out");
  }

  /**
   * Comes back after the session ended: the application called `connect` again.
   *
   * @param {Options} options
   */
  renew(options) {
    if (this.#status === "signed_out") this.#options = options;
    this.register(options.tools);
    if (this.#status !== "signed_out") return;
    this.#subject = undefined;
    void this.#connect();
  }

  /** @param {ToolInit[]} tools */
  register(tools) {
    for (const tool of tools) {
      this.#tools
        .register(tool, { signal: this.#registered.signal }, this.#options.policy)
        .catch((error) => this.#report(new DeputyError("tool_refused", `a tool of \`tools\`: ${messageOf(error)}`, error)));
    }
  }

  async #connect() {
    this.#retry.cancel();
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#become("connecting");
    const ticket = await this.#ticket();
    const toolsHash = await this.#listing.hash();
    // Something else happened meanwhile: closed, frozen, or a newer attempt.
    if (attempt !== this.#attempt || this.#status !== "connecting" || ticket === undefined) return;
    if (ticket === null) return this.#lose("session_ended");
    try {
      this.#link = this.#dial(ticket, toolsHash);
    } catch (error) {
      this.#report(new DeputyError("hub_unreachable", `the browser does not open the connection: ${messageOf(error)}`, error));
      this.#retry.later();
    }
  }

  /**
   * @param {string} ticket
   * @param {string | undefined} toolsHash
   */
  #dial(ticket, toolsHash) {
    const link = new Link(this.#options.url, () => this.#hello(ticket, toolsHash), this.#environment, {
      welcomed: (welcome) => this.#welcomed(link, welcome, toolsHash),
      heard: (frame) => this.#heard(link, frame),
      ended: ({ code, livedMs }) => this.#ended(link, code, livedMs),
    });
    return link;
  }

  /** @returns {Promise<string | null | undefined>} Null if nobody is signed in; undefined if it failed. */
  async #ticket() {
    const attempt = this.#attempt;
    try {
      const answer = await within(this.#options.ticket, this.#environment.clock, TICKET_MS, "ticket_failed");
      const ticket = answer !== null && typeof answer === "object" ? answer.ticket : answer;
      if (ticket === null || (typeof ticket === "string" && ticket !== "")) return ticket;
      throw new TypeError("ticket() answered neither a ticket nor null");
    } catch (error) {
      if (attempt !== this.#attempt || this.#status !== "connecting") return undefined;
      this.#report(new DeputyError("ticket_failed", `ticket() failed: ${messageOf(error)}`, error));
      this.#retry.later();
      return undefined;
    }
  }

  /**
   * @param {string} ticket
   * @param {string | undefined} toolsHash
   */
  #hello(ticket, toolsHash) {
    const { document, window } = this.#environment;
    // Without query and fragment: they may carry what nobody else should read.
    const { origin, pathname } = window.location;
    const page = { url: `${origin}${pathname}`.slice(0, 2000), title: document.title.slice(0, 300) };
    const focused = document.hasFocus();
    return JSON.stringify({ versions: [1], ticket, docId: this.#docId, toolsHash, page, sdk: SDK, focused });
  }

  /**
   * @param {Link} link
   * @param {WelcomeFrame} welcome
   * @param {string | undefined} toolsHash
   */
  #welcomed(link, welcome, toolsHash) {
    const { subject } = welcome.user;
    // The document shows one user's data: coming back as somebody else takes a new `connect`.
    if (this.#subject !== undefined && this.#subject !== subject) return this.#lose("session_changed");
    this.#subject = subject;
    this.#ticketsRefused = 0;
    this.#channel.tell({ type: "signed_in", subject });
    this.#become("open");
    void this.#listing.greeted(link, welcome.toolsKnown ? toolsHash : undefined);
  }

  /**
   * @param {Link} link
   * @param {CallFrame | CancelFrame} frame
   */
  #heard(link, frame) {
    if (frame.type === "call") this.#calls.take(frame, link);
    else this.#calls.cancel(frame.id, frame.reason);
  }

  /**
   * @param {Link} link
   * @param {number} code
   * @param {number} livedMs
   */
  #ended(link, code, livedMs) {
    if (this.#link !== link) return;
    this.#link = undefined;
    if (livedMs > GOOD_MS) this.#retry.reset();
    const next = afterClose(code);
    if (next.error !== undefined) this.#report(new DeputyError(next.error, `the connection was closed with ${code}`));
    if (next.then === "stay") {
      this.#calls.stopAll("session_ended", `the connection was closed with ${code}`);
      this.#dispose();
      return this.#become("closed");
    }
    if (next.then === "ticket") {
      this.#calls.stopAll("session_ended", "the ticket's session is over");
      this.#ticketsRefused += 1;
      if (this.#ticketsRefused >= TICKETS_REFUSED) return this.#lose("session_ended");
    }
    this.#become("connecting");
    this.#retry.later(next);
  }

  /** Asked before each call (docs/reference/tab-protocol.md, "Whose session"). */
  async #check() {
    if (this.#subject === undefined) throw new DeputyError("not_started", "the tab belongs to nobody yet");
    await checkSession(this.#options.session, this.#subject, this.#environment.clock);
  }

  /**
   * The hub decided already; the page's own policy may refuse on top. It is said as `not_started`, in words: the reason codes
   * of policy are the hub's.
   *
   * @param {CallFrame} frame
   * @param {Tool} tool
   */
  #permit({ agent, class: classes }, { seen }) {
    for (const policy of [this.#options.policy, seen?.policy]) {
      const why = policy === undefined ? null : refusal(policy, agent, classes);
      if (why !== null) throw new DeputyError("not_started", why);
    }
  }

  /** The page is shown again: whoever is signed in may have changed in another tab. */
  async #look() {
    if (this.#status !== "open") return;
    await this.#check().catch((error) => this.#told({ code: error.code }));
  }

  /** @param {SessionNews} news */
  async #heardNews(news) {
    if (news.type === "signed_out") return this.#status === "signed_out" ? undefined : this.#lose("session_ended");
    if (this.#status === "open" && news.subject !== this.#subject) return this.#look();
    const same = this.#subject === undefined || this.#subject === news.subject;
    if (this.#status === "signed_out" && same) void this.#connect();
  }

  /** @param {CallNews | { code: string }} news */
  #told(news) {
    if ("id" in news) this.dispatchEvent(new CustomEvent("call", { detail: news }));
    // While the tab leaves, or when it is gone already, these are the echo of that.
    if (this.#link === undefined || this.#leaving) return;
    if (news.code === "session_changed" || news.code === "session_ended") this.#lose(news.code);
  }

  /**
   * The session is not that user's any more.
   *
   * @param {"session_changed" | "session_ended"} code
   */
  #lose(code) {
    if (this.#status === "closed") return;
    const bye = code === "session_changed" ? "session_changed" : "signed_out";
    this.#ticketsRefused = 0;
    this.#leave(bye, code, "the session ended", 1000, "signed_out");
    this.#report(new DeputyError(code, "the browser's session is not the one of this tab any more"));
  }

  /** A closed tab watches nothing, and its tools are gone; the next `connect` makes a new one. */
  #dispose() {
    this.#retry.cancel();
    this.#unwatch();
    this.#registered.abort();
    this.#listing.stop();
    this.#channel.close();
  }

  #freeze() {
    if (this.#status === "closed" || this.#status === "frozen") return;
    this.#channel.close();
    if (this.#status === "signed_out") return;
    // Before it leaves: what runs does not go on, and nobody can say how far it came (P13, P23).
    this.#calls.stopAll("not_started", LEFT, "outcome_unknown");
    this.#leave("frozen", "not_started", LEFT, 4001, "frozen");
  }

  #thaw() {
    if (this.#status === "closed") return;
    this.#channel.open();
    if (this.#status === "frozen") void this.#connect();
  }

  /** @param {number} [withinMs] */
  #hurry(withinMs) {
    this.#link?.check();
    this.#retry.hurry(withinMs);
  }

  /**
   * @param {string} bye
   * @param {string} code Why calls that did not start will not.
   * @param {string} why
   * @param {number} closeCode
   * @param {Status} status
   */
  #leave(bye, code, why, closeCode, status) {
    this.#leaving = true;
    const link = this.#link;
    this.#retry.cancel();
    this.#calls.stopAll(code, why);
    this.#link = undefined;
    link?.finish(bye, closeCode);
    this.#leaving = false;
    this.#become(status);
  }

  /** @param {Status} status */
  #become(status) {
    if (this.#status === status) return;
    this.#status = status;
    this.dispatchEvent(new CustomEvent("status", { detail: { status } }));
  }

  /** @param {DeputyError} error */
  #report(error) {
    const event = new CustomEvent("error", { detail: error, cancelable: true });
    if (this.dispatchEvent(event)) console.warn("deputy:", error.code, error.message);
  }
}
