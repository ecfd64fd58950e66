//! `deputy check --token`: each door asked about one token, as the hub would ask it. The token itself is never printed; of
//! its claims only what helps to mend the refusal.

use super::Finding;
use crate::cli::Failure;
use crate::cli::approve::token_from;
use crate::cli::terminal::{Mark, Terminal, harmless};
use crate::settings::Settings;
use crate::wire;
use deputy_core::Timestamp;
use deputy_hub::Door;
use deputy_hub::ports::KeySource;
use deputy_identity::claims::{Claims, Expectations, TokenKind};
use deputy_identity::jws::Unverified;
use deputy_identity::{ProviderName, TokenError, Verifier};
use std::io::IsTerminal as _;
use std::path::Path;

/// Reads the token, and says what each door does with it.
pub(super) async fn run(
    file: &Path,
    settings: &Settings,
    keys: &dyn KeySource,
    terminal: Terminal,
) -> Result<(), Failure> {
    if file.as_os_str() == "-" && std::io::stdin().is_terminal() {
        terminal.note("paste the token, then Enter and Ctrl-D");
    }
    let token = token_from(file)?;
    let findings = doors(token.expose(), settings, keys, crate::cli::now()).await?;
    for finding in &findings {
        terminal.marked(finding.mark, &finding.text, finding.mend.as_deref())?;
    }
    let open = findings.iter().filter(|finding| finding.mark == Mark::Good).count();
    match open {
        0 => terminal.line("no door would let it in").and(Err(Failure::told())),
        open => terminal.line(&format!("{open} of {} doors would let it in", findings.len())),
    }
}

/// A finding for each door.
pub(super) async fn doors(
    token: &str,
    settings: &Settings,
    keys: &dyn KeySource,
    now: Timestamp,
) -> Result<Vec<Finding>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let verifier = wire::verifier(settings).map_err(|error| wrong(&error))?;
    let mut doors: Vec<(Door, Expectations)> =
        wire::doors(settings).map_err(|error| wrong(&error))?.into_iter().collect();
    doors.sort_by_key(|(door, _)| name(door));
    let mut findings = Vec::new();
    for (door, expectations) in doors {
        let verified = match verifier.verify(token, &expectations, now) {
            Err(TokenError::KeysNeeded(provider)) => {
                fetch(&verifier, &provider, keys, now).await;
                verifier.verify_again(token, &expectations, now)
            }
            done => done,
        };
        let name = name(&door);
        findings.push(match verified {
            Ok(verified) => match unwelcome(&door, verified.claims(), settings) {
                None => Finding::good(format!("{name} lets it in: {}", told(verified.claims()))),
                Some((why, mend)) => Finding::bad(format!("{name} refuses it: {why}"), mend),
            },
            Err(error) => Finding::bad(
                format!("{name} refuses it: {error}"),
                mend(&error, token, &expectations, settings),
            ),
        });
    }
    Ok(findings)
}

fn name(door: &Door) -> String {
    match door {
        Door::Mcp => "/mcp".to_owned(),
        Door::Server(server) => format!("/s/{server}/mcp"),
        Door::Api => "/api".to_owned(),
        Door::Tickets(app) => format!("/api/tickets of app `{app}`"),
    }
}

/// What the hub asks of a token that is good: an application's door asks no more.
fn unwelcome(door: &Door, claims: &Claims, settings: &Settings) -> Option<(&'static str, &'static str)> {
    if matches!(door, Door::Tickets(_)) {
        return None;
    }
    match door.welcomes(claims, &wire::people_clients(settings)) {
        Ok(()) => None,
        Err("client_missing") => Some((
            "it names no client",
            "the provider must write `client_id` (or `azp`) into access tokens; its page in docs/guide/providers says how",
        )),
        Err(_) => Some((
            "its client is not the command line's own",
            "only the client named by `cli_client_id` under [hub] opens this door, so that no agent approves its own calls",
        )),
    }
}

