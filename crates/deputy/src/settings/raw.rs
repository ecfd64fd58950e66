//! What `deputy.toml` may hold, word for word: the one description from which both the published JSON schema and the
//! check of keys and types come. Meaning is checked afterwards, in [`super::meaning`].
//!
//! Doc comments here are the descriptions in the schema, so they speak to whoever writes the file.

pub(super) mod guard;
mod sign_in;
mod sources;

pub(super) use sign_in::{ApprovedAgent, SignIn};
pub(super) use sources::{App, ClassWord, Server};

use super::located::Located;
use deputy_identity::provider::Preset;
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of a Deputy hub.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "deputy.toml")]
pub(super) struct File {
    /// The hub itself.
    pub(super) hub: Hub,
    /// One block for each organisation, only where one hub serves more than one.
    #[serde(default)]
    pub(super) tenant: Vec<Tenant>,
    /// Who vouches for people. At least one.
    #[schemars(extend("examples" = [[{"name": "acme", "issuer": "https://idp.acme.example"}]]))]
    pub(super) identity_provider: Located<Vec<IdentityProvider>>,
    /// Web applications whose tabs offer tools.
    #[serde(default)]
    pub(super) app: Vec<App>,
    /// MCP servers whose tools, prompts and resources are offered.
    #[serde(default)]
    #[schemars(extend("examples" = [[{"name": "files", "command": ["mcp-server-filesystem", "./docs"]}]]))]
    pub(super) server: Vec<Server>,
    /// People sign in at the hub, and agents get their tokens from it. Without it agents bring tokens that the identity
    /// provider itself issued for the hub.
    pub(super) sign_in: Option<Located<SignIn>>,
    /// Who may do what.
    pub(super) policy: Option<Policy>,
    /// How often calls may be performed. A call must be within every limit that counts it.
    #[serde(default)]
    #[schemars(extend("examples" = [[{"name": "writes", "calls": 60, "per": "1m"}]]))]
    pub(super) limit: Vec<Limit>,
    /// What the audit log holds. That it holds every call cannot be changed.
    pub(super) audit: Option<Audit>,
    /// Where the key of the vault is. Without it the vault is sealed.
    pub(super) vault: Option<Vault>,
    /// Where traces of calls go. Without it none are made.
    pub(super) telemetry: Option<Telemetry>,
}

/// Where traces of calls go. They hold no arguments, no answers and no people.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Telemetry {
    /// The address of an OpenTelemetry collector (OTLP over HTTP), without `/v1/traces`. Plain http is for this machine and
    /// for the inside: hosts with a private address.
    #[schemars(extend("examples" = ["http://collector:4318"]))]
    pub(super) otlp_endpoint: Located<String>,
    /// Headers that the collector wants, one `name: value` in a line. Never the headers themselves; not with plain http, but
    /// on this machine.
    #[schemars(extend("examples" = [{"file": "otlp.headers"}]))]
    pub(super) otlp_headers: Option<Located<SecretSource>>,
    /// Which part of calls is traced, from 0.0 to 1.0, by default 1.0. Where a client brings a trace of its own, the client's
    /// word holds.
    #[schemars(extend("examples" = [0.1]))]
    pub(super) sample: Option<Located<f64>>,
    /// What the hub calls itself in traces (`service.name`), by default `deputy`.
    #[schemars(extend("examples" = ["deputy"]))]
    pub(super) service_name: Option<Located<String>>,
}

/// Where the key of the vault is.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Vault {
    /// Where the master key is; `deputy vault key` makes one. Never the key itself, and never in the data directory.
    #[schemars(extend("examples" = [{"file": "/etc/deputy/vault.key"}]))]
    pub(super) master_key: Located<MasterKey>,
}

/// Where the master key is: a file or a systemd credential, one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct MasterKey {
    /// A file that holds the key and nothing else; relative to this file.
    #[schemars(extend("examples" = ["/etc/deputy/vault.key"]))]
    pub(super) file: Option<Located<String>>,
    /// The name of a systemd credential (`LoadCredential=`, `LoadCredentialEncrypted=`) that holds the key.
    #[schemars(extend("examples" = ["deputy-vault-key"]))]
    pub(super) credential: Option<Located<String>>,
}

