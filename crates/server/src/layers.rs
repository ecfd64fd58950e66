//! What every request passes, in this order:
//!
//! 1. `hosts`: is it meant for us? Before anything else, so that a rebound name reaches nothing (R10).
//! 2. `origins`: whose page sent it? Before the token (R10).
//! 3. `limits`: how much may it bring? Before authentication, so that strangers are cheap (R15).
//! 4. the guard of the door: who is it? (`caller`)

use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deputy_core::Origin;
use deputy_hub::Hub;
use http::{HeaderValue, header};
use std::sync::Arc;

/// Bytes that a request may bring.
pub(crate) const BODY_BYTES: usize = 10_000_000;

/// The authorities (`host[:port]`) under which this hub answers, exactly.
#[derive(Debug, Clone)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// The public URL's authority and the listening address.
    #[must_use]
    pub fn new(public_url: &str, listen: &str) -> Self {
        let authority = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
        Self([authority.to_ascii_lowercase(), listen.to_ascii_lowercase()].into())
    }

    fn has(&self, host: &str) -> bool {
        self.0.iter().any(|own| host.eq_ignore_ascii_case(own))
    }
}

/// R10: exactly one host, and it is ours.
pub(crate) async fn hosts(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let mut values = request.headers().get_all(header::HOST).iter();
    let authority = request.uri().authority().map(ToString::to_string);
    let first = values.next().and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let ours = match (first, authority, values.next()) {
        (Some(host), None, None) => hosts.has(&host),
        (None, Some(authority), None) => hosts.has(&authority),
        (Some(host), Some(authority), None) => hosts.has(&host) && hosts.has(&authority),
        _ => false,
    };
    if ours {
        next.run(request).await
    } else {
        Problem::forbidden("the Host is not this hub's").into_response()
    }
}

/// R10: a page may speak only from our own origin, or, at the doors made for it, from an app's.
pub(crate) async fn origins(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let origins: Vec<_> = request.headers().get_all(header::ORIGIN).iter().cloned().collect();
    let path = request.uri().path();
    let for_pages = path == "/tab"
        || path == "/api/tickets"
        || path == "/.well-known/jwks.json"
        || path.starts_with("/sdk/");
    let welcome = match origins.as_slice() {
        [] => true,
        [origin] => {
            let text = origin.to_str().unwrap_or_default();
            let known = || Origin::new(text).is_ok_and(|origin| hub.knows_origin(&origin));
            text == hub.public_url() || (for_pages && known())
        }
        _ => false,
    };
    if !welcome {
        hub.count_refused("origin", "origin_not_configured");
        return Problem::forbidden("the Origin may not speak to this address").into_response();
    }
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    answer
}

/// R15: what says that it is too large is not read at all.
pub(crate) async fn limits(request: Request, next: Next) -> Response {
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_BYTES) {
        return Problem::too_large().into_response();
    }
    next.run(request).await
}
