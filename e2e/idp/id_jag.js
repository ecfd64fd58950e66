// ID-JAGs (draft-ietf-oauth-identity-assertion-authz-grant, section 4.3), which `oidc-provider` has not built in: a grant
// type that turns a person's ID token, issued to the client that asks, into an assertion for another authorization server.
import { createPublicKey, randomUUID, sign, verify } from "node:crypto";

const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG = "urn:ietf:params:oauth:token-type:id-jag";
const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token";
const LIFETIME_SECONDS = 300;

/**
 * @param provider the identity provider
 * @param issuer its own issuer
 * @param keys its private keys, as JWKs with `alg` and `kid`
 * @param targets for whom it asserts: `[{ audience, client_id, resources, scopes }]`
 * @param isDisabled whether a person may no longer do anything
 */
export function issueIdJags(provider, issuer, keys, targets, isDisabled) {
  const parameters = ["requested_token_type", "audience", "resource", "scope", "subject_token", "subject_token_type"];
  provider.registerGrantType(TOKEN_EXCHANGE, handle, parameters);

  async function handle(ctx) {
    const { params, client } = ctx.oidc;
    const refuse = (error, words) => {
      ctx.status = 400;
      ctx.body = { error, error_description: words };
    };
    if (params.requested_token_type !== ID_JAG || params.subject_token_type !== ID_TOKEN) {
      return refuse("invalid_request", "only an ID token becomes an ID-JAG here");
    }
    const target = targets.find((one) => one.audience === params.audience);
    if (!target || !target.resources.includes(params.resource)) {
      return refuse("invalid_target", "there is no such audience and resource");
    }
    const claims = ownClaims(params.subject_token, keys);
    const now = Math.floor(Date.now() / 1000);
    if (!claims || claims.iss !== issuer || claims.aud !== client.clientId || claims.exp <= now) {
      return refuse("invalid_grant", "the subject token is not a valid ID token of this client");
    }
    if (isDisabled(claims.sub)) return refuse("access_denied", "the person is disabled");
    const wanted = (params.scope ?? target.scopes.join(" ")).split(" ").filter(Boolean);
    const scope = wanted.filter((word) => target.scopes.includes(word)).join(" ");
    const idJag = {
      iss: issuer,
      sub: claims.sub,
      aud: target.audience,
      client_id: target.client_id,
      resource: params.resource,
      scope,
      jti: randomUUID(),
      iat: now,
      exp: now + LIFETIME_SECONDS,
      auth_time: claims.auth_time,
    };
    ctx.set("cache-control", "no-store");
    ctx.body = {
      issued_token_type: ID_JAG,
      access_token: signed(idJag, keys.find((key) => key.alg === "ES256")),
      token_type: "N_A",
      scope,
      expires_in: LIFETIME_SECONDS,
    };
  }
}

/** The claims of an ID token that one of the keys signed; nothing for any other. */
function ownClaims(token, keys) {
  try {
    const [header, payload, signature, rest] = token.split(".");
    const { alg, kid } = JSON.parse(Buffer.from(header, "base64url"));
    const jwk = keys.find((key) => key.alg === alg && key.kid === kid);
    if (!jwk || rest !== undefined) return undefined;
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const options = alg === "ES256" ? { key, dsaEncoding: "ieee-p1363" } : key;
    const right = verify("sha256", Buffer.from(`${header}.${payload}`), options, Buffer.from(signature, "base64url"));
    return right ? JSON.parse(Buffer.from(payload, "base64url")) : undefined;
  } catch {
    return undefined;
  }
}

function signed(claims, jwk) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${encode({ alg: jwk.alg, typ: "oauth-id-jag+jwt", kid: jwk.kid })}.${encode(claims)}`;
  const signature = sign("sha256", Buffer.from(text), { key: jwk, format: "jwk", dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}
