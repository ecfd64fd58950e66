//! `[sign_in]`: people sign in at the hub, and agents get their tokens from it.

use super::{ClassWord, Located};
use schemars::JsonSchema;
use serde::Deserialize;

/// People sign in at the hub through their identity provider, and agents get their tokens from the hub. Without this block
/// agents bring tokens that the provider itself issued for the hub. Each provider that people may use needs a `client`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::settings) struct SignIn {
    /// The identity providers through which people sign in. By default every one that has a `client`.
    #[schemars(extend("examples" = [["acme"]]))]
    pub(in crate::settings) identity_providers: Option<Located<Vec<Located<String>>>>,
    /// What the hub asks of the provider, beside `openid`. By default `profile`; `offline_access`, where the provider wants
    /// it, for tokens that are renewed without the person.
    #[schemars(extend("examples" = [["profile", "groups", "offline_access"]]))]
    pub(in crate::settings) scopes: Option<Located<Vec<Located<String>>>>,
    /// How long a person stays signed in at the hub: 5m to 7d, by default 12h.
    #[schemars(extend("examples" = ["12h"]))]
    pub(in crate::settings) session: Option<Located<String>>,
    /// How long an agent's permission lasts unless it is renewed, which happens silently while the person stays signed in: 1m
    /// to 24h, by default 30m.
    #[schemars(extend("examples" = ["30m"]))]
    pub(in crate::settings) grant: Option<Located<String>>,
    /// How long an access token of the hub's own lasts: 30s to 1h, by default 5m.
    #[schemars(extend("examples" = ["5m"]))]
    pub(in crate::settings) token: Option<Located<String>>,
    /// After how long the provider is asked again about a person: 30s to 1h, by default 5m. Whoever was disabled there, and
    /// of whom no logout was told, is out after this time at the latest.
    #[schemars(extend("examples" = ["5m"]))]
    pub(in crate::settings) ask_again: Option<Located<String>>,
    /// Whether clients that have no Client ID Metadata Document may register themselves (RFC 7591): anybody can, so by
    /// default they may not.
    #[schemars(extend("examples" = [true]))]
    pub(in crate::settings) dynamic_registration: Option<bool>,
    /// Agents that are approved for everyone: nobody is asked about them.
    #[serde(default)]
    pub(in crate::settings) agent: Vec<ApprovedAgent>,
}

/// An agent that may act for everybody without a page.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::settings) struct ApprovedAgent {
    /// Its client id: the address of its Client ID Metadata Document, or an id that was registered.
    #[schemars(extend("examples" = ["https://agent.acme.example/client.json"]))]
    pub(in crate::settings) client: Located<String>,
    /// The most that its calls may do: `read`, `write` or `destructive`. By default `read`.
    #[schemars(extend("examples" = ["write"]))]
    pub(in crate::settings) most: Option<Located<ClassWord>>,
    /// The apps and servers that it may use. By default all.
    #[schemars(extend("examples" = [["crm"]]))]
    pub(in crate::settings) sources: Option<Vec<Located<String>>>,
    /// The organisation, where there are `[[tenant]]` blocks.
    #[schemars(extend("examples" = ["acme"]))]
    pub(in crate::settings) tenant: Option<Located<String>>,
}
