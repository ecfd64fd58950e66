//! Where Deputy is the authorization server (OAuth 2.1, RFC 8414, 8707, 9207), the pure part: what an application asks
//! for, where its answer may go, and what it brings to the token endpoint. Code flow with S256 alone.
//!
//! [`Asked::read`] says which client it claims to be → the caller looks that client up → [`Asked::check`] →
//! [`AuthorizationRequest`], which knows how to answer. A request whose redirect address is not the client's own is
//! answered to the person's eyes, never by a redirect.

mod redirect;
mod request;
mod token_request;

pub(crate) use redirect::guess_application;
pub use redirect::{ApplicationType, RedirectError, check_redirect_uri, is_same_redirect};
pub use request::{Asked, AuthorizationRequest, KnownClient, Refusal, Resources};
pub use token_request::{JWT_BEARER, PresentedClient, TokenRequest, TokenRequestError};

/// An error of the protocol, as the other side reads it (RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707, RFC 9470, OpenID
/// Connect Core 3.1.2.6, RFC 7591).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum ErrorCode {
    /// A parameter is missing, comes twice or is malformed.
    InvalidRequest,
    /// The client is unknown or did not prove who it is.
    InvalidClient,
    /// The code, token or assertion is not good (any more), or somebody else's.
    InvalidGrant,
    /// The client may not do this.
    UnauthorizedClient,
    /// A grant type that there is not.
    UnsupportedGrantType,
    /// A response type that there is not.
    UnsupportedResponseType,
    /// A scope that there is not, or that may not be asked for.
    InvalidScope,
    /// A resource that there is not.
    InvalidTarget,
    /// The person or policy said no.
    AccessDenied,
    /// Nobody is signed in, and nobody may be asked.
    LoginRequired,
    /// Nobody consented, and nobody may be asked.
    ConsentRequired,
    /// The sign-in is too old or too weak.
    InsufficientUserAuthentication,
    /// Our fault.
    ServerError,
    /// Later.
    TemporarilyUnavailable,
    /// A redirect address that may not be registered.
    InvalidRedirectUri,
    /// Metadata of a client that may not be registered.
    InvalidClientMetadata,
}

impl ErrorCode {
    /// Its registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }
}

#[cfg(test)]
mod tests;
