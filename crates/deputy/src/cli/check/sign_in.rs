//! Whether people can sign in through a provider, and tokens be exchanged there, as far as its discovery document says;
//! and what has to be registered there.

use super::{Finding, mistake};
use crate::cli::terminal::harmless;
use crate::cli::web::Egress;
use crate::settings::{IdentityProvider, Settings};
use deputy_identity::provider::KeysAt;
use serde_json::Value;
use url::Url;

/// Whether the hub asks more of it than its keys.
pub(super) fn is_asked(entry: &IdentityProvider, settings: &Settings) -> bool {
    signs_in(entry, settings) || entry.introspection.is_some()
}

fn signs_in(entry: &IdentityProvider, settings: &Settings) -> bool {
    settings.sign_in.as_ref().is_some_and(|own| own.providers.contains(entry.provider.name()))
}

/// Its document, as the hub would fetch it.
///
/// # Errors
/// It cannot be had: that may be known already.
pub(super) async fn reach(
    entry: &IdentityProvider,
    settings: &Settings,
    web: &Egress,
) -> Result<Vec<Finding>, Finding> {
    let name = entry.provider.name();
    let unread = |why: String| {
        let text = harmless(&format!("the discovery document of `{name}`: {why}"));
        Finding::bad(text, "see whether `issuer` is right: its document is below `/.well-known/`")
    };
    let url = address(entry).ok_or_else(|| unread("it has no address".to_owned()))?;
    let (body, date) = web.document(&url).await.map_err(unread)?;
    let document: Value = serde_json::from_slice(&body).map_err(|_| unread("it is no JSON".to_owned()))?;
    let clock = date.and_then(|date| mistake::document::of_clock(date, crate::cli::now()));
    Ok(read(entry, settings, &document, clock))
}

/// What it says.
pub(super) fn read(
    entry: &IdentityProvider,
    settings: &Settings,
    document: &Value,
    clock: Option<mistake::Mistake>,
) -> Vec<Finding> {
    let place = format!("identity provider `{}`", entry.provider.name());
    let mistakes = mistake::document::find(entry, settings, document);
    let mut findings: Vec<Finding> = mistakes.iter().chain(&clock).map(|one| one.finding(&place)).collect();
    if signs_in(entry, settings) {
        findings.push(to_register(entry, settings, document));
    }
    findings
}

/// What somebody has to enter at the provider.
fn to_register(entry: &IdentityProvider, settings: &Settings, document: &Value) -> Finding {
    let (name, hub) = (entry.provider.name(), &settings.hub.public_url);
    let client = entry.client.as_ref().map(|client| client.id.as_str()).unwrap_or_default();
    let mut text = format!(
        "sign-in through `{name}`: `{client}` needs the redirect address {}",
        hub.join("/login/callback")
    );
    if entry.client.as_ref().is_some_and(|client| client.private_key.is_some()) {
        text.push_str(&format!(", the keys at {}", hub.join("/.well-known/jwks.json")));
    }
    let tells = document.get("backchannel_logout_supported").and_then(Value::as_bool).unwrap_or(false);
    if tells {
        text.push_str(&format!(", and for logouts {}", hub.join("/logout/backchannel")));
    } else {
        text.push_str(
            "; it tells of no logout, so who is signed out or disabled there is out here after `ask_again`",
        );
    }
    Finding::good(harmless(&text))
}

fn address(entry: &IdentityProvider) -> Option<Url> {
    match entry.provider.keys_at() {
        KeysAt::Discovery(url) => Some(url.clone()),
        KeysAt::Set(_) => {
            let issuer = entry.provider.issuer().as_str().trim_end_matches('/');
            Url::parse(&format!("{issuer}/.well-known/openid-configuration")).ok()
        }
    }
}
