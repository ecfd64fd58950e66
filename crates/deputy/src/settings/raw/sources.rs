//! Where tools come from: apps and servers, and what their tools do.

use super::Client;
use crate::settings::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A web application whose tabs offer tools.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::settings) struct App {
    /// Its name, the first half of its tools' public names: 1 to 32 of a-z, 0-9 and -.
    #[schemars(extend("examples" = ["crm"]))]
    pub(in crate::settings) name: Located<String>,
    /// The organisation it belongs to; needed where there are `[[tenant]]` blocks.
    #[schemars(extend("examples" = ["acme"]))]
    pub(in crate::settings) tenant: Option<Located<String>>,
    /// The origins of its pages, exact: https, or http on a loopback name.
    #[schemars(extend("examples" = [["https://crm.acme.example"]]))]
    pub(in crate::settings) origins: Located<Vec<Located<String>>>,
    /// What its user tokens are for (`aud`). They open the tab door and nothing else.
    #[schemars(extend("examples" = [["crm-web"]]))]
    pub(in crate::settings) audiences: Located<Vec<Located<String>>>,
    /// The name of the `[[identity_provider]]` of its users.
    #[schemars(extend("examples" = ["acme"]))]
    pub(in crate::settings) identity_provider: Located<String>,
    /// The kind of token it brings for its users. By default `access_token`.
    #[schemars(extend("enum" = ["access_token", "id_token"], "examples" = ["access_token"]))]
    pub(in crate::settings) token: Option<Located<String>>,
    /// The address of its manifest, at one of its origins: then only the definitions that it has are offered, to everybody;
    /// any other waits for a person. Without it the first definition of each tool is pinned for its user.
    #[schemars(extend("examples" = ["https://crm.acme.example/.well-known/deputy-tools.json"]))]
    pub(in crate::settings) manifest: Option<Located<String>>,
    /// What its tools do to the world, by tool name. A tool that is not named counts as `["write", "egress"]`.
    #[serde(default)]
    #[schemars(extend("examples" = [{"delete_contact": ["destructive"]}]))]
    pub(in crate::settings) class: BTreeMap<String, Located<Vec<ClassWord>>>,
}

