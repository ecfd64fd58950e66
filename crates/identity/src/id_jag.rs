//! Identity assertion authorization grants (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant-04 section 6.1;
//! MCP Enterprise-Managed Authorization): what an identity provider says to the authorization server of a resource
//! about a person, for one client, once. Checked as a guard does (A1 to A8, E1 to E3).
//!
//! Whether the `jti` came before (E4) and which person it is (E6) is for the caller to know: [`IdJag::id`] is to be
//! remembered with the issuer until [`IdJag::expires_at`] and the skew are over.

use crate::claims::read::{
    Limits, id, issuer, only, optional_id, optional_text, seconds, strings, subject, text, words,
};
use crate::claims::{Accepts, Audiences, TokenKind, Verified};
use crate::error::TokenError;
use crate::jws::{Parts, Token};
use crate::members::{Json, Members};
use crate::provider::ProviderName;
use crate::verifier::{Attempt, Verifier};
use deputy_core::{Client, Issuer, Subject, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// Its `typ`, exactly.
pub const MEDIA_TYPE: &str = "oauth-id-jag+jwt";
/// Its URN as a token type (RFC 8693).
pub const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id-jag";
/// Its URN as a profile of grants (`authorization_grant_profiles_supported`).
pub const GRANT_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
/// The longest `exp - iat` (E2).
pub const MAX_LIFETIME: Duration = Duration::from_secs(600);

/// Whether the assertion has to say for which resource it is (E3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResourceRule {
    /// It has to.
    #[default]
    Required,
    /// It may leave it out: only where one resource alone stands behind this authorization server.
    Optional,
}

/// What an authorization server expects of an ID-JAG.
#[derive(Debug, Clone)]
pub struct IdJagExpectations {
    /// Who we are: the `aud`. An assertion that we made ourselves is refused (E1).
    pub own_issuer: Issuer,
    /// The client that authenticated in this request (E3).
    pub client: Client,
    /// The identifiers (RFC 9728) of the resources for which `own_issuer` issues tokens (E3).
    pub resources: Audiences,
    /// Whether it has to name one of them.
    pub resource: ResourceRule,
}

/// What an ID-JAG says. Worth nothing outside [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdJag {
    /// The provider that vouches, as it is called here.
    pub provider: ProviderName,
    /// `iss`.
    pub issuer: Issuer,
    /// `tenant`: the provider's own, where it has several. A person is `issuer`, `tenant` and `subject`.
    pub tenant: Option<String>,
    /// `sub`, as this authorization server sees the person.
    pub subject: Subject,
    /// `client_id`: the client that authenticated.
    pub client: Client,
    /// `resource`: one of those expected.
    pub resource: Option<String>,
    /// `scope`; none: it says nothing about scopes.
    pub scopes: Option<Vec<String>>,
    /// `jti`.
    pub id: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `auth_time`: when the person signed in.
    pub auth_time: Option<Timestamp>,
    /// `acr`: how well.
    pub acr: Option<String>,
    /// `amr`: by what.
    pub amr: Vec<String>,
    /// `email`: to be shown, never a key (A11).
    pub email: Option<String>,
    /// `act`: who acts for the person (A16).
    pub act: Option<Value>,
    /// `authorization_details` (RFC 9396), as they came.
    pub authorization_details: Option<Value>,
}

impl Verifier {
    /// Checks an ID-JAG that a client brought. Only providers whose `kinds` name [`TokenKind::IdJag`] may issue one.
    ///
    /// # Errors
    /// [`TokenError::KeysNeeded`] at the first attempt: see [`Attempt`]. Anything else is final, and to be answered as
    /// `invalid_grant`.
    pub fn id_jag(
        &self,
        assertion: &str,
        expectations: &IdJagExpectations,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Verified<IdJag>, TokenError> {
        let parts = Parts::decode(assertion)?;
        let token = Token::read(&parts)?;
        if token.typ.as_deref() != Some(MEDIA_TYPE) {
            return Err(TokenError::Kind);
        }
        if token.issuer() == Some(expectations.own_issuer.as_str()) {
            return Err(TokenError::UnknownIssuer);
        }
        let provider = self.signed(&token, &Accepts::AnyProvider, attempt, now)?;
        let settings = provider.settings();
        if !settings.kinds.contains(&TokenKind::IdJag) {
            return Err(TokenError::Kind);
        }
        let max_lifetime = MAX_LIFETIME.min(settings.max_lifetime);
        let limits = Limits { skew: settings.skew, max_lifetime };
        check(&token.claims, provider.name(), expectations, limits, now).map(Verified::new)
    }
}

fn check(
    claims: &Members<'_>,
    provider: &ProviderName,
    expectations: &IdJagExpectations,
    limits: Limits,
    now: Timestamp,
) -> Result<IdJag, TokenError> {
    if claims.contains_key("events") || claims.contains_key("nonce") {
        return Err(TokenError::Kind);
    }
    if only(claims, "aud")? != expectations.own_issuer.as_str() {
        return Err(TokenError::Audience);
    }
    if text(claims, "client_id")? != expectations.client.0 {
        return Err(TokenError::Claim("client_id"));
    }
    // No proof of possession is checked here, so what needs one is refused (A15).
    if claims.contains_key("cnf") {
        return Err(TokenError::ProofOfPossession);
    }
    let times = limits.check(claims, now)?;
    Ok(IdJag {
        provider: provider.clone(),
        issuer: issuer(claims)?,
        tenant: optional_id(claims, "tenant")?,
        subject: subject(claims)?,
        client: expectations.client.clone(),
        resource: resource(claims, expectations)?,
        scopes: optional_text(claims, "scope")?.map(words),
        id: id(claims, "jti")?,
        issued_at: times.issued_at.ok_or(TokenError::Claim("iat"))?,
        expires_at: times.expires_at,
        auth_time: seconds(claims, "auth_time")?,
        acr: optional_id(claims, "acr")?,
        amr: claims.get("amr").map_or(Some(Vec::new()), strings).ok_or(TokenError::Claim("amr"))?,
        email: optional_id(claims, "email")?,
        act: object(claims, "act")?,
        authorization_details: list(claims, "authorization_details")?,
    })
}

/// E3: one of the resources behind this issuer, byte for byte; a list has exactly one.
fn resource(claims: &Members<'_>, expectations: &IdJagExpectations) -> Result<Option<String>, TokenError> {
    if !claims.contains_key("resource") && expectations.resource == ResourceRule::Optional {
        return Ok(None);
    }
    let resource = only(claims, "resource")?;
    let ours = expectations.resources.contains(resource);
    if ours { Ok(Some(resource.to_owned())) } else { Err(TokenError::Claim("resource")) }
}

fn object(claims: &Members<'_>, name: &'static str) -> Result<Option<Value>, TokenError> {
    kept(claims, name, |value| value.as_object().is_some())
}

fn list(claims: &Members<'_>, name: &'static str) -> Result<Option<Value>, TokenError> {
    kept(claims, name, |value| value.as_list().is_some())
}

fn kept(
    claims: &Members<'_>,
    name: &'static str,
    fits: impl Fn(&Json<'_>) -> bool,
) -> Result<Option<Value>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) if fits(value) => Ok(Some(value.to_value())),
        Some(_) => Err(TokenError::Claim(name)),
    }
}

#[cfg(test)]
mod tests;