/// Only ever asked for a configured issuer (A2). What goes wrong shows in the verdict.
async fn fetch(verifier: &Verifier, name: &ProviderName, keys: &dyn KeySource, now: Timestamp) {
    let Some((provider, ring)) = verifier.provider(name) else { return };
    let Some(refresh) = ring.begin_scheduled(now) else { return };
    // A set without a usable key leaves the ring without keys, and the verdict says so.
    let _ = ring.complete(refresh, keys.fetch(provider).await.ok(), now);
}

fn told(claims: &Claims) -> String {
    let client = claims.client.as_ref().map_or("no client", |client| client.0.as_str());
    let tenant = claims.provider_tenant.as_ref().map_or_else(String::new, |name| format!(" of `{name}`"));
    let groups = if claims.groups.is_empty() { "none".to_owned() } else { claims.groups.join(", ") };
    harmless(&format!(
        "`{}`{tenant} at `{}`, through `{client}`, groups {groups}, until {}",
        claims.user.subject, claims.user.issuer, claims.expires_at
    ))
}

fn mend(error: &TokenError, token: &str, door: &Expectations, settings: &Settings) -> String {
    let said = |claim: &str| {
        let quoted = Unverified::parse(token).ok().and_then(|token| token.quote(claim));
        quoted.map_or_else(|| "is missing".to_owned(), |text| format!("says {}", harmless(&text)))
    };
    let list = |texts: Vec<String>| format!("`{}`", texts.join("`, `"));
    match error {
        TokenError::Malformed(_) => {
            "give one signed JWT; an opaque token cannot be checked: ask the provider for one with an audience"
                .to_owned()
        }
        TokenError::UnknownIssuer => {
            let known = settings.identity_providers.iter().flat_map(|entry| entry.provider.issuers());
            let known = list(known.map(ToString::to_string).collect());
            format!("`iss` {}; the configured issuers are {known}, letter by letter", said("iss"))
        }
        TokenError::ProviderNotAccepted(_) => {
            "the [[app]] names another `identity_provider`: change it there, or sign in at that one".to_owned()
        }
        TokenError::Algorithm => {
            "sign with a public key at the provider (HS256 is never taken), and name what it signs with in `algorithms`"
                .to_owned()
        }
        TokenError::KeysNeeded(_) | TokenError::KeysUnavailable(_) => {
            "`deputy check` without --token says why the keys are not to be had".to_owned()
        }
        TokenError::UnknownKey { .. } | TokenError::Signature | TokenError::KeyIssuer => {
            "it is of another environment, was changed, or its key was taken back: sign in again".to_owned()
        }
        TokenError::Audience => {
            let wanted = list(door.audiences.iter().map(str::to_owned).collect());
            format!("`aud` {}; this door takes {wanted}", said("aud"))
        }
        TokenError::Kind => match door.kind {
            TokenKind::AccessToken => {
                "this door takes access tokens; if it is one, see `access_token_type` and the provider's page in \
                 docs/guide/providers"
                    .to_owned()
            }
            TokenKind::IdToken | TokenKind::IdJag => {
                "this door takes ID tokens: see `token` of the [[app]]".to_owned()
            }
        },
        TokenError::Tenant => {
            "sign in to a tenant that `provider_tenants` lists, or add the token's: the provider's page in \
             docs/guide/providers says which claim it is"
                .to_owned()
        }
        TokenError::Claim(claim) => {
            format!("`{claim}` {}; the provider's page in docs/guide/providers says what it needs", said(claim))
        }
        TokenError::Expired { .. } => "sign in again; if it is fresh, compare the clocks".to_owned(),
        TokenError::NotYetValid { .. } => "compare the clocks of this machine and of the provider".to_owned(),
        TokenError::LifetimeTooLong => {
            "shorten it at the provider, or raise `max_token_lifetime` (at most 24h)".to_owned()
        }
        TokenError::ProofOfPossession => "ask for a plain bearer token: DPoP is not checked here".to_owned(),
        _ => "see docs/guide/identity-provider.md".to_owned(),
    }
}

#[cfg(test)]
mod tests;
