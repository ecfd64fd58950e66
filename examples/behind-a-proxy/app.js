/**
 * A server-rendered application behind oauth2-proxy: Express, no sign-in of its own, no cookie of its own.
 * What Deputy needs of it is marked DEPUTY; the rest is what such an application has anyway.
 */

import { chmodSync, rmSync } from "node:fs";
import express from "express";
import * as deputy from "./deputy.js";
import { page } from "./page.js";
import { end, endedByProvider, whoIs } from "./people.js";
import * as settings from "./settings.js";

/** The page that everybody reads, line by line. */
const lines = [{ by: "Wiki", text: "The printer is on the second floor." }];

const app = express();
app.disable("x-powered-by");
app.use((_, response, next) => {
  const socket = settings.hub.replace(/^http/, "ws");
  response.set({
    // DEPUTY: the SDK comes from the hub, and its socket goes there.
    "content-security-policy":
      `default-src 'none'; script-src 'self' ${settings.hub}; connect-src 'self' ${socket}; style-src 'self'; ` +
      `form-action 'self' ${settings.issuer}; base-uri 'none'; frame-ancestors 'none'`,
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
  next();
});
app.use("/static", express.static(new URL("static", import.meta.url).pathname));

// The one route that the proxy lets through for nobody: what comes is signed by the provider.
app.post("/logout/backchannel", express.urlencoded({ extended: false, limit: "16kb" }), async (request, response) => {
  let ended;
  try {
    ended = await endedByProvider(String(request.body?.logout_token));
  } catch (error) {
    console.warn(`a logout token was refused: ${error.message}`);
    return response.status(400).json({ error: "invalid_request" });
  }
  end(ended);
  await deputy.sessionEnded(ended);
  response.status(204).end();
});

// The proxy's cookie comes along wherever a request is from, so the application looks where that is.
app.use((request, response, next) => {
  const isWrite = !["GET", "HEAD"].includes(request.method);
  if (isWrite && request.get("origin") !== settings.origin) return response.status(403).json({ error: "foreign_origin" });
  next();
});

app.use(async (request, response, next) => {
  const session = await whoIs(request);
  if (session === null) {
    // The session is over here, and perhaps not yet for the proxy: a page goes there to say so, a script hears it.
    return request.accepts(["json", "html"]) === "html" && request.method === "GET"
      ? response.redirect(303, "/oauth2/sign_out?rd=%2F")
      : response.status(401).json({ error: "session_ended" });
  }
  // DEPUTY: an agent's request says for whom it is. One without an assertion is the user's own.
  const assertion = request.get("deputy-assertion");
  const wrong = assertion === undefined ? null : await deputy.wrongAssertion(assertion, session);
  if (wrong !== null) return response.status(403).json({ error: wrong });
  response.locals.session = session;
  next();
});

app.get("/", (_, response) => response.type("html").send(page(response.locals.session, lines)));

// DEPUTY: who is signed in now, asked before each call.
app.get("/me", (_, response) => response.json({ subject: response.locals.session.subject }));

// DEPUTY: a ticket for one tab.
app.post("/deputy-ticket", async (_, response) => response.json({ ticket: await deputy.buyTicket(response.locals.session) }));

app.get("/lines", (_, response) => response.json({ lines }));

// The form's, and the tool's: the same checks for both.
app.post("/lines", express.urlencoded({ extended: false, limit: "16kb" }), (request, response) => {
  const text = String(request.body?.text ?? "").trim();
  if (text === "" || text.length > 200) return response.status(400).json({ error: "a line has 1 to 200 letters" });
  lines.push({ by: response.locals.session.name, text });
  response.redirect(303, "/");
});

// The session is the proxy's, so it ends there; the application is asked first, or it would never hear of it.
app.post("/sign-out", async (_, response) => {
  const { session } = response.locals;
  end(session);
  await deputy.sessionEnded(session);
  const back = new URLSearchParams({ id_token_hint: session.idToken, post_logout_redirect_uri: `${settings.origin}/` });
  response.redirect(303, `/oauth2/sign_out?rd=${encodeURIComponent(`${settings.issuer}/session/end?${back}`)}`);
});

app.use((error, _request, response, _next) => {
  console.error(error);
  response.status(502).json({ error: "unavailable" });
});

rmSync(settings.socket, { force: true });
const server = app.listen(settings.socket, () => {
  // Nobody but this user, and so the proxy that runs as this user, can connect.
  chmodSync(settings.socket, 0o600);
  console.log(`listening on ${settings.socket}, for ${settings.origin}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close(() => process.exit(0)));
