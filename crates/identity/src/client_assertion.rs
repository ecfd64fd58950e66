//! `private_key_jwt`: how a client proves with a signature which client it is (RFC 7523 sections 2.2 and 3, as
//! tightened by draft-ietf-oauth-rfc7523bis: one audience, and it is the issuer).

use crate::claims::read::{Limits, id, only, text};
use crate::claims::{Audiences, Verified};
use crate::error::TokenError;
use crate::jws::{Parts, Token};
use crate::keys::KeySet;
use crate::mint::{MintError, SigningKey};
use deputy_core::id::random_hex;
use deputy_core::{Client, Issuer, Secret, Timestamp};
use serde_json::json;
use std::time::Duration;

/// How long one that Deputy makes lives (D10).
pub const LIFETIME: Duration = Duration::from_secs(60);
/// How long one that Deputy takes may live.
pub const MAX_LIFETIME: Duration = Duration::from_secs(300);
/// The value of `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const MEDIA_TYPE: &str = "client-authentication+jwt";
const SKEW: Duration = Duration::from_secs(30);

/// For whom a client assertion is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The authorization server's issuer, as rfc7523bis has it.
    Issuer,
    /// What an older server wants instead, mostly its token endpoint. Such servers know no `typ` but `JWT` either.
    Pinned(String),
}

/// Makes one, fresh, for one request.
///
/// # Errors
/// The library has no randomness, or will not sign.
pub fn sign(
    client: &Client,
    issuer: &Issuer,
    audience: &AssertionAudience,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Secret<String>, MintError> {
    let (audience, media_type) = match audience {
        AssertionAudience::Issuer => (issuer.as_str(), MEDIA_TYPE),
        AssertionAudience::Pinned(audience) => (audience.as_str(), "JWT"),
    };
    let claims = json!({
        "iss": client,
        "sub": client,
        "aud": audience,
        "jti": random_hex().map_err(|_| MintError::Signing)?,
        "iat": now.seconds(),
        "exp": now.plus(LIFETIME).seconds(),
    });
    key.sign(media_type, &claims).map(Secret::new)
}

/// What a client assertion says. Worth nothing outside [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientAssertion {
    /// The client that made it.
    pub client: Client,
    /// Its `jti`: to be remembered until `expires_at` (with skew), so that it is good once.
    pub id: String,
    /// `exp`.
    pub expires_at: Timestamp,
}

/// Which client an assertion claims to be of (its `sub`), to look up that client's keys. Nothing was checked.
///
/// # Errors
/// [`TokenError::Malformed`], [`TokenError::Algorithm`], or no `sub`.
pub fn claimed_client(assertion: &str) -> Result<Client, TokenError> {
    let parts = Parts::decode(assertion)?;
    let token = Token::read(&parts)?;
    Ok(Client(text(&token.claims, "sub")?.to_owned()))
}

/// Checks one. `keys` are that client's and nobody else's; `audiences` are the own issuer and token endpoint. Whether
/// the `jti` came before is for the caller to know.
///
/// # Errors
/// Final, all of them; to be answered as `invalid_client`.
pub fn verify(
    assertion: &str,
    client: &Client,
    keys: &KeySet,
    audiences: &Audiences,
    now: Timestamp,
) -> Result<Verified<ClientAssertion>, TokenError> {
    let parts = Parts::decode(assertion)?;
    let token = Token::read(&parts)?;
    let claims = &token.claims;
    if !matches!(token.media_type.as_deref(), None | Some("jwt" | MEDIA_TYPE)) {
        return Err(TokenError::Kind);
    }
    for name in ["iss", "sub"] {
        if text(claims, name)? != client.0 {
            return Err(TokenError::Claim(name));
        }
    }
    let key = keys.find(token.key_id.as_ref(), token.algorithm).ok_or(TokenError::Algorithm)?;
    if !key.verifies(token.algorithm, token.signed, token.signature) {
        return Err(TokenError::Signature);
    }
    if claims.contains_key("events") || claims.contains_key("nonce") {
        return Err(TokenError::Kind);
    }
    if !audiences.contains(only(claims, "aud")?) {
        return Err(TokenError::Audience);
    }
    if claims.contains_key("cnf") {
        return Err(TokenError::ProofOfPossession);
    }
    let times = Limits { skew: SKEW, max_lifetime: MAX_LIFETIME }.check(claims, now)?;
    let id = id(claims, "jti")?;
    Ok(Verified::new(ClientAssertion { client: client.clone(), id, expires_at: times.expires_at }))
}

#[cfg(test)]
mod tests;
