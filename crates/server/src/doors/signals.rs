//! `POST /logout/backchannel` (OpenID Connect Back-Channel Logout 1.0) and `POST /events/ssf` (RFC 8935): what an identity
//! provider says ended.

use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use deputy_hub::Hub;
use deputy_hub::signals::SignalFault;
use deputy_identity::form::Parameters;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use std::sync::Arc;

/// `POST /logout/backchannel`: a form with a `logout_token`.
pub(crate) async fn logout(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    if !is(&headers, "application/x-www-form-urlencoded") {
        return not_logged_out("send `application/x-www-form-urlencoded`");
    }
    let form = Parameters::parse(&body).ok();
    let Some(token) = form.as_ref().and_then(|form| form.one("logout_token")) else {
        return not_logged_out("there has to be one `logout_token`");
    };
    match hub.signals().logout(token).await {
        Ok(()) => no_store(StatusCode::OK.into_response()),
        Err(SignalFault::Unavailable) => Problem::unavailable().into_response(),
        // Why is for the log (A13).
        Err(_) => not_logged_out("the logout token was not accepted"),
    }
}

/// `POST /events/ssf`: one security event token.
pub(crate) async fn pushed(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    if !hub.signals().are_pushed() {
        return Problem::not_found().into_response();
    }
    if !is(&headers, "application/secevent+jwt") {
        return not_taken("invalid_request", "send `application/secevent+jwt`");
    }
    let mut shown = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::to_str);
    let authorization = match (shown.next(), shown.next()) {
        (None, _) => None,
        (Some(Ok(one)), None) => Some(one),
        _ => return not_taken("authentication_failed", "there is more than one `Authorization`"),
    };
    let Ok(token) = std::str::from_utf8(&body) else {
        return not_taken("invalid_request", "the body is not one security event token");
    };
    match hub.signals().pushed(token.trim(), authorization).await {
        Ok(()) => no_store(StatusCode::ACCEPTED.into_response()),
        Err(SignalFault::Unavailable) => Problem::unavailable().into_response(),
        Err(fault) => not_taken(fault.code(), "the security event token was not accepted"),
    }
}

fn is(headers: &HeaderMap, kind: &str) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind)
}

/// Back-Channel Logout 1.0 section 2.8.
fn not_logged_out(words: &str) -> Response {
    let body = json!({ "error": "invalid_request", "error_description": words });
    no_store((StatusCode::BAD_REQUEST, Json(body)).into_response())
}

/// RFC 8935 section 2.3.
fn not_taken(code: &str, words: &str) -> Response {
    let body = json!({ "err": code, "description": words });
    let mut answer = (StatusCode::BAD_REQUEST, Json(body)).into_response();
    answer.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
    no_store(answer)
}

fn no_store(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
