// The identity provider of the small world: npm `oidc-provider` and nothing but its configuration.
//
//   node server.js --port 7071 --issuer http://127.0.0.1:7071 \
//     --hub http://127.0.0.1:7070 --crm http://crm.localhost:7072
//
// Everybody's password is accepted; only the three people below exist. Keys and state live in memory.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import Provider, { errors } from "oidc-provider";
import { issueIdJags } from "./id_jag.js";

const { values: options } = parseArgs({
  options: {
    port: { type: "string" },
    issuer: { type: "string" },
    hub: { type: "string" },
    crm: { type: "string" },
    // For whom ID-JAGs are issued, as JSON: [{ audience, client_id, resources, scopes }].
    "id-jag": { type: "string", default: "[]" },
    // More applications that sign people in, as JSON: clients as `oidc-provider` describes them.
    clients: { type: "string", default: "[]" },
  },
});
for (const name of ["port", "issuer", "hub", "crm"]) {
  if (!options[name]) throw new Error(`--${name} is missing`);
}
const { port, issuer, hub, crm } = options;
const applications = JSON.parse(options.clients);
const signingIn = ["crm-web", "deputy", ...applications.map((client) => client.client_id)];

const people = {
  alice: { name: "Alice Adler", email: "alice@acme.example", groups: ["sales"] },
  bob: { name: "Bob Brandt", email: "bob@acme.example", groups: ["sales"] },
  carol: { name: "Carol Castro", email: "carol@acme.example", groups: [] },
};

// Who was disabled: `POST /admin/disable?person=alice`, as an administrator would in a real provider's console.
const disabled = new Set();

const accessTokenSeconds = 30 * 60;

const keys = [key("rsa", { modulusLength: 2048 }, "RS256"), key("ec", { namedCurve: "P-256" }, "ES256")];
const provider = new Provider(issuer, {
  jwks: { keys },
  cookies: { keys: [randomBytes(32).toString("base64url")] },
  clients: [
    {
      client_id: "crm-web",
      client_name: "Acme CRM",
      client_secret: "crm-web-secret-of-the-small-world",
      grant_types: ["authorization_code"],
      redirect_uris: [`${crm}/callback`],
      post_logout_redirect_uris: [`${crm}/`, `${crm}/plain`],
    },
    {
      client_id: "deputy",
      client_name: "Deputy",
      client_secret: "deputy-secret-of-the-small-world",
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"],
      redirect_uris: [`${hub}/login/callback`],
      backchannel_logout_uri: `${hub}/logout/backchannel`,
      backchannel_logout_session_required: true,
    },
    {
      client_id: "deputy-cli",
      client_name: "deputy on the command line",
      application_type: "native",
      token_endpoint_auth_method: "none",
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code"],
      redirect_uris: [],
      response_types: [],
    },
    ...applications,
  ],
  // The small world is all on loopback, which the provider's own guard takes for an attack.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  findAccount: (_, id) =>
    Object.hasOwn(people, id) && !disabled.has(id) ? { accountId: id, claims: () => ({ sub: id, ...people[id] }) } : undefined,
  claims: { openid: ["sub"], profile: ["name"], email: ["email"], groups: ["groups"] },
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    backchannelLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_, client, oneOf) => (signingIn.includes(client.clientId) ? undefined : (oneOf ?? `${hub}/mcp`)),
      useGrantedResource: () => true,
      getResourceServerInfo(_, resource, client) {
        // `/api` is for people: an agent's client gets no token for it.
        if (resource === `${hub}/api` && client.clientId !== "deputy-cli") throw new errors.InvalidTarget();
        if (resource !== `${hub}/mcp` && resource !== `${hub}/api` && !resource.startsWith(`${hub}/s/`)) {
          throw new errors.InvalidTarget();
        }
        return {
          scope: "",
          audience: resource,
          accessTokenTTL: accessTokenSeconds,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        };
      },
    },
  },
  // An MCP client without `offline_access` may refresh too, for as long as the person stays signed in here.
  issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
  ttl: {
    AccessToken: accessTokenSeconds,
    DeviceCode: 10 * 60,
    Grant: 14 * 24 * 3600,
    IdToken: 8 * 3600,
    Interaction: 3600,
    RefreshToken: 24 * 3600,
    Session: 24 * 3600,
  },
});

issueIdJags(provider, issuer, keys, JSON.parse(options["id-jag"]), (person) => disabled.has(person));

provider.use(async (ctx, next) => {
  if (ctx.method !== "POST" || ctx.path !== "/admin/disable") return next();
  const person = ctx.query.person;
  disabled.add(person);
  // Everybody who was told that this person is signed in is told that they no longer are.
  const hubsClient = await provider.Client.find("deputy");
  await hubsClient.backchannelLogout(person).catch((error) => console.error(`back-channel logout: ${error.message}`));
  ctx.status = 204;
});

const server = provider.listen(Number(port), "127.0.0.1", () => console.log(`identity provider: ${issuer}`));
// A client that waits for a person in between must not find its connection closing just as it comes back.
server.keepAliveTimeout = 120_000;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}

/** A fresh private key as a JWK that says what it is for. */
function key(type, parameters, alg) {
  const jwk = generateKeyPairSync(type, parameters).privateKey.export({ format: "jwk" });
  return { ...jwk, alg, use: "sig", kid: `${alg.toLowerCase()}-${randomBytes(6).toString("hex")}` };
}
