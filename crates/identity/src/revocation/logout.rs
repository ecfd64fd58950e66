//! Back-channel logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.4 and 2.6).

use super::Target;
use super::subject::user;
use crate::claims::read::{Limits, id, optional_id, optional_text, seconds};
use crate::claims::{Accepts, Audiences, Verified};
use crate::error::TokenError;
use crate::jws::{Parts, Token};
use crate::members::{Json, Members};
use crate::provider::{Provider, ProviderName};
use crate::verifier::{Attempt, Verifier};
use deputy_core::{Issuer, Timestamp};
use std::time::Duration;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const MEDIA_TYPE: &str = "logout+jwt";
/// The longest `exp - iat`.
const MAX_LIFETIME: Duration = Duration::from_secs(600);
/// How old one may be that does not say when it expires.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Whether a logout token must say in its `typ` that it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogoutType {
    /// `logout+jwt`.
    #[default]
    Declared,
    /// `JWT` or no `typ` will do, for providers that issue no other. Its `events` still say what it is.
    Untyped,
}

/// What the door expects of a logout token.
#[derive(Debug, Clone)]
pub struct LogoutExpectations {
    /// Whose it is.
    pub provider: ProviderName,
    /// Our client ids there.
    pub clients: Audiences,
    /// How it says what it is.
    pub declared: LogoutType,
}

/// That somebody's session ended, or all of them. Worth nothing outside [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutToken {
    /// The provider that says so.
    pub provider: ProviderName,
    /// Its `iss`.
    pub issuer: Issuer,
    /// Whose session: at least one of user and session. With a session only that one ended.
    pub target: Target,
    /// `jti`: to be remembered, so that it counts once.
    pub id: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// Until when the `jti` has to be remembered.
    pub remember_until: Timestamp,
}

impl Verifier {
    /// Checks a logout token that was posted to us (C1).
    ///
    /// # Errors
    /// [`TokenError::KeysNeeded`] at the first attempt: see [`Attempt`]. Anything else is final.
    pub fn logout_token(
        &self,
        logout_token: &str,
        expectations: &LogoutExpectations,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Verified<LogoutToken>, TokenError> {
        let parts = Parts::decode(logout_token)?;
        let token = Token::read(&parts)?;
        let accepts = Accepts::Only(expectations.provider.clone());
        let provider = self.signed(&token, &accepts, attempt, now)?;
        check(&token, provider, expectations, now).map(Verified::new)
    }
}

fn check(
    token: &Token<'_>,
    provider: &Provider,
    expectations: &LogoutExpectations,
    now: Timestamp,
) -> Result<LogoutToken, TokenError> {
    let claims = &token.claims;
    let untyped = expectations.declared == LogoutType::Untyped;
    let declared = match token.media_type.as_deref() {
        Some(MEDIA_TYPE) => true,
        None | Some("jwt") => untyped,
        Some(_) => false,
    };
    // A `nonce` is what tells an ID token from this (section 2.4).
    if !declared || claims.contains_key("nonce") || !is_logout(claims) {
        return Err(TokenError::Kind);
    }
    if !audiences(claims)?.iter().any(|audience| expectations.clients.contains(audience)) {
        return Err(TokenError::Audience);
    }
    if claims.contains_key("cnf") {
        return Err(TokenError::ProofOfPossession);
    }
    let (issued_at, remember_until) = times(claims, provider, now)?;
    let issuer = Issuer::new(token.issuer().unwrap_or_default()).map_err(|_| TokenError::Claim("iss"))?;
    let user = optional_text(claims, "sub")?.and_then(|subject| user(provider, issuer.as_str(), subject));
    let target = Target { user, session: optional_id(claims, "sid")?, tenant: None };
    if target.is_nobody() {
        return Err(TokenError::Claim("sub"));
    }
    Ok(LogoutToken {
        provider: provider.name().clone(),
        issuer,
        target,
        id: id(claims, "jti")?,
        issued_at,
        remember_until,
    })
}

/// The one event, whose value is an object.
fn is_logout(claims: &Members<'_>) -> bool {
    let event = claims.get("events").and_then(Json::as_object).and_then(|events| events.get(EVENT));
    event.is_some_and(|event| event.as_object().is_some())
}

pub(super) fn audiences(claims: &Members<'_>) -> Result<Vec<String>, TokenError> {
    match claims.get("aud") {
        Some(Json::Text(audience)) => Ok(vec![audience.clone().into_owned()]),
        Some(several) => crate::claims::read::strings(several).ok_or(TokenError::Claim("aud")),
        None => Err(TokenError::Claim("aud")),
    }
}

fn times(
    claims: &Members<'_>,
    provider: &Provider,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), TokenError> {
    let skew = provider.settings().skew;
    let issued_at = seconds(claims, "iat")?.ok_or(TokenError::Claim("iat"))?;
    if claims.contains_key("exp") {
        let times = Limits { skew, max_lifetime: MAX_LIFETIME }.check(claims, now)?;
        return Ok((issued_at, times.expires_at.plus(skew)));
    }
    let expired_at = issued_at.plus(MAX_AGE);
    if issued_at > now.plus(skew) {
        return Err(TokenError::NotYetValid { valid_from: issued_at });
    }
    if now >= expired_at.plus(skew) {
        return Err(TokenError::Expired { expired_at });
    }
    Ok((issued_at, expired_at.plus(skew)))
}
