//! The lane `id_jag`: at the identity provider an ID-JAG (leg 1, RFC 8693), at the resource's authorization server an
//! access token for it (leg 2, RFC 7523). MCP Enterprise-Managed Authorization; D3 to D6.
//!
//! The ID-JAG's signature is the other server's to check; here it is read only to see that it is what was asked for.

use super::access::{Access, is_subset};
use super::{ExchangeError, ID_TOKEN, REFRESH_TOKEN, TOKEN_EXCHANGE};
use crate::authorization::JWT_BEARER;
use crate::claims::read::{Limits, id, only, optional_text, text, words};
use crate::form::Form;
use crate::id_jag::{MAX_LIFETIME, MEDIA_TYPE, TOKEN_TYPE};
use crate::jws::{Parts, Token};
use crate::token_response::{TokenResponse, TokenType};
use deputy_core::{Client, Digest, Issuer, Secret, Timestamp};
use std::time::Duration;

const SKEW: Duration = Duration::from_secs(30);

/// On what the identity provider is asked: what the hub itself got when the person signed in, never the token with which
/// an agent came (D3).
pub enum SubjectToken<'a> {
    /// The hub's own ID token.
    IdToken(&'a Secret<String>),
    /// The hub's own refresh token.
    RefreshToken(&'a Secret<String>),
}

/// What is asked of the identity provider, for one resource.
#[derive(Debug, Clone)]
pub struct IdJagRequest {
    identity_provider: Issuer,
    authorization_server: Issuer,
    client: Client,
    resource: String,
    scopes: Vec<String>,
}

impl IdJagRequest {
    /// `client` is the hub's id at the authorization server of the resource; `scopes` are those that policy and need
    /// agree on.
    ///
    /// # Errors
    /// [`ExchangeError::Connection`]: both servers are one (D2), or there is no resource (D4).
    pub fn new(
        identity_provider: Issuer,
        authorization_server: Issuer,
        client: Client,
        resource: String,
        scopes: Vec<String>,
    ) -> Result<Self, ExchangeError> {
        if identity_provider == authorization_server {
            return Err(ExchangeError::Connection(
                "identity provider and authorization server are one issuer",
            ));
        }
        if resource.is_empty() {
            return Err(ExchangeError::Connection("there is no resource"));
        }
        Ok(Self { identity_provider, authorization_server, client, resource, scopes })
    }

    /// Leg 1: the form, client authentication apart. Exactly these parameters; no empty `scope` (D4).
    #[must_use]
    pub fn form(&self, subject: &SubjectToken<'_>) -> Form {
        let (token, token_type) = match subject {
            SubjectToken::IdToken(token) => (token, ID_TOKEN),
            SubjectToken::RefreshToken(token) => (token, REFRESH_TOKEN),
        };
        Form::new()
            .with("grant_type", TOKEN_EXCHANGE)
            .with("requested_token_type", TOKEN_TYPE)
            .with("audience", self.authorization_server.as_str())
            .with("resource", self.resource.as_str())
            .with_some("scope", Some(&self.scopes.join(" ")))
            .with("subject_token", token.expose().as_str())
            .with("subject_token_type", token_type)
    }

    /// Leg 1: the body of a 200. Everything that D5 names, or nothing.
    ///
    /// # Errors
    /// [`ExchangeError::Unusable`] names the member or claim.
    pub fn read(&self, body: &[u8], now: Timestamp) -> Result<IdJagGrant, ExchangeError> {
        let answer = TokenResponse::parse(body).map_err(ExchangeError::Unusable)?;
        if answer.issued_token_type.as_deref() != Some(TOKEN_TYPE) {
            return Err(ExchangeError::member("issued_token_type"));
        }
        if answer.token_type != TokenType::NotApplicable {
            return Err(ExchangeError::member("token_type"));
        }
        if answer.refresh_token.is_some() {
            return Err(ExchangeError::member("refresh_token"));
        }
        if answer.scopes.as_ref().is_some_and(|scopes| !is_subset(scopes, &self.scopes)) {
            return Err(ExchangeError::member("scope"));
        }
        let said = self.look_into(answer.access_token.expose(), now)?;
        // What neither says is as it was asked for.
        let scopes = said.scopes.or(answer.scopes).unwrap_or_else(|| self.scopes.clone());
        let Said { id, expires_at, .. } = said;
        Ok(IdJagGrant { assertion: answer.access_token, id, expires_at, scopes })
    }

    /// D5: what the assertion itself says, its signature aside.
    fn look_into(&self, assertion: &str, now: Timestamp) -> Result<Said, ExchangeError> {
        let wrong = |name| move |_| ExchangeError::member(name);
        let parts = Parts::decode(assertion).map_err(wrong("access_token"))?;
        let token = Token::read(&parts).map_err(wrong("access_token"))?;
        let claims = &token.claims;
        if token.typ.as_deref() != Some(MEDIA_TYPE) {
            return Err(ExchangeError::member("typ"));
        }
        for (name, wanted) in [
            ("iss", self.identity_provider.as_str()),
            ("client_id", self.client.0.as_str()),
            ("aud", self.authorization_server.as_str()),
            ("resource", &self.resource),
        ] {
            let list_of_one = matches!(name, "aud" | "resource");
            let said = if list_of_one { only(claims, name) } else { text(claims, name) };
            if said.ok() != Some(wanted) {
                return Err(ExchangeError::member(name));
            }
        }
        if claims.contains_key("cnf") {
            return Err(ExchangeError::member("cnf"));
        }
        let limits = Limits { skew: SKEW, max_lifetime: MAX_LIFETIME };
        let times = limits.check(claims, now).map_err(wrong("exp"))?;
        let id = id(claims, "jti").map_err(wrong("jti"))?;
        let scopes = optional_text(claims, "scope").map_err(wrong("scope"))?.map(words);
        if scopes.as_ref().is_some_and(|scopes| !is_subset(scopes, &self.scopes)) {
            return Err(ExchangeError::member("scope"));
        }
        Ok(Said { id: Digest::of_bytes(id.as_bytes()), expires_at: times.expires_at, scopes })
    }
}

struct Said {
    id: Digest,
    expires_at: Timestamp,
    scopes: Option<Vec<String>>,
}

/// An ID-JAG for one use: it is in memory only, is not printed, and [`IdJagGrant::redeem`] eats it (D6).
pub struct IdJagGrant {
    assertion: Secret<String>,
    id: Digest,
    expires_at: Timestamp,
    scopes: Vec<String>,
}

impl IdJagGrant {
    /// Hash of its `jti`, for the audit log (D14).
    #[must_use]
    pub const fn id(&self) -> &Digest {
        &self.id
    }

    /// `exp`.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// What it allows; those that were asked for, at most.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Leg 2: the form, client authentication apart, and what its answer is held against. No `scope`: the assertion says
    /// it. Whatever becomes of the request, the ID-JAG is used up: after a network error a new one is asked for.
    #[must_use]
    pub fn redeem(self) -> (Form, Redeemed) {
        let form =
            Form::new().with("grant_type", JWT_BEARER).with("assertion", self.assertion.expose().as_str());
        (form, Redeemed { scopes: self.scopes })
    }
}

/// A leg 2 that is under way.
#[derive(Debug)]
pub struct Redeemed {
    scopes: Vec<String>,
}

impl Redeemed {
    /// The body of a 200: a bearer token within the scopes of the ID-JAG, and no refresh token.
    ///
    /// # Errors
    /// [`ExchangeError::Unusable`] names the member.
    pub fn read(self, body: &[u8]) -> Result<Access, ExchangeError> {
        Access::read(body, None)?.within(&self.scopes)
    }
}
