//! Why an exchange brought nothing, sorted by what has to be done about it (D9).

use crate::claims::read::words;
use crate::members::Members;
use crate::token_response::{self, ResponseError};
use std::time::Duration;

/// Longest `acr_values` or `claims` that is passed on.
const MAX_PASSED_ON_BYTES: usize = 4096;

/// Why an exchange brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The subject token or assertion is not good any more: at leg 1 renew it, else the person signs in anew.
    #[error("the server answered `invalid_grant`")]
    InvalidGrant,
    /// The person has to sign in more recently or better (RFC 9470): told to them, not tried again.
    #[error("the server wants the person to sign in anew or better")]
    InsufficientUserAuthentication {
        /// How long ago the sign-in may be.
        max_age: Option<Duration>,
        /// One of these ways.
        acr_values: Vec<String>,
    },
    /// The provider's policy says no: for the administrator.
    #[error("the server answered `access_denied`")]
    AccessDenied,
    /// The provider knows no such audience or resource: for the administrator.
    #[error("the server answered `invalid_target`")]
    InvalidTarget,
    /// The hub may not ask for this: for the administrator.
    #[error("the server answered `unauthorized_client`")]
    UnauthorizedClient,
    /// The scopes are not to be had: for the administrator.
    #[error("the server answered `invalid_scope`")]
    InvalidScope,
    /// The hub did not prove who it is: the connection is disabled.
    #[error("the server answered `invalid_client`")]
    InvalidClient,
    /// The person has something to do first (Entra ID): passed on as a claims challenge.
    #[error("the server wants something of the person")]
    InteractionRequired {
        /// What to ask for at the next sign-in, as it came.
        claims: Option<String>,
    },
    /// Later, with patience.
    #[error("the server is not to be had at the moment (status {0})")]
    Temporary(u16),
    /// An error of a kind that there should not be: for the administrator.
    #[error("the server answered with status {0} and an error that is none of this exchange's")]
    Unknown(u16),
    /// A good answer that is not what was asked for: not used, nothing of it kept (D5).
    #[error("the server's answer is not what was asked for: {0}")]
    Unusable(ResponseError),
    /// The connection itself cannot be right.
    #[error("the connection cannot be right: {0}")]
    Connection(&'static str),
}

impl ExchangeError {
    pub(super) const fn member(name: &'static str) -> Self {
        Self::Unusable(ResponseError::Member(name))
    }

    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidGrant => "exchange_invalid_grant",
            Self::InsufficientUserAuthentication { .. } => "exchange_insufficient_user_authentication",
            Self::AccessDenied => "exchange_access_denied",
            Self::InvalidTarget => "exchange_invalid_target",
            Self::UnauthorizedClient => "exchange_unauthorized_client",
            Self::InvalidScope => "exchange_invalid_scope",
            Self::InvalidClient => "exchange_invalid_client",
            Self::InteractionRequired { .. } => "exchange_interaction_required",
            Self::Temporary(_) => "exchange_temporary",
            Self::Unknown(_) => "exchange_unknown",
            Self::Unusable(_) => "exchange_unusable",
            Self::Connection(_) => "exchange_connection",
        }
    }
}

/// What an answer that is no 200 means. Nothing of what the server wrote is passed on but what the person's next sign-in
/// needs.
#[must_use]
pub fn read_error(status: u16, body: &[u8]) -> ExchangeError {
    if matches!(status, 408 | 425 | 429 | 500..) {
        return ExchangeError::Temporary(status);
    }
    read(body).unwrap_or(if status == 401 {
        ExchangeError::InvalidClient
    } else {
        ExchangeError::Unknown(status)
    })
}

fn read(body: &[u8]) -> Option<ExchangeError> {
    let members = token_response::object(body).ok()?;
    let short = |name| {
        let text = token_response::text(&members, name).ok().flatten();
        text.filter(|text| text.len() <= MAX_PASSED_ON_BYTES)
    };
    Some(match short("error")? {
        // Entra ID (AADSTS65001): the person's token is good, but nobody let the hub have the target's scopes. Signing in
        // anew would change nothing.
        "invalid_grant" if short("suberror") == Some("consent_required") => ExchangeError::UnauthorizedClient,
        "invalid_grant" => ExchangeError::InvalidGrant,
        "insufficient_user_authentication" => ExchangeError::InsufficientUserAuthentication {
            max_age: token_response::seconds(&members, "max_age").ok().flatten(),
            acr_values: words(short("acr_values").unwrap_or_default()),
        },
        "access_denied" => ExchangeError::AccessDenied,
        "invalid_target" => ExchangeError::InvalidTarget,
        "unauthorized_client" => ExchangeError::UnauthorizedClient,
        "invalid_scope" => ExchangeError::InvalidScope,
        "invalid_client" => ExchangeError::InvalidClient,
        "interaction_required" => {
            let is_object = |text: &&str| Members::parse(text.as_bytes()).is_some();
            ExchangeError::InteractionRequired {
                claims: short("claims").filter(is_object).map(str::to_owned),
            }
        }
        "temporarily_unavailable" | "server_error" | "slow_down" => ExchangeError::Temporary(503),
        _ => return None,
    })
}
