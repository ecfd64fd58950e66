//! An access token that an exchange brought.

use super::ExchangeError;
use crate::token_response::{TokenResponse, TokenType};
use deputy_core::Secret;
use std::time::Duration;

/// A bearer token for one resource, as far as the answer says it.
pub struct Access {
    /// The token.
    pub token: Secret<String>,
    /// How long it is good, if the answer says so (D7).
    pub expires_in: Option<Duration>,
    /// What it allows.
    pub granted: Granted,
}

/// Which scopes were granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// The answer says nothing: as they were asked for (RFC 6749 section 5.1).
    AsAsked,
    /// These.
    Scopes(Vec<String>),
}

impl Access {
    /// Reads a good answer: a bearer token, no refresh token (the hub would have to keep it), of this issued type if the
    /// lane has one.
    pub(super) fn read(body: &[u8], issued: Option<&str>) -> Result<Self, ExchangeError> {
        let answer = TokenResponse::parse(body).map_err(ExchangeError::Unusable)?;
        if answer.token_type != TokenType::Bearer {
            return Err(ExchangeError::member("token_type"));
        }
        if answer.refresh_token.is_some() {
            return Err(ExchangeError::member("refresh_token"));
        }
        if issued.is_some() && answer.issued_token_type.as_deref() != issued {
            return Err(ExchangeError::member("issued_token_type"));
        }
        let granted = answer.scopes.map_or(Granted::AsAsked, Granted::Scopes);
        Ok(Self { token: answer.access_token, expires_in: answer.expires_in, granted })
    }

    /// The same from a server that may leave the issued type out; one that it names is this.
    pub(super) fn read_if_named(body: &[u8], issued: &str) -> Result<Self, ExchangeError> {
        let answer = TokenResponse::parse(body).map_err(ExchangeError::Unusable)?;
        Self::read(body, answer.issued_token_type.is_some().then_some(issued))
    }

    /// The same if it allows nothing that was not asked for.
    pub(super) fn within(self, asked: &[String]) -> Result<Self, ExchangeError> {
        match &self.granted {
            Granted::Scopes(scopes) if !is_subset(scopes, asked) => Err(ExchangeError::member("scope")),
            _ => Ok(self),
        }
    }
}

/// Whether every scope was asked for.
pub(super) fn is_subset(scopes: &[String], asked: &[String]) -> bool {
    scopes.iter().all(|scope| asked.contains(scope))
}
