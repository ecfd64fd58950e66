//! Signing in without a browser of our own: the OAuth 2.0 device authorization grant (RFC 8628) for one resource
//! (RFC 8707). The token stays in memory.

use crate::cli::Failure;
use crate::cli::progress::visible;
use crate::cli::terminal::{Terminal, harmless};
use crate::cli::web::{Answer, Request, Web};
use crate::settings::address;
use deputy_core::{Issuer, Secret, TenantId};
use deputy_identity::provider::KeysAt;
use deputy_identity::{Provider, ProviderName};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroize as _;

/// Who signs in for what, and where.
pub(super) struct Grant {
    pub(super) discovery: Discovery,
    pub(super) client_id: String,
    pub(super) resource: String,
    pub(super) scope: String,
}

/// Where an issuer says what it can do, and the issuer that the document must be of (OpenID Connect Discovery 4.3).
pub(super) struct Discovery {
    issuer: String,
    pub(super) url: Url,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OAuthError {
    error: String,
    error_description: Option<String>,
}

impl Discovery {
    /// Of an issuer that the configuration does not know.
    pub(super) fn of_issuer(issuer: &str, url: &Url) -> Result<Self, Failure> {
        let usage = |error: String| Failure::Usage(error);
        let issuer = Issuer::new(issuer).map_err(|error| usage(error.to_string()))?;
        let name = ProviderName::new("command-line").map_err(|error| usage(error.to_string()))?;
        let provider = Provider::oidc(name, TenantId::single(), issuer)
            .map_err(|error| usage(format!("`{url}`: {error}")))?;
        Self::of_provider(&provider)
    }

    /// Of a configured provider. One whose keys are configured has its discovery document where everybody has it.
    pub(super) fn of_provider(provider: &Provider) -> Result<Self, Failure> {
        let issuer = provider.issuer().as_str();
        let url = match provider.keys_at() {
            KeysAt::Discovery(url) => url.clone(),
            KeysAt::Set(_) => {
                address(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
                    .map_err(|error| Failure::Usage(error.to_string()))?
            }
        };
        Ok(Self { issuer: issuer.to_owned(), url })
    }
}

/// A token from a file, or from standard input if its name is `-`.
pub(in crate::cli) fn token_from(file: &Path) -> Result<Secret<String>, Failure> {
    let unreadable =
        |error| Failure::Usage(format!("the token in `{}` cannot be read: {error}", file.display()));
    let mut text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(unreadable)?
    } else {
        std::fs::read_to_string(file).map_err(unreadable)?
    };
    let token = text.trim().to_owned();
    text.zeroize();
    bearer(token).ok_or_else(|| Failure::Usage(format!("`{}` does not hold a token", file.display())))
}

/// A token that can stand in a header (RFC 6750 section 2.1).
fn bearer(token: String) -> Option<Secret<String>> {
    let fits = !token.is_empty()
        && token.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        });
    let token = Secret::new(token);
    fits.then_some(token)
}

/// Shows the person where to sign in, and waits until they have.
pub(super) async fn sign_in(
    grant: &Grant,
    web: &impl Web,
    terminal: Terminal,
) -> Result<Secret<String>, Failure> {
    let work = discover(&grant.discovery, web);
    let (start_at, token_at) = visible(terminal, "the identity provider", work).await?;
    let learned_from = Some(&grant.discovery.url);
    let form = [
        ("client_id", grant.client_id.as_str()),
        ("scope", grant.scope.as_str()),
        ("resource", grant.resource.as_str()),
    ];
    let answer = web
        .send(&start_at, learned_from, Request::Form(&form), None)
        .await
        .map_err(|why| unreachable(&start_at, &why))?;
    if !answer.is_success() {
        return Err(refused(&oauth_error(&answer)));
    }
    let started: Started = read(&answer)?;
    terminal.note(&instructions(&started)?);
    let waiting = poll(grant, &started, &token_at, web);
    visible(terminal, "your sign-in", waiting).await
}

fn instructions(started: &Started) -> Result<String, Failure> {
    let check = |url: &str| {
        address(url)
            .map_err(|error| Failure::Fault(format!("the identity provider sends you astray: {error}")))
    };
    let mut text = format!(
        "To sign in, open  {}\nand enter         {}",
        harmless(check(&started.verification_uri)?.as_str()),
        harmless(&started.user_code)
    );
    if let Some(complete) = &started.verification_uri_complete {
        text.push_str(&format!("\nor open           {}", harmless(check(complete)?.as_str())));
    }
    Ok(text)
}

