/** A server-rendered application, in Node without a framework: what Deputy needs of it is marked. */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const HUB = process.env.HUB ?? "https://hub.acme.example";
const PORT = Number(process.env.PORT ?? 8080);
const ORIGIN = process.env.ORIGIN ?? `http://localhost:${PORT}`;
const APP = "crm";

/** @typedef {{ subject: string, name: string, token: string, expiresAt: number }} Session */

/** @type {Map<string, Session>} By the digest of the cookie's value. */
const sessions = new Map();
const AGENTS = readFileSync(new URL("agents.js", import.meta.url), "utf8").replaceAll("https://hub.acme.example", HUB);
/** @type {Record<string, string>} */
const CUSTOMERS = { 7: "Ada & Sons" };

/** @param {import("node:http").IncomingMessage} request */
function sessionOf(request) {
  const [, value] = /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? "") ?? [];
  const session = value === undefined ? undefined : sessions.get(digest(value));
  return session !== undefined && session.expiresAt > Date.now() ? session : undefined;
}

/** @param {string} text */
const digest = (text) => createHash("sha256").update(text).digest("hex");
/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * DEPUTY: buys a ticket with the user's own token. Origin and app are constants, never taken from the request.
 *
 * @param {Session | undefined} session
 */
async function ticket(session) {
  if (session === undefined) return { ticket: null };
  const answer = await fetch(`${HUB}/api/tickets`, {
    method: "POST",
    headers: { authorization: `Bearer ${session.token}`, "content-type": "application/json" },
    body: JSON.stringify({ app: APP, origin: ORIGIN, session_expires_at: Math.floor(session.expiresAt / 1000) }),
  });
  if (!answer.ok) throw new Error(`the hub gave no ticket: ${answer.status}`);
  const { ticket: bought } = /** @type {{ ticket: string }} */ (await answer.json());
  return { ticket: bought };
}

/** @param {Session | undefined} session */
function page(session) {
  const who = session === undefined ? "Nobody is signed in." : `Signed in as ${escaped(session.name)}.`;
  const rows = Object.entries(CUSTOMERS).map(([number, name]) => `<li>${number}: ${escaped(name)}</li>`);
  // DEPUTY: one script, on signed-out pages too.
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Customers</title>
<script type="module" src="/agents.js"></script></head>
<body><p>${who}</p><ul>${session === undefined ? "" : rows.join("")}</ul></body></html>`;
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? "/", ORIGIN);
  const session = sessionOf(request);
  const socket = HUB.replace(/^http/, "ws");
  response.setHeader("content-security-policy", [
    "default-src 'none'",
    `script-src 'self' ${HUB}`, // DEPUTY: the SDK comes from the hub
    `connect-src 'self' ${socket}`, // DEPUTY: and its socket goes there
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; "));
  response.setHeader("cache-control", "no-store");
  const json = (/** @type {unknown} */ value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  try {
    if (request.method === "POST" && request.headers.origin !== ORIGIN) return response.writeHead(403).end();
    if (pathname === "/agents.js") return response.setHeader("content-type", "text/javascript").end(AGENTS);
    if (pathname === "/deputy-ticket" && request.method === "POST") return json(await ticket(session));
    // DEPUTY: who is signed in now, asked before each call.
    if (pathname === "/me") return json(session === undefined ? null : { subject: session.subject });
    // A real application checks the assertion here too, where the request brings one (README, "Whose session").
    const [, number] = /^\/api\/customers\/(\d+)$/.exec(pathname) ?? [];
    if (number !== undefined) return session === undefined ? response.writeHead(401).end() : json({ number, name: CUSTOMERS[number] ?? null });
    if (pathname === "/sign-in") {
      // Stands for the sign-in at your identity provider, which gives you the token that the ticket is bought with.
      const value = randomBytes(32).toString("base64url");
      sessions.set(digest(value), { subject: "alice", name: "Alice", token: "the-users-id-token", expiresAt: Date.now() + 3_600_000 });
      return response.writeHead(303, { location: "/", "set-cookie": `session=${value}; HttpOnly; SameSite=Lax; Path=/` }).end();
    }
    return response.setHeader("content-type", "text/html; charset=utf-8").end(page(session));
  } catch (error) {
    console.error(error);
    response.writeHead(502).end();
  }
});
server.listen(PORT, "127.0.0.1", () => console.log(`listening on ${ORIGIN}`));
