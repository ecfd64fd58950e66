//! The lane `client_credentials`: a token for the hub itself and nobody else (RFC 6749 section 4.4; MCP extension
//! `io.modelcontextprotocol/oauth-client-credentials`).

use super::{Access, ExchangeError};
use crate::form::Form;

/// What is asked, for one resource.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The identifier of the MCP server (RFC 8707).
    pub resource: String,
    /// What the hub needs there.
    pub scopes: Vec<String>,
}

impl ClientCredentials {
    /// The form, client authentication apart.
    #[must_use]
    pub fn form(&self) -> Form {
        Form::new()
            .with("grant_type", "client_credentials")
            .with("resource", self.resource.as_str())
            .with_some("scope", Some(&self.scopes.join(" ")))
    }

    /// The body of a 200. If no scope was asked for, the server chooses.
    ///
    /// # Errors
    /// [`ExchangeError::Unusable`] names the member.
    pub fn read(&self, body: &[u8]) -> Result<Access, ExchangeError> {
        let access = Access::read(body, None)?;
        if self.scopes.is_empty() { Ok(access) } else { access.within(&self.scopes) }
    }
}
