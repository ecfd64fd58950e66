/** One connection to the hub, from the socket's opening to its end. It is never used again after that. */

import { DeputyError } from "./error.js";
import { SUBPROTOCOL, readFrame, writeFrame } from "./frame.js";
import { Pace } from "./pace.js";

/** @import { Environment } from "./environment.js" */
/** @import { CallFrame, CancelFrame, Limits, WelcomeFrame } from "./frame.js" */

/**
 * @typedef {object} LinkEvents
 * @property {(welcome: WelcomeFrame) => void} welcomed
 * @property {(frame: CallFrame | CancelFrame) => void} heard
 * @property {(end: { code: number, reason: string, livedMs: number }) => void} ended Exactly once.
 */

/** Before `welcome`, a hub that says nothing for this long is given up. */
const GREETING_MS = 15_000;
const ABNORMAL = 1006;

/** The tab's side of one WebSocket. */
export class Link {
  #environment;
  #events;
  #socket;
  #incoming = 1;
  #outgoing = 1;
  /** @type {Array<{ type: string, id: string, body?: string }>} */
  #waiting = [];
  /** @type {Pace | undefined} */
  #pace;
  /** @type {unknown} */
  #drain;
  /** @type {unknown} */
  #silence;
  #silenceMs = GREETING_MS;
  #heard = { now: 0, wall: 0 };
  #openedAt;
  #ended = false;
  /** @type {WelcomeFrame | undefined} */
  welcome;

  /**
   * @param {string} url
   * @param {() => string} hello The body of `hello`.
   * @param {Environment} environment
   * @param {LinkEvents} events
   */
  constructor(url, hello, environment, events) {
    this.#environment = environment;
    this.#events = events;
    this.#openedAt = environment.clock.now();
    this.#socket = new environment.WebSocket(url, [SUBPROTOCOL]);
    this.#socket.onopen = () => this.#greet(hello());
    this.#socket.onmessage = (message) => this.#hear(message.data);
    this.#socket.onclose = (event) => this.#end(event.code, event.reason);
    this.#listen();
  }

  /** Whether calls may run on it. */
  get isOpen() {
    return this.welcome !== undefined && !this.#ended;
  }

  /** @returns {Limits | undefined} */
  get limits() {
    return this.welcome?.limits;
  }

  /**
   * Sends a frame, in order and at the allowed pace. What belongs to no open connection is dropped: the hub asks again.
   *
   * @param {string} type
   * @param {string} id
   * @param {string} [body] Its other members as JSON text.
   */
  send(type, id, body) {
    if (!this.isOpen) return;
    this.#waiting.push({ type, id, body });
    this.#flush();
  }

  /**
   * Progress is left out where it would hold up other frames.
   *
   * @param {string} id
   * @param {string} body
   */
  sendProgress(id, body) {
    if (this.#waiting.length === 0 && this.#pace?.isRelaxed) this.send("progress", id, body);
  }

  /** Looks whether it is dead already: while the page slept, no timer ran and pings were lost (P6). */
  check() {
    if (!this.#ended && this.#slept) this.#close(ABNORMAL, "the page slept");
  }

  /**
   * Says the last words and closes.
   *
   * @param {string} reason Of `bye`.
   * @param {number} code
   */
  finish(reason, code) {
    if (this.isOpen) {
      for (const frame of this.#waiting.splice(0)) this.#write(frame);
      this.#write({ type: "bye", id: this.#environment.uuid(), body: JSON.stringify({ reason }) });
    }
    this.#close(code, reason);
  }

  /** @param {string} hello */
  #greet(hello) {
    if (this.#socket.protocol !== SUBPROTOCOL) return this.#close(ABNORMAL, "the hub does not speak deputy.tab.v1");
    this.#write({ type: "hello", id: this.#environment.uuid(), body: hello });
  }

  /** @param {unknown} text */
  #hear(text) {
    // What waited while the page slept is older than the hub's patience: it gave the tab up and ended those calls.
    this.check();
    if (this.#ended) return;
    try {
      const frame = readFrame(text, this.#incoming);
      this.#incoming += 1;
      this.#listen();
      this.#take(frame);
      // Hidden pages have slow timers; messages come on time.
      this.#flush();
    } catch (error) {
      if (!(error instanceof DeputyError)) throw error;
      this.#close(error.code === "version" ? 4426 : 4400, error.message);
    }
  }

  /** @param {import("./frame.js").HubFrame} frame */
  #take(frame) {
    if (frame.type === "unknown") return;
    if (frame.type === "welcome") return this.#welcome(frame);
    if (this.welcome === undefined) throw new DeputyError("bad_frame", "bad frame: before `welcome`");
    // At once and past the queue: a busy tab is not a dead one.
    if (frame.type === "ping") this.#write({ type: "pong", id: frame.id });
    else this.#events.heard(frame);
  }

  /** @param {WelcomeFrame} frame */
  #welcome(frame) {
    if (this.welcome !== undefined) throw new DeputyError("bad_frame", "bad frame: `welcome` came twice");
    this.welcome = frame;
    this.#pace = new Pace(this.#environment.clock, frame.limits.framesPerSecond);
    this.#silenceMs = frame.heartbeat.deadMs;
    this.#listen();
    this.#events.welcomed(frame);
  }

  #flush() {
    while (this.#waiting.length > 0 && !this.#ended) {
      if (!this.#pace?.take()) return this.#wait();
      const frame = this.#waiting.shift();
      if (frame !== undefined) this.#write(frame);
    }
  }

  #wait() {
    const { clock } = this.#environment;
    clock.cancel(this.#drain);
    this.#drain = clock.after(() => this.#flush(), this.#pace?.waitMs ?? 0);
  }

  /** @param {{ type: string, id: string, body?: string }} frame */
  #write({ type, id, body }) {
    if (this.#ended || this.#socket.readyState !== 1) return;
    this.#socket.send(writeFrame(type, id, this.#outgoing, body));
    this.#outgoing += 1;
  }

  /** A hub that says nothing for too long is dead, whatever the socket says (P6). */
  #listen() {
    const { clock } = this.#environment;
    this.#heard = { now: clock.now(), wall: clock.wall() };
    clock.cancel(this.#silence);
    this.#silence = clock.after(() => this.#close(ABNORMAL, "the hub is silent"), this.#silenceMs);
  }

  get #slept() {
    const { clock } = this.#environment;
    return Math.max(clock.now() - this.#heard.now, clock.wall() - this.#heard.wall) > this.#silenceMs;
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #close(code, reason) {
    if (this.#ended) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    // 1006 is for saying, not for sending. The closing handshake with a dead peer takes minutes: it is not waited for.
    if (code === ABNORMAL) this.#socket.close();
    else this.#socket.close(code, reason);
    this.#end(code, reason);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    if (this.#ended) return;
    this.#ended = true;
    const { clock } = this.#environment;
    clock.cancel(this.#silence);
    clock.cancel(this.#drain);
    this.#events.ended({ code, reason, livedMs: this.welcome === undefined ? 0 : clock.now() - this.#openedAt });
  }
}
