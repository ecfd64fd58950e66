//! The lane `entra_obo`: Microsoft Entra ID's on-behalf-of flow. The same grant type as the second leg of an ID-JAG, and
//! another meaning: the assertion is the access token with which the agent came, whose `aud` is the hub's application.

use super::{Access, ExchangeError};
use crate::authorization::JWT_BEARER;
use crate::form::Form;
use deputy_core::{Client, Secret};

/// What is never asked for: the hub would have to keep what comes of it.
const OFFLINE: &str = "offline_access";

/// What is asked, for one target.
#[derive(Debug, Clone)]
pub struct OnBehalfOf {
    client: Client,
    scopes: Vec<String>,
}

impl OnBehalfOf {
    /// `scopes` are those of the target, such as `api://ledger/read`.
    ///
    /// # Errors
    /// [`ExchangeError::Connection`]: there is none, or `offline_access` among them.
    pub fn new(client: Client, scopes: Vec<String>) -> Result<Self, ExchangeError> {
        if scopes.is_empty() || scopes.iter().any(|scope| scope == OFFLINE) {
            return Err(ExchangeError::Connection("it has no scope, or `offline_access`"));
        }
        Ok(Self { client, scopes })
    }

    /// The whole form. `proof` are the fields of [`crate::client_authentication::ClientProof`]; `client_id` is always in
    /// it, for Entra ID wants it also beside a signed assertion.
    #[must_use]
    pub fn form(&self, access_token: &Secret<String>, proof: Form) -> Form {
        let named = proof.iter().any(|(name, _)| name == "client_id");
        let client = if named { None } else { Some(self.client.0.as_str()) };
        Form::new()
            .with("grant_type", JWT_BEARER)
            .with("assertion", access_token.expose().as_str())
            .with("requested_token_use", "on_behalf_of")
            .with("scope", self.scopes.join(" "))
            .with_some("client_id", client)
            .and(proof)
    }

    /// The body of a 200. Scopes come back in another spelling than they were asked for, so they are not compared; what
    /// the token allows is the target's to say.
    ///
    /// # Errors
    /// [`ExchangeError::Unusable`] names the member.
    pub fn read(&self, body: &[u8]) -> Result<Access, ExchangeError> {
        Access::read(body, None)
    }
}