/// The hub itself.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Hub {
    /// IP address and port to listen on. TLS is the business of the proxy in front.
    #[schemars(extend("examples" = ["127.0.0.1:7070"]))]
    pub(super) listen: Located<String>,
    /// The origin under which browsers and agents reach the hub. Tokens for `/mcp` carry exactly this + `/mcp` as audience.
    #[schemars(extend("examples" = ["https://hub.acme.example"]))]
    pub(super) public_url: Located<String>,
    /// Where the hub keeps its database and its log key; relative to this file.
    #[schemars(extend("examples" = ["./data"]))]
    pub(super) data_dir: Located<String>,
    /// How long a call waits for a person's decision before it is refused: 10s to 24h, by default 10m.
    #[schemars(extend("examples" = ["10m"]))]
    pub(super) approval_wait: Option<Located<String>>,
    /// How long after a person's approval the call may still start: 1s to 10m, by default 2m.
    #[schemars(extend("examples" = ["2m"]))]
    pub(super) approval_execution: Option<Located<String>>,
    /// How long a call may run when the agent names no deadline: 1s to 10m, by default 60s.
    #[schemars(extend("examples" = ["60s"]))]
    pub(super) call_deadline: Option<Located<String>>,
    /// IP address and port for operators' own requests: `/metrics` (Prometheus), `/readyz` with the state of every server.
    /// Nobody signs in there, so it is where only operators are. Without it there is none.
    #[schemars(extend("examples" = ["127.0.0.1:9464"]))]
    pub(super) operations_listen: Option<Located<String>>,
    /// The client id at the identity provider with which `deputy approve` signs people in (OAuth 2.0 device grant).
    #[schemars(extend("examples" = ["deputy-cli"]))]
    pub(super) cli_client_id: Option<Located<String>>,
    /// The groups whose people may stop and resume things over the API, as their tokens name them. By default nobody; on
    /// the hub's own machine `deputy stop` works in any case.
    #[serde(default)]
    #[schemars(extend("examples" = [["deputy-operators"]]))]
    pub(super) operator_groups: Vec<Located<String>>,
    /// What `/mcp` lists to an agent whose address does not say it (`?tools=all`, `?tools=search`): all tools (`all`), or
    /// one that finds tools and one that calls what was found (`search`). By default `all`.
    #[schemars(extend("enum" = ["all", "search"], "examples" = ["search"]))]
    pub(super) tools: Option<Located<String>>,
}

/// An organisation.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Tenant {
    /// Its name: 1 to 32 of a-z, 0-9 and -.
    #[schemars(extend("examples" = ["acme"]))]
    pub(super) name: Located<String>,
}

/// Who vouches for people.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct IdentityProvider {
    /// Its name in this file.
    #[schemars(extend("examples" = ["acme"]))]
    pub(super) name: Located<String>,
    /// The organisation it belongs to; needed where there are `[[tenant]]` blocks.
    #[schemars(extend("examples" = ["acme"]))]
    pub(super) tenant: Option<Located<String>>,
    /// Which product it is; a page about each is in `docs/guide/providers`. By default `oidc`: any OpenID Connect provider.
    #[schemars(extend("enum" = Preset::NAMES, "examples" = ["okta"]))]
    pub(super) preset: Option<Located<String>>,
    /// The `iss` of its tokens, byte for byte.
    #[schemars(extend("examples" = ["https://idp.acme.example"]))]
    pub(super) issuer: Located<String>,
    /// The provider's own tenants whose people are let in: organisations, Workspace domains, Entra directories. Required
    /// where the product has any; `[]` means people who are in none.
    #[schemars(extend("examples" = [["org_9ybsU1dN2dKfDkBi"]]))]
    pub(super) provider_tenants: Option<Located<Vec<Located<String>>>>,
    /// The claim that names the provider's tenant: a name, or a JSON pointer if it starts with `/`. By default the preset's.
    #[schemars(extend("examples" = ["org_id"]))]
    pub(super) tenant_claim: Option<Located<String>>,
    /// Where its key set is. By default discovery says; with this, nothing is learned from discovery.
    #[schemars(extend("examples" = ["https://idp.acme.example/jwks"]))]
    pub(super) jwks_uri: Option<Located<String>>,
    /// Where its discovery document is. By default the issuer + `/.well-known/openid-configuration`.
    #[schemars(extend("examples" = ["https://idp.acme.example/.well-known/openid-configuration"]))]
    pub(super) discovery_url: Option<Located<String>>,
    /// The signature algorithms its tokens may use. By default the preset's; for `oidc` all of these.
    #[schemars(extend("examples" = [["RS256"]]))]
    pub(super) algorithms: Option<Located<Vec<Algorithm>>>,
    /// The claim that lists a person's groups, for policies: a name, or a JSON pointer if it starts with `/`. By default the preset's; for `oidc` `groups`.
    #[schemars(extend("examples" = ["groups"]))]
    pub(super) groups_claim: Option<Located<String>>,
    /// The hub's own client at this provider.
    #[schemars(extend("examples" = [{"id": "deputy", "secret": {"file": "idp.secret"}}]))]
    pub(super) client: Option<Client>,
    /// How access tokens say that they are: `at+jwt` requires `typ` `at+jwt` (RFC 9068); `allow_untyped` also takes `typ`
    /// `JWT` or none, for providers that cannot do better. By default the preset's; for `oidc` `at+jwt`.
    #[schemars(extend("enum" = ["at+jwt", "allow_untyped"], "examples" = ["at+jwt"]))]
    pub(super) access_token_type: Option<Located<String>>,
    /// The longest lifetime (`exp` - `iat`) that a token may have: 1m to 24h, by default 24h.
    #[schemars(extend("examples" = ["24h"]))]
    pub(super) max_token_lifetime: Option<Located<String>>,
    /// Whether it is asked about each of its access tokens (RFC 7662), by the hub's own `client`: for tokens that live long
    /// after they were revoked. A yes is believed for 20 s; where it does not answer nobody is let in. By default not.
    #[schemars(extend("examples" = [true]))]
    pub(super) introspection: Option<bool>,
    /// Where it is asked about tokens. By default its discovery document says.
    #[schemars(extend("examples" = ["https://idp.acme.example/introspect"]))]
    pub(super) introspection_url: Option<Located<String>>,
    /// Its stream of security events (Shared Signals Framework: CAEP, RISC), pushed to `/events/ssf` or fetched. Without it no
    /// event is taken. Logout tokens are taken at `/logout/backchannel` from every provider that has a `client`.
    #[schemars(extend("examples" = [{"audience": "https://hub.acme.example/events/ssf", "push_token": {"file": "events.secret"}}]))]
    pub(super) events: Option<Events>,
}

