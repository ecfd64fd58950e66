//! The one place that picks statuses (invariant 7), in the shape of RFC 9457.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    challenge: Option<String>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: &str) -> Self {
        Self { status, code, detail: detail.to_owned(), challenge: None, retry_after_seconds: None }
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// Nobody we know. The same for every reason (A13), with the way to sign in (RFC 9728 section 5.1).
    pub(crate) fn unauthenticated(metadata: &str) -> Self {
        let mut problem =
            Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", deputy_identity::TokenError::PUBLIC);
        problem.challenge = Some(format!("Bearer resource_metadata=\"{metadata}\""));
        problem
    }

    /// The same where the hub itself gives tokens: with what an agent should ask for to begin with.
    pub(crate) fn unauthenticated_asking(metadata: &str, scope: &str) -> Self {
        let mut problem = Self::unauthenticated(metadata);
        problem.challenge = Some(format!("Bearer resource_metadata=\"{metadata}\", scope=\"{scope}\""));
        problem
    }

    /// The same at the ticket door, which wants the user's own token and has no sign-in of its own.
    pub(crate) fn unauthenticated_tickets() -> Self {
        let mut problem =
            Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", deputy_identity::TokenError::PUBLIC);
        problem.challenge = Some("Bearer".to_owned());
        problem
    }

    /// Known, or not needed to be known, and not allowed.
    pub(crate) fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// Not there, or not for you to know (invariant 7).
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    /// There, but not with this method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address does not take this method",
        )
    }

    /// Not what it was when you looked.
    pub(crate) fn conflict(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Larger than we read.
    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is larger than 10,000,000 bytes")
    }

    /// Slower than we read.
    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not arrive in time")
    }

    /// Not in a form that we read.
    pub(crate) fn unsupported_media(detail: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media", detail)
    }

    /// Not in a form that we write.
    pub(crate) fn not_acceptable(detail: &str) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    }

    /// Too many at once.
    pub(crate) fn busy() -> Self {
        Self {
            retry_after_seconds: Some(2),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many at once")
        }
    }

    /// The identity provider's keys are not to be had (A13).
    pub(crate) fn unavailable() -> Self {
        let detail = "the identity provider, or the log, cannot be reached now; nothing was done";
        Self {
            retry_after_seconds: Some(5),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", detail)
        }
    }

    /// The log does not take the line, so nothing happens (invariant 14).
    pub(crate) fn audit_unavailable() -> Self {
        let detail = deputy_core::Reason::AuditUnavailable.words();
        Self {
            retry_after_seconds: Some(5),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("error");
        let body = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "code": self.code, "detail": self.detail,
        });
        let mut answer = (self.status, body.to_string()).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(value) = self.challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, value);
            // Answered before the body was read, so the connection may end with it: whoever sent it is told, and does not
            // send the next request, the one with the token, into it.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