/// An MCP server: at an address, or a program that the hub starts, or an HTTP interface described by OpenAPI; one of the
/// three.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::settings) struct Server {
    /// Its name, the first half of its tools' public names and its place under `/s/`: 1 to 32 of a-z, 0-9 and -.
    #[schemars(extend("examples" = ["files"]))]
    pub(in crate::settings) name: Located<String>,
    /// The organisation it belongs to; needed where there are `[[tenant]]` blocks.
    #[schemars(extend("examples" = ["acme"]))]
    pub(in crate::settings) tenant: Option<Located<String>>,
    /// Its address (Streamable HTTP, or HTTP+SSE of 2024-11-05).
    #[schemars(extend("examples" = ["https://ledger.acme.example/mcp"]))]
    pub(in crate::settings) url: Option<Located<String>>,
    /// The program to start, and its arguments (stdio). It is started when it is first needed, by itself for each user.
    #[schemars(extend("examples" = [["mcp-server-filesystem", "./docs"]]))]
    pub(in crate::settings) command: Option<Located<Vec<Located<String>>>>,
    /// The environment of the program: this and nothing else, not even `PATH`.
    #[serde(default)]
    #[schemars(extend("examples" = [{"PATH": "/usr/bin:/bin"}]))]
    pub(in crate::settings) env: BTreeMap<String, Located<String>>,
    /// The folder that the program runs in; relative to this file. By default this file's own.
    #[schemars(extend("examples" = ["./files"]))]
    pub(in crate::settings) folder: Option<Located<String>>,
    /// Whether all users share one process. Only for programs that remember nothing of who asked. By default `false`.
    #[schemars(extend("examples" = [false]))]
    pub(in crate::settings) shared: Option<Located<bool>>,
    /// The OpenAPI 3 document of an HTTP interface: an address, or a file relative to this file. Each operation is a tool.
    #[schemars(extend("examples" = ["./ledger.openapi.json"]))]
    pub(in crate::settings) openapi: Option<Located<String>>,
    /// Where the HTTP interface is; by default the document's first server.
    #[schemars(extend("examples" = ["https://ledger.acme.example/v1"]))]
    pub(in crate::settings) base_url: Option<Located<String>>,
    /// The operations that become tools, by `operationId` or `GET /path`; by default all.
    #[schemars(extend("examples" = [["listEntries"]]))]
    pub(in crate::settings) include: Option<Vec<Located<String>>>,
    /// Operations that do not.
    #[serde(default)]
    #[schemars(extend("examples" = [["deleteEverything"]]))]
    pub(in crate::settings) exclude: Vec<Located<String>>,
    /// By which right it is called: `open`, it needs none; `vault`, by headers sealed with `deputy vault put`: it then acts
    /// as that service account; `id_jag`, `token_exchange`, `entra_obo`, `google_sts`, by a token for the user, from the
    /// organisation's own identity provider (needs `[sign_in]`); `user_oauth`, by a token that each user consented to at the
    /// server's own authorization server (needs `[sign_in]` and `[vault]`); `client_credentials`, by a token for the hub itself.
    /// By default `open`.
    #[schemars(extend(
        "enum" = [
            "open", "vault", "id_jag", "token_exchange", "entra_obo", "google_sts", "user_oauth", "client_credentials"
        ],
        "examples" = ["id_jag"]
    ))]
    pub(in crate::settings) credential: Option<Located<String>>,
    /// The issuer of the authorization server that gives tokens for it, exact; for `id_jag`, `user_oauth` and
    /// `client_credentials`. It is pinned here and never learned from the server.
    #[schemars(extend("examples" = ["https://ledger.acme.example"]))]
    pub(in crate::settings) authorization_server: Option<Located<String>>,
    /// Where tokens are had, if it is not to be learned from the metadata of the `authorization_server` or the provider, or is
    /// on another origin than that.
    #[schemars(extend("examples" = ["https://login.acme.example/oauth/token"]))]
    pub(in crate::settings) token_endpoint: Option<Located<String>>,
    /// With `user_oauth`: where people consent, if it is not to be learned from the metadata of the `authorization_server`, or
    /// is on another origin than that.
    #[schemars(extend("examples" = ["https://login.acme.example/oauth/authorize"]))]
    pub(in crate::settings) authorization_endpoint: Option<Located<String>>,
    /// With `user_oauth`: what the `authorization_server` wants to be told beyond the standard when somebody is sent there to
    /// consent. Google gives a refresh token only with the two of the example. What the hub itself says (`state`,
    /// `redirect_uri`, `scope` and the like) is refused.
    #[serde(default)]
    #[schemars(extend("examples" = [{"access_type": "offline", "prompt": "consent"}]))]
    pub(in crate::settings) authorization_parameters: BTreeMap<String, Located<String>>,
    /// Its identifier (RFC 8707, RFC 9728), exact; by default its `url`. With `user_oauth`, where it is not written, what the
    /// server calls itself, if that is its `url` or a place above it.
    #[schemars(extend("examples" = ["https://ledger.acme.example/mcp"]))]
    pub(in crate::settings) resource: Option<Located<String>>,
    /// The most that its tokens may allow. With `user_oauth`, where they are not written, what the server asks for.
    #[schemars(extend("examples" = [["ledger.read"]]))]
    pub(in crate::settings) scopes: Option<Located<Vec<Located<String>>>>,
    /// With `token_exchange`: scopes that the provider adds of itself, and that may come back though nobody asked.
    #[schemars(extend("examples" = [["profile", "email"]]))]
    pub(in crate::settings) unasked_scopes: Option<Located<Vec<Located<String>>>>,
    /// With `token_exchange`, where the provider's administrators define types of their own (Auth0's Custom Token Exchange):
    /// the type under which the hub's own ID token is sent. By default the hub's access token is, under the registered type.
    #[schemars(extend("examples" = ["urn:acme:deputy-sign-in"]))]
    pub(in crate::settings) subject_token_type: Option<Located<String>>,
    /// The `[[identity_provider]]` that gives or vouches for its tokens; needed where people sign in through several.
    #[schemars(extend("examples" = ["acme"]))]
    pub(in crate::settings) identity_provider: Option<Located<String>>,
    /// With `token_exchange`: its client id at the provider. With `google_sts`: the pool and its provider.
    #[schemars(extend("examples" = ["ledger"]))]
    pub(in crate::settings) audience: Option<Located<String>>,
    /// With `google_sts`: the project that is billed.
    #[schemars(extend("examples" = ["acme-tools"]))]
    pub(in crate::settings) user_project: Option<Located<String>>,
    /// The hub's own client at the `authorization_server`. By default, with `id_jag` and `user_oauth`, the hub's own document,
    /// `{public_url}/oauth/client.json`, with the hub's own key.
    pub(in crate::settings) client: Option<Client>,
    /// With `user_oauth`: whether the hub registers itself there, once, where its own document is not read (RFC 7591). By default
    /// `false`.
    #[schemars(extend("examples" = [true]))]
    pub(in crate::settings) register: Option<Located<bool>>,
    /// Whether its definitions count from their first use (`first_use`), or not before an administrator has accepted each
    /// with `deputy tools accept` (`review`). A change waits for one either way. By default `first_use`.
    #[schemars(extend("enum" = ["first_use", "review"], "examples" = ["review"]))]
    pub(in crate::settings) trust: Option<Located<String>>,
    /// How long one of its answers may take when it is asked for a list: 1s to 10m, by default 30s.
    #[schemars(extend("examples" = ["30s"]))]
    pub(in crate::settings) timeout: Option<Located<String>>,
    /// How long a call of it may run when the agent names no deadline: 1s to 10m, by default the hub's `call_deadline`.
    #[schemars(extend("examples" = ["5m"]))]
    pub(in crate::settings) call_deadline: Option<Located<String>>,
    /// Bytes that one of its answers may have: 1024 to 268435456, by default 16777216.
    #[schemars(extend("examples" = [16_777_216]))]
    pub(in crate::settings) answer_bytes: Option<Located<i64>>,
    /// What its tools do to the world, by tool name; its other methods by theirs (`"resources/read"`). A tool that is not
    /// named counts as `["write", "egress"]`.
    #[serde(default)]
    #[schemars(extend("examples" = [{"delete_entry": ["destructive"]}]))]
    pub(in crate::settings) class: BTreeMap<String, Located<Vec<ClassWord>>>,
}

/// A word of a class.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::settings) struct ClassWord(pub(in crate::settings) String);

/// The words of [`ClassWord`].
pub(in crate::settings) const CLASS_WORDS: &[&str] = &["read", "write", "destructive", "egress"];

impl JsonSchema for ClassWord {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClassWord".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": CLASS_WORDS })
    }
}