/// A provider's stream of security events.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Events {
    /// What the stream calls the hub (`aud`).
    #[schemars(extend("examples" = ["https://hub.acme.example/events/ssf"]))]
    pub(super) audience: Located<String>,
    /// Where the secret is that a push brings in `Authorization`, as it is or as a bearer token. Events are signed in any case.
    #[schemars(extend("examples" = [{"file": "events.secret"}]))]
    pub(super) push_token: Option<Located<SecretSource>>,
    /// Where events are fetched (RFC 8936), instead of being pushed.
    #[schemars(extend("examples" = ["https://idp.acme.example/ssf/poll"]))]
    pub(super) poll: Option<Located<String>>,
    /// Where the token is with which they are fetched.
    #[schemars(extend("examples" = [{"env": "DEPUTY_EVENTS_TOKEN"}]))]
    pub(super) token: Option<Located<SecretSource>>,
}

/// The name of a signature algorithm.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Algorithm(pub(super) String);

/// The hub's own client at an identity provider.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Client {
    /// Its `client_id`.
    #[schemars(extend("examples" = ["deputy"]))]
    pub(super) id: Located<String>,
    /// Where its secret is. Never the secret itself.
    #[schemars(extend("examples" = [{"file": "idp.secret"}]))]
    pub(super) secret: Option<Located<SecretSource>>,
    /// Instead of a secret: where the private key is with which it signs assertions (RFC 7523), PKCS#8 in PEM: P-256, RSA of
    /// 2048 bits or more, or Ed25519. Its public half is at `/.well-known/jwks.json`. Never the key itself.
    #[schemars(extend("examples" = [{"file": "idp-key.pem"}]))]
    pub(super) private_key_jwt: Option<Located<SecretSource>>,
    /// Whether the secret goes into the form (`client_secret_post`) and not into the header (`client_secret_basic`): for
    /// servers that take no other. By default `false`.
    #[schemars(extend("examples" = [true]))]
    pub(super) secret_in_form: Option<Located<bool>>,
    /// With `private_key_jwt`: for whom the assertions are (`aud`). By default the issuer; with the preset `okta` the token
    /// endpoint.
    #[schemars(extend("examples" = ["https://login.acme.example/oauth/token"]))]
    pub(super) assertion_audience: Option<Located<String>>,
}

/// Where a secret is: a file or an environment variable, one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SecretSource {
    /// A file that holds the secret and nothing else; relative to this file.
    #[schemars(extend("examples" = ["idp.secret"]))]
    pub(super) file: Option<Located<String>>,
    /// The name of an environment variable that holds the secret.
    #[schemars(extend("examples" = ["DEPUTY_IDP_SECRET"]))]
    pub(super) env: Option<Located<String>>,
}

/// Who may do what.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Policy {
    /// A directory of `*.cedar` files; relative to this file. Without it the shipped policy holds.
    #[schemars(extend("examples" = ["./policy"]))]
    pub(super) dir: Option<Located<String>>,
}