/// RFC 8628 section 3.4 and 3.5.
async fn poll(
    grant: &Grant,
    started: &Started,
    token_at: &Url,
    web: &impl Web,
) -> Result<Secret<String>, Failure> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", started.device_code.as_str()),
        ("client_id", grant.client_id.as_str()),
        ("resource", grant.resource.as_str()),
    ];
    let mut interval = Duration::from_secs(started.interval.unwrap_or(5).clamp(1, 60));
    let over = Instant::now() + Duration::from_secs(started.expires_in.min(3600));
    loop {
        tokio::time::sleep(interval).await;
        if Instant::now() >= over {
            return Err(Failure::Fault("nobody signed in in time; start again".to_owned()));
        }
        // A connection that breaks while a person types is no reason to give up (section 3.5).
        let Ok(answer) = web.send(token_at, Some(&grant.discovery.url), Request::Form(&form), None).await
        else {
            interval = (interval * 2).min(Duration::from_secs(60));
            continue;
        };
        if answer.is_success() {
            return token(&answer);
        }
        let error = oauth_error(&answer);
        match error.error.as_str() {
            "authorization_pending" => {}
            "slow_down" => interval += Duration::from_secs(5),
            "access_denied" => return Err(Failure::Fault("the sign-in was refused".to_owned())),
            "expired_token" => {
                return Err(Failure::Fault("nobody signed in in time; start again".to_owned()));
            }
            _ => return Err(refused(&error)),
        }
    }
}

fn token(answer: &Answer) -> Result<Secret<String>, Failure> {
    let granted: Granted = read(answer)?;
    if !granted.token_type.eq_ignore_ascii_case("bearer") {
        let kind = harmless(&granted.token_type);
        return Err(Failure::Fault(format!(
            "the identity provider gave a `{kind}` token, not a bearer token"
        )));
    }
    bearer(granted.access_token)
        .ok_or_else(|| Failure::Fault("the identity provider gave a token that is none".to_owned()))
}

async fn discover(discovery: &Discovery, web: &impl Web) -> Result<(Url, Url), Failure> {
    let url = &discovery.url;
    let answer = web.send(url, None, Request::Get, None).await.map_err(|why| unreachable(url, &why))?;
    if !answer.is_success() {
        return Err(Failure::Fault(format!("`{url}` answered with status {}", answer.status)));
    }
    let document: Document = read(&answer)?;
    if document.issuer != discovery.issuer {
        let (found, wanted) = (harmless(&document.issuer), &discovery.issuer);
        return Err(Failure::Fault(format!("`{url}` speaks for the issuer `{found}`, not `{wanted}`")));
    }
    let Some(start_at) = document.device_authorization_endpoint else {
        let mend = "switch the device authorization grant on there, or give a token with --token-file";
        return Err(Failure::Fault(format!(
            "the identity provider `{wanted}` has no device authorization endpoint\n  mend: {mend}",
            wanted = discovery.issuer
        )));
    };
    let endpoint = |text: &str| address(text).map_err(|error| Failure::Fault(format!("in `{url}`: {error}")));
    Ok((endpoint(&start_at)?, endpoint(&document.token_endpoint)?))
}

fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        // Only the kind and place of the error: its text might quote a token.
        let (line, column) = (error.line(), error.column());
        Failure::Fault(format!(
            "the identity provider's answer cannot be read (line {line}, column {column})"
        ))
    })
}

fn oauth_error(answer: &Answer) -> OAuthError {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| OAuthError {
        error: format!("status {}", answer.status),
        error_description: None,
    })
}

fn refused(error: &OAuthError) -> Failure {
    let more =
        error.error_description.as_deref().map(|text| format!(": {}", harmless(text))).unwrap_or_default();
    Failure::Fault(format!("the identity provider refused: `{}`{more}", harmless(&error.error)))
}

fn unreachable(url: &Url, why: &str) -> Failure {
    Failure::Fault(format!("the identity provider `{url}` cannot be reached: {}", harmless(why)))
}
