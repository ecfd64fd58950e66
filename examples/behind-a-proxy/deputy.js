/** All that the application's back end says to the hub, and hears of it: a ticket, an end, and whose call this is. */

import { createHash } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { nameOf } from "./people.js";
import * as settings from "./settings.js";

/** @import { Ended, Session } from "./people.js" */

const keys = createRemoteJWKSet(new URL(`${settings.hub}/.well-known/jwks.json`));
/** What came with the newest ticket of each session, and ends the tabs of it. On the server, and there it stays. */
const ends = new Map();

/** @param {Session} session */
export async function buyTicket(session) {
  const answer = await post("/api/tickets", { authorization: `Bearer ${session.idToken}` }, {
    app: settings.app,
    origin: settings.origin,
    // Without a name, `end` ends all of the user's tabs of this application.
    session: session.sid === undefined ? undefined : createHash("sha256").update(nameOf(session)).digest("hex"),
    session_expires_at: session.expiresAt,
  });
  if (!answer.ok) throw new Error(`the hub gave no ticket: ${answer.status}`);
  const { ticket, end } = await answer.json();
  const now = Date.now() / 1000;
  for (const [name, { expiresAt }] of ends) if (expiresAt < now) ends.delete(name);
  ends.set(nameOf(session), { subject: session.subject, end, expiresAt: session.expiresAt });
  return ticket;
}

/** @param {Ended} session Without `sid` all of the user's are meant. */
export async function sessionEnded(session) {
  const isMeant = ([name, { subject }]) => (session.sid === undefined ? subject === session.subject : name === nameOf(session));
  for (const [name, { end }] of [...ends].filter(isMeant)) {
    ends.delete(name);
    try {
      const answer = await post("/api/tickets/end", {}, { end });
      if (!answer.ok && answer.status !== 404) throw new Error(`${answer.status}`);
    } catch (error) {
      // It is over here all the same: the next call asks `/me`, and hears that nobody is signed in.
      console.warn(`the hub did not hear that a session ended: ${error.message}`);
    }
  }
}

/**
 * A request with an assertion is an agent's, and has to be meant for the user who is signed in.
 *
 * @param {string} assertion
 * @param {Session} session
 * @returns {Promise<string | null>} What is wrong with it.
 */
export async function wrongAssertion(assertion, session) {
  try {
    const { payload } = await jwtVerify(assertion, keys, {
      issuer: settings.hub, audience: settings.origin, typ: "deputy-call+jwt", algorithms: ["ES256"], requiredClaims: ["sub", "exp"],
    });
    return payload.sub === session.subject && payload.idp === settings.issuer ? null : "session_changed";
  } catch {
    return "assertion_invalid";
  }
}

function post(path, headers, body) {
  return fetch(`${settings.hub}${path}`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });
}
