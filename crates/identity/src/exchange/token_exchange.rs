//! The lane `token_exchange`: RFC 8693 at the identity provider, in the shape of Keycloak's standard token exchange
//! (version 2): an access token in, one for another client of the same realm out.
//!
//! Where the provider's administrators define types of their own (Auth0's Custom Token Exchange), the hub's own ID token is
//! the subject, under such a type: it is the one token of the hub's whose audience is the hub, so it can be checked.

use super::access::{Access, is_subset};
use super::{ACCESS_TOKEN, ExchangeError, TOKEN_EXCHANGE};
use crate::claims::read::{Limits, optional_text, strings, text, words};
use crate::form::Form;
use crate::jws::{Parts, Token};
use crate::members::Json;
use deputy_core::{Client, Issuer, Secret, Timestamp};
use std::time::Duration;

const SKEW: Duration = Duration::from_secs(30);
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Whether the token that comes back can be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResultForm {
    /// A JWT: its `iss`, `aud`, `azp`, scope and time are held against what was asked for.
    #[default]
    Jwt,
    /// Something that only the resource understands (Zitadel).
    Opaque,
}

/// What is exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Subject {
    /// The access token that the hub got, under its registered type.
    #[default]
    AccessToken,
    /// The ID token that the hub got, under a type that the provider's administrators chose.
    IdTokenAs(String),
}

/// What is asked, for one target.
#[derive(Debug, Clone)]
pub struct TokenExchange {
    /// The identity provider.
    pub issuer: Issuer,
    /// The hub's client id there.
    pub client: Client,
    /// The target client: the `audience`.
    pub audience: String,
    /// Those that policy and need agree on.
    pub scopes: Vec<String>,
    /// Those that the server adds of itself, asked or not (Keycloak's default client scopes), and that may come back.
    pub unasked_scopes: Vec<String>,
    /// What is exchanged.
    pub subject: Subject,
    /// What comes back.
    pub result: ResultForm,
}

impl TokenExchange {
    /// The form, client authentication apart. `token` is what [`Self::subject`] names. With a type of the administrators'
    /// own nothing is requested by type: their rules decide what comes.
    #[must_use]
    pub fn form(&self, token: &Secret<String>) -> Form {
        let (requested, subject) = match &self.subject {
            Subject::AccessToken => (Some(ACCESS_TOKEN), ACCESS_TOKEN),
            Subject::IdTokenAs(own) => (None, own.as_str()),
        };
        Form::new()
            .with("grant_type", TOKEN_EXCHANGE)
            .with_some("requested_token_type", requested)
            .with("audience", self.audience.as_str())
            .with_some("scope", Some(&self.scopes.join(" ")))
            .with("subject_token", token.expose().as_str())
            .with("subject_token_type", subject)
    }

    /// The body of a 200. What comes back is for the target, issued to the hub, and allows no more than was asked for:
    /// this exchange can widen.
    ///
    /// # Errors
    /// [`ExchangeError::Unusable`] names the member or claim.
    pub fn read(&self, body: &[u8], now: Timestamp) -> Result<Access, ExchangeError> {
        let allowed = [self.scopes.as_slice(), &self.unasked_scopes].concat();
        let access = match self.subject {
            Subject::AccessToken => Access::read(body, Some(ACCESS_TOKEN)),
            Subject::IdTokenAs(_) => Access::read_if_named(body, ACCESS_TOKEN),
        };
        let access = access?.within(&allowed)?;
        if self.result == ResultForm::Jwt {
            self.look_into(access.token.expose(), &allowed, now)?;
        }
        Ok(access)
    }

    fn look_into(&self, token: &str, allowed: &[String], now: Timestamp) -> Result<(), ExchangeError> {
        let wrong = |name| move |_| ExchangeError::member(name);
        let parts = Parts::decode(token).map_err(wrong("access_token"))?;
        let token = Token::read(&parts).map_err(wrong("access_token"))?;
        let claims = &token.claims;
        if text(claims, "iss").ok() != Some(self.issuer.as_str()) {
            return Err(ExchangeError::member("iss"));
        }
        let audiences = match claims.get("aud") {
            Some(Json::Text(audience)) => Some(vec![audience.clone().into_owned()]),
            Some(several) => strings(several),
            None => None,
        };
        if !audiences.is_some_and(|all| all.contains(&self.audience)) {
            return Err(ExchangeError::member("aud"));
        }
        let party = optional_text(claims, "azp").map_err(wrong("azp"))?;
        let party = party.or(optional_text(claims, "client_id").map_err(wrong("client_id"))?);
        if party != Some(self.client.0.as_str()) {
            return Err(ExchangeError::member("azp"));
        }
        let scopes = optional_text(claims, "scope").map_err(wrong("scope"))?.map(words).unwrap_or_default();
        if !is_subset(&scopes, allowed) {
            return Err(ExchangeError::member("scope"));
        }
        let limits = Limits { skew: SKEW, max_lifetime: MAX_LIFETIME };
        limits.check(claims, now).map(|_| ()).map_err(wrong("exp"))
    }
}