/// How often calls may be performed; each organisation has its own count.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Limit {
    /// Its name, shown to agents and in the log: 1 to 32 of a-z, 0-9 and -.
    #[schemars(extend("examples" = ["writes"]))]
    pub(super) name: Located<String>,
    /// How many calls, at least 1.
    #[schemars(extend("examples" = [60]))]
    pub(super) calls: Located<i64>,
    /// In how long a time: 1s to 31d. The time slides: there are never more calls in any stretch of this length.
    #[schemars(extend("examples" = ["1m"]))]
    pub(super) per: Located<String>,
    /// Counted apart for each combination of these; by default all calls together. `agent` is the verified client id.
    #[serde(default)]
    #[schemars(extend("examples" = [["user", "agent", "tool"]]))]
    pub(super) each: Vec<EachWord>,
    /// Counts only calls of this `[[app]]` or `[[server]]`.
    #[schemars(extend("examples" = ["crm"]))]
    pub(super) source: Option<Located<String>>,
    /// Counts only calls of this tool; with `source`.
    #[schemars(extend("examples" = ["add_note"]))]
    pub(super) tool: Option<Located<String>>,
    /// Counts only tools of at least one of these classes: `write` counts what destroys, too.
    #[schemars(extend("examples" = [["write"]]))]
    pub(super) class: Option<Located<Vec<ClassWord>>>,
}

/// A word of `each`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct EachWord(pub(super) String);

/// The words of [`EachWord`].
pub(super) const EACH_WORDS: &[&str] = &["user", "agent", "tool"];

impl JsonSchema for EachWord {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EachWord".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": EACH_WORDS })
    }
}

/// What the audit log holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Audit {
    /// How much of a call's arguments is recorded, in the part that can be erased: `none`, `hash` (default), `redacted`
    /// (without what the tool's schema marks and what looks like a secret), or `full`.
    #[schemars(extend("enum" = ["none", "hash", "redacted", "full"], "examples" = ["redacted"]))]
    pub(super) arguments: Option<Located<String>>,
    /// How long lines keep their bytes: 180d or more. Older ones are pruned: their hashes stay, so that the log and its
    /// proofs verify as before. Without it nothing is ever pruned. For less than 180 days say so: `only 30d`.
    #[schemars(extend("examples" = ["400d"]))]
    pub(super) keep: Option<Located<String>>,
    /// Where signed checkpoints are carried, so that a log that was cut, put back or made anew is found out.
    #[serde(default)]
    #[schemars(extend("examples" = [[{"webhook": "https://witness.acme.example/checkpoints"}]]))]
    pub(super) publish: Vec<Located<Publish>>,
}

/// A place for checkpoints: a file, a webhook or a bucket, one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Publish {
    /// A path; relative to this file. `{tenant}` and `{size}` stand for the log's tenant and its number of lines: with
    /// `{size}` each checkpoint has a file of its own, without it the file holds the newest.
    #[schemars(extend("examples" = ["/mnt/vault/{tenant}-{size}.checkpoint"]))]
    pub(super) file: Option<Located<String>>,
    /// An address that takes a `POST` of JSON with `log`, `size` and `checkpoint`.
    #[schemars(extend("examples" = ["https://witness.acme.example/checkpoints"]))]
    pub(super) webhook: Option<Located<String>>,
    /// An S3-like bucket, as `https://host/bucket`: each checkpoint is an object of its own, written once.
    #[schemars(extend("examples" = ["https://s3.eu-central-1.amazonaws.com/acme-audit"]))]
    pub(super) bucket: Option<Located<String>>,
    /// For a bucket: where the names of its objects begin. `{tenant}` stands for the log's tenant; the number of lines and
    /// `.checkpoint` come after it.
    #[schemars(extend("examples" = ["deputy/{tenant}/"]))]
    pub(super) prefix: Option<Located<String>>,
    /// For a bucket, required: its region, as signatures name it.
    #[schemars(extend("examples" = ["eu-central-1"]))]
    pub(super) region: Option<Located<String>>,
    /// For a bucket, required: the id of the access key.
    #[schemars(extend("examples" = ["AKIAIOSFODNN7EXAMPLE"]))]
    pub(super) access_key_id: Option<Located<String>>,
    /// For a bucket, required: where the access key's secret is. Never the secret itself.
    #[schemars(extend("examples" = [{"file": "s3.secret"}]))]
    pub(super) secret_access_key: Option<Located<SecretSource>>,
    /// For a bucket with object lock: for how long nobody may delete or change a checkpoint, 1d or more.
    #[schemars(extend("examples" = ["400d"]))]
    pub(super) retain: Option<Located<String>>,
}

/// The words of [`Algorithm`]: asymmetric ones only (A3).
pub(super) const ALGORITHM_WORDS: &[&str] =
    &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

impl JsonSchema for Algorithm {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Algorithm".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": ALGORITHM_WORDS })
    }
}
