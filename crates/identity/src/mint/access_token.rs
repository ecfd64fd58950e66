//! Access tokens that the hub or a guard issues itself (RFC 9068, E5), and their way back in: checked against own keys
//! alone.

use super::{MintError, SigningKey};
use crate::claims::read::{Limits, id, only, subject, text, words};
use crate::claims::{Audiences, Verified};
use crate::error::TokenError;
use crate::jws::{KeyId, Parts, Token};
use crate::keys::{KeySet, KeySetError};
use deputy_core::id::random_hex;
use deputy_core::{Client, Issuer, Secret, Subject, Timestamp};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Longest life of an [`AccessToken`]. A guard issues for 10 minutes at most (E5).
pub const MAX_ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

const MEDIA_TYPE: &str = "at+jwt";
const OWN_CLAIMS: [&str; 9] = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "nbf"];
/// What marks another kind of token, or one that needs more than to be shown.
const FOREIGN_CLAIMS: [&str; 4] = ["events", "nonce", "at_hash", "cnf"];

/// An access token to be issued.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// Who issues it: ourselves.
    pub issuer: Issuer,
    /// For whom, as we call them.
    pub subject: Subject,
    /// The one resource that it opens.
    pub audience: String,
    /// To which client.
    pub client: Client,
    /// What it allows.
    pub scopes: Vec<String>,
    /// Now.
    pub issued_at: Timestamp,
    /// At most [`MAX_ACCESS_TOKEN_LIFETIME`] later.
    pub expires_at: Timestamp,
    /// Further claims, such as `sid`, `auth_time`, `acr`; none that the token has anyway.
    pub extra: Map<String, Value>,
}

/// An access token that was issued.
pub struct Minted {
    /// For its receiver alone.
    pub token: Secret<String>,
    /// Its `jti`.
    pub id: String,
}

impl AccessToken {
    /// As a compact JWS with a fresh `jti`.
    ///
    /// # Errors
    /// [`MintError::Lifetime`], [`MintError::Reserved`], or the library will not sign.
    pub fn sign(&self, key: &SigningKey) -> Result<Minted, MintError> {
        let lifetime = self.expires_at.since(self.issued_at);
        if lifetime.is_zero() || lifetime > MAX_ACCESS_TOKEN_LIFETIME {
            return Err(MintError::Lifetime);
        }
        let reserved = |name: &&String| OWN_CLAIMS.iter().chain(&FOREIGN_CLAIMS).any(|own| own == name);
        if let Some(name) = self.extra.keys().find(reserved) {
            return Err(MintError::Reserved(name.clone()));
        }
        let id = random_hex().map_err(|_| MintError::Signing)?;
        let mut claims = self.extra.clone();
        let own = [
            ("iss", json!(self.issuer)),
            ("sub", json!(self.subject)),
            ("aud", json!(self.audience)),
            ("client_id", json!(self.client)),
            ("iat", json!(self.issued_at.seconds())),
            ("exp", json!(self.expires_at.seconds())),
            ("jti", json!(id)),
            ("scope", json!(self.scopes.join(" "))),
        ];
        claims.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Ok(Minted { token: Secret::new(key.sign(MEDIA_TYPE, &claims)?), id })
    }
}

/// What an access token of our own says. Worth nothing outside [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedAccess {
    /// For whom.
    pub subject: Subject,
    /// The one resource that it opens.
    pub audience: String,
    /// To which client it was issued.
    pub client: Client,
    /// What it allows.
    pub scopes: Vec<String>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`.
    pub id: String,
    /// Every further claim.
    pub extra: Map<String, Value>,
}

/// The keys of an issuer that we are ourselves, public halves only: the one that signs, and those before it.
#[derive(Debug)]
pub struct OwnKeys {
    issuer: Issuer,
    keys: KeySet,
}

impl OwnKeys {
    /// Over a JWK Set of our own, as [`super::jwks`] writes it.
    ///
    /// # Errors
    /// It has no usable key.
    pub fn new(issuer: Issuer, jwks: &Value) -> Result<Self, KeySetError> {
        Ok(Self { issuer, keys: KeySet::parse(jwks.to_string().as_bytes())? })
    }

    /// Who we are.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Checks a bearer token that should be one of ours, for one of these resources. Our own clock signed it, so there is
    /// no skew.
    ///
    /// # Errors
    /// Final, all of them.
    pub fn verify(
        &self,
        token: &str,
        audiences: &Audiences,
        now: Timestamp,
    ) -> Result<Verified<IssuedAccess>, TokenError> {
        let parts = Parts::decode(token)?;
        let token = Token::read(&parts)?;
        if token.issuer() != Some(self.issuer.as_str()) {
            return Err(TokenError::UnknownIssuer);
        }
        let named = token.key_id.as_ref().map(|id: &KeyId| self.keys.find(Some(id), token.algorithm));
        let key = named.flatten().ok_or(TokenError::Algorithm)?;
        if !key.verifies(token.algorithm, token.signed, token.signature) {
            return Err(TokenError::Signature);
        }
        check(&token, audiences, now).map(Verified::new)
    }
}

fn check(token: &Token<'_>, audiences: &Audiences, now: Timestamp) -> Result<IssuedAccess, TokenError> {
    let claims = &token.claims;
    if token.typ.as_deref() != Some(MEDIA_TYPE) || FOREIGN_CLAIMS.iter().any(|name| claims.contains_key(name))
    {
        return Err(TokenError::Kind);
    }
    let audience = only(claims, "aud")?;
    if !audiences.contains(audience) {
        return Err(TokenError::Audience);
    }
    let limits = Limits { skew: Duration::ZERO, max_lifetime: MAX_ACCESS_TOKEN_LIFETIME };
    let times = limits.check(claims, now)?;
    let mut extra = claims.to_map();
    extra.retain(|name, _| !OWN_CLAIMS.contains(&name.as_str()));
    Ok(IssuedAccess {
        subject: subject(claims)?,
        audience: audience.to_owned(),
        client: Client(text(claims, "client_id")?.to_owned()),
        scopes: words(text(claims, "scope")?),
        issued_at: times.issued_at.ok_or(TokenError::Claim("iat"))?,
        expires_at: times.expires_at,
        id: id(claims, "jti")?,
        extra,
    })
}

#[cfg(test)]
mod tests;
