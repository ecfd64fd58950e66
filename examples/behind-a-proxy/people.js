/** Who a request is from: what is inside the token that the proxy passes on, and nothing else that a request says. */

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as settings from "./settings.js";

/** @typedef {{ subject: string, sid?: string, name: string, idToken: string, issuedAt: number, expiresAt: number }} Session */
/** @typedef {{ subject: string, sid?: string }} Ended */

let keys;

/** The provider's keys, found by discovery, at the first need. */
async function providersKeys(...wanted) {
  if (keys === undefined) {
    const answer = await fetch(`${settings.issuer}/.well-known/openid-configuration`);
    if (!answer.ok) throw new Error(`the identity provider has no configuration: ${answer.status}`);
    const { issuer, jwks_uri: address } = await answer.json();
    if (issuer !== settings.issuer) throw new Error("the identity provider calls itself otherwise");
    keys = createRemoteJWKSet(new URL(address));
  }
  return keys(...wanted);
}

const algorithms = ["ES256", "RS256"];

/**
 * @param {import("express").Request} request
 * @returns {Promise<Session | null>} Null: it did not come through the proxy, or its token does not hold any more.
 */
export async function whoIs(request) {
  const [, idToken] = /^Bearer (\S+)$/.exec(request.get("authorization") ?? "") ?? [];
  if (idToken === undefined) return null;
  try {
    const { payload } = await jwtVerify(idToken, providersKeys, {
      issuer: settings.issuer, audience: settings.clientId, algorithms, requiredClaims: ["sub", "iat", "exp"],
    });
    const { sub: subject, sid, name = subject, iat: issuedAt, exp: expiresAt } = payload;
    const session = { subject, sid, name, idToken, issuedAt, expiresAt };
    return hasEnded(session) ? null : session;
  } catch (error) {
    if (!error.code?.startsWith("ERR_J")) throw error; // no keys, which says nothing of the token
    return null;
  }
}

/** Sessions that are over although the proxy's cookie lives on: their names, and since when (seconds since 1970). */
const ended = new Map();

/** @param {Ended} session Without `sid` all of the user's are meant. */
export function end(session) {
  const now = Math.floor(Date.now() / 1000);
  // Older than any ID token of the provider is good for.
  for (const [name, since] of ended) if (since < now - 24 * 3600) ended.delete(name);
  ended.set(nameOf(session), now);
}

/** A token from before the end. Who signs in again has a newer one, which the provider may give the same `sid`. */
function hasEnded({ subject, sid, issuedAt }) {
  return [nameOf({ subject, sid }), nameOf({ subject })].some((name) => ended.get(name) >= issuedAt);
}

/** @param {Ended} session */
export const nameOf = ({ subject, sid }) => JSON.stringify([subject, sid ?? null]);

/**
 * The provider says that a session is over (OpenID Connect Back-Channel Logout 1.0, section 2.6).
 *
 * @param {string} token
 * @returns {Promise<Ended>}
 */
export async function endedByProvider(token) {
  const { payload } = await jwtVerify(token, providersKeys, {
    issuer: settings.issuer, audience: settings.clientId, algorithms, requiredClaims: ["iat", "exp", "jti", "sub"],
  });
  const isLogout = payload.events?.["http://schemas.openid.net/event/backchannel-logout"] !== undefined;
  if (!isLogout || payload.nonce !== undefined) throw new Error("this is no logout token");
  return { subject: payload.sub, sid: payload.sid };
}
