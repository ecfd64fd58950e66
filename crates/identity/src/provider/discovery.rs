//! Discovery documents (OpenID Connect Discovery 1.0; RFC 8414): believed only of the configured issuer, and then only to
//! fill in addresses and what the provider says it can do.

use super::{Provider, ProviderError, address};
use deputy_core::canonical::parse_strict;
use serde_json::Value;
use url::Url;

/// Longest list in a document that is read at all.
const MAX_LIST: usize = 100;

/// What we take from a discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Where the keys are.
    pub jwks_uri: Url,
    /// Where people sign in.
    pub authorization_endpoint: Option<Url>,
    /// Where codes become tokens.
    pub token_endpoint: Option<Url>,
    /// Where people sign out.
    pub end_session_endpoint: Option<Url>,
    /// Where tokens are given back (RFC 7009).
    pub revocation_endpoint: Option<Url>,
    /// Where tokens are asked about (RFC 7662).
    pub introspection_endpoint: Option<Url>,
    /// `authorization_response_iss_parameter_supported`: an answer without `iss` is not the provider's (RFC 9207).
    pub names_issuer_in_answers: bool,
    /// `token_endpoint_auth_methods_supported`; none: it does not say.
    pub client_authentication: Option<Vec<String>>,
    /// `backchannel_logout_supported`: it tells when a session ends.
    pub tells_of_logout: bool,
    /// `identity_chaining_requested_token_types_supported`: what it exchanges a token for.
    pub exchanges_for: Vec<String>,
}

impl Discovery {
    /// Whether the provider says that it issues ID-JAGs.
    #[must_use]
    pub fn issues_id_jags(&self) -> bool {
        self.exchanges_for.iter().any(|token_type| token_type == crate::id_jag::TOKEN_TYPE)
    }
}

impl Provider {
    /// Reads a discovery document and believes it only if its `issuer` is ours, byte for byte (B2).
    ///
    /// # Errors
    /// Not a document, somebody else's, or an address that is none.
    pub fn read_discovery(&self, bytes: &[u8]) -> Result<Discovery, ProviderError> {
        let not_discovery = || ProviderError::NotDiscovery(self.name().clone());
        let document = parse_strict(bytes).map_err(|_| not_discovery())?;
        let text = |member: &str| document.get(member).and_then(Value::as_str);
        let found = text("issuer").ok_or_else(not_discovery)?;
        if found != self.issuer().as_str() {
            let found = found.chars().take(120).collect();
            let configured = self.issuer().clone();
            return Err(ProviderError::OtherIssuer { name: self.name().clone(), found, configured });
        }
        let optional = |member: &str| text(member).map(address).transpose();
        // What is not a plain yes or no could be either: then it is no document.
        let flag = |member: &str| match document.get(member) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(not_discovery),
        };
        let list = |member: &str| {
            document.get(member).map(|value| strings(value).ok_or_else(not_discovery)).transpose()
        };
        Ok(Discovery {
            jwks_uri: address(text("jwks_uri").ok_or_else(not_discovery)?)?,
            authorization_endpoint: optional("authorization_endpoint")?,
            token_endpoint: optional("token_endpoint")?,
            end_session_endpoint: optional("end_session_endpoint")?,
            revocation_endpoint: optional("revocation_endpoint")?,
            introspection_endpoint: optional("introspection_endpoint")?,
            names_issuer_in_answers: flag("authorization_response_iss_parameter_supported")?,
            client_authentication: list("token_endpoint_auth_methods_supported")?,
            tells_of_logout: flag("backchannel_logout_supported")?,
            exchanges_for: list("identity_chaining_requested_token_types_supported")?.unwrap_or_default(),
        })
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array().filter(|items| items.len() <= MAX_LIST)?;
    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}
