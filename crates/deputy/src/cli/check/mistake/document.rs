//! What a provider's own discovery document shows (OpenID Connect Discovery 1.0; RFC 8414). A list that is not there says
//! nothing: what the standard takes for granted then is taken for granted here.

use super::Mistake;
use crate::settings::{Credential, ExchangeWay, IdentityProvider, Settings};
use deputy_core::Timestamp;
use deputy_hub::exchange::Subject;
use serde_json::Value;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
/// By how much clocks may differ before it is worth a word; tokens are refused from 30 s on.
const CLOCK_SECONDS: u64 = 10;

/// Every mistake that this document of the provider shows.
pub(in crate::cli::check) fn find(
    entry: &IdentityProvider,
    settings: &Settings,
    document: &Value,
) -> Vec<Mistake> {
    let text = |member: &str| document.get(member).and_then(Value::as_str);
    let configured = entry.provider.issuer().as_str();
    let found = text("issuer").unwrap_or("nobody");
    if found != configured {
        return vec![Mistake::OtherIssuer { found: found.to_owned(), configured: configured.to_owned() }];
    }
    let mut mistakes = of_sign_in(entry, settings, document);
    mistakes.extend(of_exchange(entry, settings, document));
    let asks = entry.introspection.as_ref().is_some_and(|asked| asked.url.is_none());
    if asks && text("introspection_endpoint").is_none() {
        mistakes.push(Mistake::NoIntrospection);
    }
    mistakes
}

/// What the `Date` of the answer shows, in seconds since the epoch.
pub(in crate::cli::check) fn of_clock(date_seconds: u64, now: Timestamp) -> Option<Mistake> {
    let away = date_seconds.abs_diff(now.seconds());
    let ahead_seconds = i64::try_from(away).unwrap_or(i64::MAX);
    let ahead_seconds = if date_seconds > now.seconds() { ahead_seconds } else { -ahead_seconds };
    (away >= CLOCK_SECONDS).then_some(Mistake::Clock { ahead_seconds })
}

/// The list, if there is one.
fn list(document: &Value, member: &str) -> Option<Vec<String>> {
    let list = document.get(member)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn lacks(document: &Value, member: &str, word: &str) -> bool {
    list(document, member).is_some_and(|list| !list.iter().any(|one| one == word))
}

/// How the hub shows this provider which client it is.
fn method(entry: &IdentityProvider) -> &'static str {
    match entry.client.as_ref() {
        Some(client) if client.private_key.is_some() => "private_key_jwt",
        Some(client) if client.secret.is_some() && client.secret_in_form => "client_secret_post",
        Some(client) if client.secret.is_some() => "client_secret_basic",
        _ => "none",
    }
}

fn of_sign_in(entry: &IdentityProvider, settings: &Settings, document: &Value) -> Vec<Mistake> {
    let Some(sign_in) = &settings.sign_in else { return Vec::new() };
    if !sign_in.providers.contains(entry.provider.name()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for member in ["authorization_endpoint", "token_endpoint"] {
        if document.get(member).and_then(Value::as_str).is_none() {
            found.push(Mistake::NoEndpoint(member));
        }
    }
    if lacks(document, "code_challenge_methods_supported", "S256") {
        found.push(Mistake::NoPkce);
    }
    // Section 3 of Discovery: without the list it is `client_secret_basic`.
    let basic = || vec!["client_secret_basic".to_owned()];
    let offered = list(document, "token_endpoint_auth_methods_supported").unwrap_or_else(basic);
    let method = method(entry);
    if !offered.iter().any(|one| one == method) {
        found.push(Mistake::OtherAuthentication { method, offered });
    }
    if let Some(offered) = list(document, "id_token_signing_alg_values_supported") {
        let known = entry.provider.settings().algorithms.iter().any(|own| {
            let own = own.name();
            // RFC 9864: one algorithm, two names.
            offered.iter().any(|one| one == own || (own == "EdDSA" && one == "Ed25519"))
        });
        let shared = !offered.is_empty() && offered.iter().all(|one| one.starts_with("HS"));
        match (known, shared) {
            (true, _) => {}
            (false, true) => found.push(Mistake::SharedSecret),
            (false, false) => found.push(Mistake::OtherAlgorithm { offered }),
        }
    }
    // A server need not list every scope; names with a dot, a colon or a slash are of somebody's API.
    let plain = |scope: &&String| !scope.contains(['.', ':', '/']);
    let missing = |scope: &&String| lacks(document, "scopes_supported", scope);
    let scopes: Vec<String> = sign_in.scopes.iter().filter(plain).filter(missing).cloned().collect();
    if !scopes.is_empty() {
        found.push(Mistake::OtherScopes(scopes));
    }
    found
}

fn of_exchange(entry: &IdentityProvider, settings: &Settings, document: &Value) -> Vec<Mistake> {
    let (mut exchanges, mut id_jag) = (false, false);
    for server in &settings.servers {
        let Credential::Exchange(exchange) = &server.credential else { continue };
        match &exchange.way {
            // Under a type of somebody's own nothing is promised about the list.
            ExchangeWay::TokenExchange { provider, subject: Subject::AccessToken, .. } => {
                exchanges |= provider == entry.provider.name();
            }
            ExchangeWay::IdJag { provider, .. } => id_jag |= provider == entry.provider.name(),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if exchanges && lacks(document, "grant_types_supported", TOKEN_EXCHANGE) {
        found.push(Mistake::NoExchange);
    }
    let says = list(document, "identity_chaining_requested_token_types_supported").unwrap_or_default();
    if id_jag && !says.iter().any(|one| one == ID_JAG) {
        found.push(Mistake::NoIdJag);
    }
    found
}
