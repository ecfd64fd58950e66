//! Security event tokens (RFC 8417; Shared Signals Framework 1.0 section 4; CAEP 1.0; RISC 1.0).

use super::Target;
use super::logout::audiences;
use super::subject::target;
use crate::claims::read::{id, optional_id, seconds};
use crate::claims::{Accepts, Audiences, Verified};
use crate::error::TokenError;
use crate::jws::{Parts, Token};
use crate::members::{Json, Members};
use crate::provider::{Provider, ProviderName};
use crate::verifier::{Attempt, Verifier};
use deputy_core::{Issuer, Timestamp};

const MEDIA_TYPE: &str = "secevent+jwt";
/// Most events in one token.
const MAX_EVENTS: usize = 8;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A session ended, or all of a person's (CAEP `session-revoked`, RISC `sessions-revoked`).
    SessionRevoked,
    /// What tokens say of a person is no longer so: groups, roles (CAEP).
    TokenClaimsChange,
    /// A password or key changed (CAEP).
    CredentialChange,
    /// An account was disabled (RISC).
    AccountDisabled,
    /// An account was deleted (RISC).
    AccountPurged,
    /// An account works again (RISC).
    AccountEnabled,
    /// The stream itself was tried out (SSF).
    Verification,
    /// Something that we do not know: acknowledged, not acted on.
    Unknown,
}

impl EventKind {
    fn of(name: &str) -> Self {
        let known = [(CAEP, "caep"), (RISC, "risc"), (SSF, "ssf")];
        let found = known.into_iter().find_map(|(prefix, family)| Some((family, name.strip_prefix(prefix)?)));
        match found {
            Some(("caep", "session-revoked")) | Some(("risc", "sessions-revoked")) => Self::SessionRevoked,
            Some(("caep", "token-claims-change")) => Self::TokenClaimsChange,
            Some(("caep", "credential-change")) => Self::CredentialChange,
            Some(("risc", "account-disabled")) => Self::AccountDisabled,
            Some(("risc", "account-purged")) => Self::AccountPurged,
            Some(("risc", "account-enabled")) => Self::AccountEnabled,
            Some(("ssf", "verification")) => Self::Verification,
            _ => Self::Unknown,
        }
    }
}

/// What the door expects of a security event token.
#[derive(Debug, Clone)]
pub struct SecurityEventExpectations {
    /// Whose it is.
    pub provider: ProviderName,
    /// What the stream calls us.
    pub audiences: Audiences,
}

/// One thing that happened to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Happened {
    /// What.
    pub kind: EventKind,
    /// To whom; maybe to nobody that we know.
    pub target: Target,
    /// When, if that is said.
    pub at: Option<Timestamp>,
}

/// That something happened at the provider. Worth nothing outside [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityEvent {
    /// The provider that says so.
    pub provider: ProviderName,
    /// Its `iss`.
    pub issuer: Issuer,
    /// `jti`: to be remembered, so that it counts once, and to be acknowledged by.
    pub id: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `txn`: of what it is part.
    pub transaction: Option<String>,
    /// What happened, 1 to 8.
    pub events: Vec<Happened>,
}

impl Verifier {
    /// Checks a security event token, pushed (RFC 8935) or polled (RFC 8936) (C2). It has no end: one that comes late
    /// still happened.
    ///
    /// # Errors
    /// [`TokenError::KeysNeeded`] at the first attempt: see [`Attempt`]. Anything else is final.
    pub fn security_event(
        &self,
        security_event_token: &str,
        expectations: &SecurityEventExpectations,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Verified<SecurityEvent>, TokenError> {
        let parts = Parts::decode(security_event_token)?;
        let token = Token::read(&parts)?;
        if token.media_type.as_deref() != Some(MEDIA_TYPE) {
            return Err(TokenError::Kind);
        }
        let accepts = Accepts::Only(expectations.provider.clone());
        let provider = self.signed(&token, &accepts, attempt, now)?;
        check(&token, provider, expectations, now).map(Verified::new)
    }
}

fn check(
    token: &Token<'_>,
    provider: &Provider,
    expectations: &SecurityEventExpectations,
    now: Timestamp,
) -> Result<SecurityEvent, TokenError> {
    let claims = &token.claims;
    // SSF section 4.1.7 forbids `exp`, so that no event can pass for another kind of token.
    if claims.contains_key("exp") || claims.contains_key("nonce") {
        return Err(TokenError::Kind);
    }
    if !audiences(claims)?.iter().any(|audience| expectations.audiences.contains(audience)) {
        return Err(TokenError::Audience);
    }
    let issued_at = seconds(claims, "iat")?.ok_or(TokenError::Claim("iat"))?;
    if issued_at > now.plus(provider.settings().skew) {
        return Err(TokenError::NotYetValid { valid_from: issued_at });
    }
    Ok(SecurityEvent {
        provider: provider.name().clone(),
        issuer: Issuer::new(token.issuer().unwrap_or_default()).map_err(|_| TokenError::Claim("iss"))?,
        id: id(claims, "jti")?,
        issued_at,
        transaction: optional_id(claims, "txn")?,
        events: events(claims, provider)?,
    })
}

fn events(claims: &Members<'_>, provider: &Provider) -> Result<Vec<Happened>, TokenError> {
    let wrong = || TokenError::Claim("events");
    let events = claims.get("events").and_then(Json::as_object).ok_or_else(wrong)?;
    // The subject stands beside the events (SSF 1.0) or, as in its drafts, in each of them.
    let whole = match claims.get("sub_id") {
        None => None,
        Some(subject) => Some(subject.as_object().ok_or(TokenError::Claim("sub_id"))?),
    };
    let happened: Option<Vec<_>> = events
        .iter()
        .map(|(name, event)| {
            let event = event.as_object()?;
            let subject = whole.or_else(|| event.get("subject").and_then(Json::as_object));
            let target = subject.map(|subject| target(provider, subject)).unwrap_or_default();
            Some(Happened { kind: EventKind::of(name), target, at: seconds(event, "event_timestamp").ok()? })
        })
        .collect();
    happened.filter(|happened| (1..=MAX_EVENTS).contains(&happened.len())).ok_or_else(wrong)
}
