//! The usual mistakes in setting up a provider, each with its mend. [`config`] finds those that the configuration shows by
//! itself, [`document`] those that the provider's own discovery document shows.

pub(super) mod config;
pub(super) mod document;
#[cfg(test)]
mod tests;

use super::Finding;
use crate::cli::terminal::harmless;

/// What a stranger wrote is shown this long.
const MOST_CHARS: usize = 120;

/// A usual mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mistake {
    /// `id_jag` through a custom server of Okta.
    CustomServer {
        /// The organisation's own issuer.
        organisation: String,
    },
    /// A kind of `credential` that the product does not have.
    OtherLane {
        /// The product.
        preset: &'static str,
        /// What is configured.
        credential: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// No `scopes` where the provider wants one.
    NoScopes {
        /// The product.
        product: &'static str,
        /// What to write.
        example: &'static str,
    },
    /// Auth0 without a type of one's own.
    NoOwnType,
    /// A type of one's own where there are none.
    StrayOwnType {
        /// The product.
        preset: &'static str,
    },
    /// `entra_obo` with tokens that are for Graph.
    NoOwnScope {
        /// The hub's client there.
        client: String,
    },
    /// Entra ID wants a certificate's thumbprint.
    Certificate,
    /// v2 tokens of Entra ID have a GUID as audience.
    AudienceNoGuid {
        /// What is configured.
        audience: String,
    },
    /// An application's access tokens are for an API and not for its client.
    AudienceIsClient,
    /// Cognito puts the client where others put an address.
    AudienceIsAddress {
        /// What is configured.
        audience: String,
    },
    /// A scope that the product refuses.
    OfflineUnknown {
        /// The product.
        preset: &'static str,
    },
    /// Refresh tokens that outlive the session.
    OfflineOutlives,
    /// No refresh token, so nobody is asked again.
    NoOffline,
    /// ID tokens that name no organisation, where one is wanted.
    NoOrganisation {
        /// The product.
        preset: &'static str,
    },
    /// A pool that is none of people.
    MachinePool,
    /// Nobody pays.
    NoProject,
    /// The document is somebody else's.
    OtherIssuer {
        /// What it says.
        found: String,
        /// What is configured.
        configured: String,
    },
    /// An address that signing in needs.
    NoEndpoint(&'static str),
    /// PKCE without S256.
    NoPkce,
    /// The client shows who it is in a way that is not offered.
    OtherAuthentication {
        /// What the hub would send.
        method: &'static str,
        /// What is offered.
        offered: Vec<String>,
    },
    /// ID tokens with algorithms that are not configured.
    OtherAlgorithm {
        /// What is offered.
        offered: Vec<String>,
    },
    /// ID tokens signed with the client's secret alone.
    SharedSecret,
    /// Scopes that are not offered.
    OtherScopes(Vec<String>),
    /// No token exchange.
    NoExchange,
    /// It does not say that it issues ID-JAGs.
    NoIdJag,
    /// Nowhere to ask about tokens.
    NoIntrospection,
    /// Its clock, or this machine's.
    Clock {
        /// By how many seconds the provider is ahead.
        ahead_seconds: i64,
    },
}

impl Mistake {
    /// As it is told, of a provider, an app or a server.
    pub(super) fn finding(&self, place: &str) -> Finding {
        let (what, mend) = self.told();
        let (text, mend) = (harmless(&format!("{place}: {what}")), harmless(&mend));
        if self.stops_something() { Finding::bad(text, mend) } else { Finding::warning(text, mend) }
    }

    /// Whether something does not work as it is; else it works worse than it could, or perhaps.
    const fn stops_something(&self) -> bool {
        !matches!(
            self,
            Self::Certificate
                | Self::AudienceIsAddress { .. }
                | Self::OfflineOutlives
                | Self::NoOffline
                | Self::NoOrganisation { .. }
                | Self::NoProject
                | Self::NoPkce
                | Self::OtherScopes(_)
                | Self::NoIdJag
        )
    }

    fn told(&self) -> (String, String) {
        let (what, mend) = match self {
            Self::CustomServer { organisation } => (
                "a custom authorization server of Okta issues no ID-JAGs".to_owned(),
                format!("let people sign in through an `[[identity_provider]]` with `issuer = \"{organisation}\"`, and name that one here as `identity_provider`"),
            ),
            Self::OtherLane { preset, credential, instead } => (
                format!("`{preset}` does not give tokens by `{credential}`"),
                (*instead).to_owned(),
            ),
            Self::NoScopes { product, example } => (
                format!("there are no `scopes`, and {product} refuses an exchange without"),
                format!("write `scopes = [\"{example}\"]`, as they are registered there"),
            ),
            Self::NoOwnType => (
                "Auth0 exchanges nothing under a registered type of token".to_owned(),
                "write `subject_token_type = \"urn:acme:deputy-sign-in\"`, the type of your Custom Token Exchange profile (docs/guide/providers/auth0.md)".to_owned(),
            ),
            Self::StrayOwnType { preset } => (
                format!("`{preset}` knows no types of token of your own"),
                "remove `subject_token_type`".to_owned(),
            ),
            Self::NoOwnScope { client } => (
                "no scope under [sign_in] is of the hub's own API, so what would be exchanged is for Microsoft Graph and is refused".to_owned(),
                format!("expose an API in the hub's registration, and add its scope to `scopes` of [sign_in], such as \"api://{client}/act\""),
            ),
            Self::Certificate => (
                "Entra ID takes an assertion only with the thumbprint of a certificate, which the hub does not write".to_owned(),
                "use a secret: `client = { id = \"…\", secret = { file = \"idp.secret\" } }`".to_owned(),
            ),
            Self::AudienceNoGuid { audience } => (
                format!("`{audience}` is the audience of no v2 token: there it is the application's client id, a GUID"),
                "write the client id; or, where the API's manifest says version 1, write `issuer = \"https://sts.windows.net/DIRECTORY/\"`".to_owned(),
            ),
            Self::AudienceIsClient => (
                "access tokens are for an API, and `audiences` has the client's own id".to_owned(),
                "write the API's identifier (and let the application ask for it), or write `token = \"id_token\"`".to_owned(),
            ),
            Self::AudienceIsAddress { audience } => (
                format!("Cognito writes `{audience}` into a token only where resource binding asks for it; else the app client's id counts"),
                "write the app client's id, or let the application ask for the resource".to_owned(),
            ),
            Self::OfflineUnknown { preset } => (
                format!("`{preset}` knows no scope `offline_access` and refuses the sign-in"),
                "remove it from `scopes` of [sign_in]".to_owned(),
            ),
            Self::OfflineOutlives => (
                "with `offline_access` Keycloak gives a token that outlives the person's session; without it one that ends with it".to_owned(),
                "remove `offline_access` from `scopes` of [sign_in]".to_owned(),
            ),
            Self::NoOffline => (
                "without `offline_access` there is no refresh token: nobody is asked again before `session` ends".to_owned(),
                "add `offline_access` to `scopes` of [sign_in], or make `session` short".to_owned(),
            ),
            Self::NoOrganisation { preset } => (
                format!("ID tokens of a sign-in at `{preset}` are documented without an organisation, and one is wanted"),
                "write `provider_tenants = []` where people sign in".to_owned(),
            ),
            Self::MachinePool => (
                "`audience` names no provider of a workforce pool".to_owned(),
                "write `audience = \"//iam.googleapis.com/locations/global/workforcePools/POOL/providers/PROVIDER\"`".to_owned(),
            ),
            Self::NoProject => (
                "no `user_project` pays for what people of the pool ask".to_owned(),
                "write `user_project = \"…\"`, unless the pool has a client of its own".to_owned(),
            ),
            Self::NoPkce => (
                "it does not offer PKCE with S256: a code that somebody catches is worth a sign-in".to_owned(),
                "switch PKCE with S256 on for the hub's client".to_owned(),
            ),
            other => other.told_of_document(),
        };
        (what, mend)
    }

    fn told_of_document(&self) -> (String, String) {
        let list = |words: &[String]| {
            let shown: Vec<String> =
                words.iter().take(12).map(|word| word.chars().take(MOST_CHARS).collect()).collect();
            shown.join("`, `")
        };
        match self {
            Self::OtherIssuer { found, configured } => {
                let found: String = found.chars().take(MOST_CHARS).collect();
                let slash = found.trim_end_matches('/') == configured.trim_end_matches('/');
                let hint = if slash { " (the slash at the end counts)" } else { "" };
                (
                    format!("its document is of `{found}`, not of `{configured}`{hint}"),
                    format!("write `issuer = \"{found}\"`, if that is the provider you mean"),
                )
            }
            Self::NoEndpoint(member) => (
                format!("its document names no `{member}`, so nobody can sign in through it"),
                "let people sign in through another provider, or see whether `issuer` is the right one".to_owned(),
            ),
            Self::OtherAuthentication { method, offered } => {
                let has = |word: &str| offered.iter().any(|one| one == word);
                let mend = if *method == "client_secret_basic" && has("client_secret_post") {
                    "add `secret_in_form = true` to the `client`"
                } else if has("private_key_jwt") {
                    "write `client = { id = \"…\", private_key_jwt = { file = \"idp-key.pem\" } }`"
                } else {
                    "register a client with a secret, and write `client = { id = \"…\", secret = { file = \"idp.secret\" } }`"
                };
                (format!("it does not take `{method}`, only `{}`", list(offered)), mend.to_owned())
            }
            Self::OtherAlgorithm { offered } => (
                format!("its ID tokens are signed with `{}`, and none of that is configured", list(offered)),
                "write what it signs with as `algorithms`".to_owned(),
            ),
            Self::SharedSecret => (
                "its ID tokens are signed with the client's secret (HS256), which proves nothing to a third".to_owned(),
                "switch the client to RS256 or ES256 at the provider".to_owned(),
            ),
            Self::OtherScopes(scopes) => (
                format!("it does not offer the scope `{}`", list(scopes)),
                "remove it from `scopes` of [sign_in], or let the hub's client have it at the provider".to_owned(),
            ),
            Self::NoExchange => (
                "its document does not list the grant type of token exchange".to_owned(),
                "switch token exchange on for the hub's client at the provider".to_owned(),
            ),
            Self::NoIdJag => (
                "its document does not say that it issues ID-JAGs (`identity_chaining_requested_token_types_supported`)".to_owned(),
                "see whether cross-app access is on in your organisation; a sign-in and one call show it".to_owned(),
            ),
            Self::NoIntrospection => (
                "its document names no `introspection_endpoint`, and `introspection` is on".to_owned(),
                "write `introspection_url`, or remove `introspection`".to_owned(),
            ),
            Self::Clock { ahead_seconds } => {
                let which = if *ahead_seconds > 0 { "behind" } else { "ahead of" };
                (
                    format!("this machine's clock is {} s {which} the provider's", ahead_seconds.abs()),
                    "set the clock (NTP): tokens that are not valid yet, or any more, are refused".to_owned(),
                )
            }
            other => (format!("{other:?}"), String::new()),
        }
    }
}
