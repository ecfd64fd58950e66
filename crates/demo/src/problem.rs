//! What the CRM answers when it will not do a thing.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// Nobody is signed in.
    #[error("sign in first")]
    SignedOut,
    /// The person may only look.
    #[error("`{0}` may only read in this CRM")]
    ReadOnly(String),
    /// An agent's call for a person who is not the one signed in.
    #[error("this browser's session belongs to somebody else than the agent's user")]
    SessionChanged,
    /// An assertion that does not hold.
    #[error("the agent's assertion is not valid: {0}")]
    Assertion(String),
    /// No such contact in the person's organisation.
    #[error("there is no contact `{0}`")]
    NotFound(String),
    /// A request that makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// A write that came from another site's page.
    #[error("writes are accepted from the CRM's own pages only")]
    ForeignOrigin,
    /// The identity provider or the hub did not do its part.
    #[error("{0}")]
    Upstream(String),
}

impl Problem {
    const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::SignedOut => (StatusCode::UNAUTHORIZED, "signed_out"),
            Self::ReadOnly(_) => (StatusCode::FORBIDDEN, "read_only"),
            Self::SessionChanged => (StatusCode::FORBIDDEN, "session_changed"),
            Self::Assertion(_) => (StatusCode::FORBIDDEN, "assertion_invalid"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::Upstream(_) => (StatusCode::BAD_GATEWAY, "upstream"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let body = serde_json::json!({ "error": { "code": code, "message": self.to_string() } });
        (status, Json(body)).into_response()
    }
}
