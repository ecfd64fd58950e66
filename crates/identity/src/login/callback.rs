//! What the browser brings back from the provider: a code, or why there is none (RFC 6749 section 4.1.2, RFC 9207).

use super::Transaction;
use crate::form::{FormError, Parameters};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use deputy_core::Secret;

const MAX_CODE_BYTES: usize = 4096;

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Not a query that can be relied on.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The `state` is not the one that was sent: another browser's answer, or an old one.
    #[error("the answer belongs to another sign-in")]
    State,
    /// The answer is of another issuer than the one that was asked, or does not say of which although it always does.
    #[error("the answer is not of the identity provider that was asked")]
    Issuer,
    /// The provider said no: its error code, cleaned.
    #[error("the identity provider answered `{0}`")]
    Refused(String),
    /// Neither a code nor an error, or both.
    #[error("the answer has no code")]
    NoCode,
}

impl CallbackError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form(error) => error.code(),
            Self::State => "login_state",
            Self::Issuer => "login_issuer",
            Self::Refused(_) => "login_refused",
            Self::NoCode => "login_no_code",
        }
    }
}

impl Transaction {
    /// Reads the query with which the browser came back. `state` and issuer are compared before anything else is believed,
    /// an error too.
    ///
    /// # Errors
    /// Final, all of them: the person begins anew.
    pub fn read_callback(&self, query: &[u8]) -> Result<Secret<String>, CallbackError> {
        let answer = Parameters::parse(query)?;
        let state = answer.one("state").unwrap_or_default();
        verify_slices_are_equal(state.as_bytes(), self.0.state.as_bytes())
            .map_err(|_| CallbackError::State)?;
        let right = match answer.one("iss") {
            Some(issuer) => issuer == self.0.issuer.as_str(),
            None => !self.0.names_issuer,
        };
        if !right {
            return Err(CallbackError::Issuer);
        }
        let code = answer.one("code").filter(|code| code.len() <= MAX_CODE_BYTES);
        match (answer.one("error"), code) {
            (Some(error), None) => Err(CallbackError::Refused(cleaned(error))),
            (None, Some(code)) => Ok(Secret::new(code.to_owned())),
            _ => Err(CallbackError::NoCode),
        }
    }
}

/// An error code if it looks like one: a stranger may have written it.
fn cleaned(code: &str) -> String {
    let word = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if word { code.to_owned() } else { "unknown_error".to_owned() }
}
