/** Whose session the browser has now: asked before each call, and told from document to document. */

import { DeputyError } from "./error.js";
import { messageOf } from "./result.js";
import { within } from "./wait.js";

/** @import { Clock } from "./environment.js" */

/** @typedef {() => Promise<{ subject: string } | null> | { subject: string } | null} AskSession */
/** @typedef {{ type: "signed_in", subject: string } | { type: "signed_out" }} SessionNews */

const CHANNEL = "deputy.session.v1";
const ASK_MS = 5_000;

/**
 * Makes sure that the browser's session is that user's, now.
 *
 * @param {AskSession} ask
 * @param {string} subject
 * @param {Clock} clock
 * @returns {Promise<void>}
 * @throws {DeputyError} `session_changed`, `session_ended`; `not_started` if the application does not say.
 */
export async function checkSession(ask, subject, clock) {
  let who;
  try {
    who = await within(ask, clock, ASK_MS, "not_started");
  } catch (error) {
    throw new DeputyError("not_started", `session() failed: ${messageOf(error)}`, error);
  }
  if (who === null) throw new DeputyError("session_ended", "nobody is signed in in this browser now");
  if (typeof who?.subject !== "string") throw new DeputyError("not_started", "session() answered without a subject");
  if (who.subject !== subject) throw new DeputyError("session_changed", "another user is signed in in this browser now");
}

/** What documents of one origin tell each other. News only make a document look; they prove nothing. */
export class SessionChannel {
  #Channel;
  #heard;
  /** @type {BroadcastChannel | undefined} */
  #channel;

  /**
   * @param {typeof BroadcastChannel | undefined} Channel
   * @param {(news: SessionNews) => void} heard
   */
  constructor(Channel, heard) {
    this.#Channel = Channel;
    this.#heard = heard;
    this.open();
  }

  /** An open channel may keep a page out of the back-forward cache, so it is closed while the page is frozen. */
  open() {
    if (this.#channel !== undefined || this.#Channel === undefined) return;
    this.#channel = new this.#Channel(CHANNEL);
    this.#channel.onmessage = ({ data }) => {
      if (data?.type === "signed_out" || (data?.type === "signed_in" && typeof data.subject === "string")) this.#heard(data);
    };
  }

  /** @param {SessionNews} news */
  tell(news) {
    this.#channel?.postMessage(news);
  }

  close() {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
