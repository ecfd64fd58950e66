//! Who sends this request? Asked at every one; no answer is remembered.

use crate::guard::{Guard, NotIn};
use crate::user::GuardedUser;
use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;

impl Guard {
    /// The person behind a request, or the answer that it gets instead.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<GuardedUser, Box<Response<Body>>> {
        let token = bearer(headers);
        let Some(token) = token else { return Err(Box::new(self.who_are_you(None))) };
        self.check(token).map_err(|why| {
            tracing::debug!(code = why.code(), "a request was refused");
            Box::new(match why {
                NotIn::Token(_) | NotIn::Person => self.who_are_you(Some("invalid_token")),
                NotIn::Unknown => {
                    let words = "it is not known who is let in; try again later";
                    said(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", words)
                }
            })
        })
    }

    /// 401, the same whatever is wrong (A13), with the way to a token (RFC 9728 section 5.1).
    fn who_are_you(&self, error: Option<&str>) -> Response<Body> {
        let error = error.map(|error| format!("error=\"{error}\", ")).unwrap_or_default();
        let scope = self.scopes().names().collect::<Vec<_>>().join(" ");
        let challenge =
            format!("Bearer {error}resource_metadata=\"{}\", scope=\"{scope}\"", self.metadata_at());
        let words = "the token is missing, expired, or not for this resource";
        challenged(said(StatusCode::UNAUTHORIZED, "invalid_token", words), &challenge)
    }

    /// 403, with every scope that it would take (RFC 6750 section 3.1).
    pub(crate) fn more_scope(&self, scope: Option<&str>) -> Response<Body> {
        let scope = scope.map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
        let metadata = self.metadata_at();
        let challenge =
            format!("Bearer error=\"insufficient_scope\"{scope}, resource_metadata=\"{metadata}\"");
        let words = "the token does not have the scope for this";
        challenged(said(StatusCode::FORBIDDEN, "insufficient_scope", words), &challenge)
    }

    fn metadata_at(&self) -> String {
        format!("{}/.well-known/oauth-protected-resource{}", self.issuer, crate::settings::RESOURCE_PATH)
    }
}

/// The one bearer token of a request. None if there are two: another reader could see the other one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}

/// An answer in the words of OAuth.
pub(crate) fn said(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    (status, Json(json!({ "error": error, "error_description": description }))).into_response()
}

fn challenged(mut answer: Response<Body>, challenge: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(challenge) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    answer
}
