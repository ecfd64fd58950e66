//! What every request passes, in this order:
//!
//! 1. `sealed`: headers that keep browsers from making more of an answer than it is. First, so that refusals have them.
//! 2. `crowd`: how many at once? Before any work, so that many strangers are as cheap as one (R15).
//! 3. `hosts`: is it meant for us? Before anything is looked at, so that a rebound name reaches nothing (R10).
//! 4. `origins`: whose page sent it? Before the token (R10).
//! 5. `limits`: how much may it bring? Before authentication, so that strangers are cheap (R15).
//! 6. the guard of the door: who is it? (`caller`) Only then is a body read, and only as far as the door allows.
//! 7. `in_time`, at the doors that answer at once: a body that trickles in holds no place for long (R15).

use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deputy_core::Origin;
use deputy_hub::Hub;
use http::{HeaderValue, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bytes that a request may bring.
pub(crate) const BODY_BYTES: usize = 10_000_000;

/// Bytes that a request may bring to the doors other than `/mcp`, where some read the body before they know who asks.
pub(crate) const SMALL_BODY_BYTES: usize = 64 * 1024;
/// Requests that are being answered at once; streams that were begun do not count.
const CROWD: usize = 16_384;
/// How long a door that answers at once may take.
const QUICK: Duration = Duration::from_secs(30);

/// How many more requests may come in.
#[derive(Debug, Clone)]
pub(crate) struct Crowd(Arc<Semaphore>);

impl Default for Crowd {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CROWD)))
    }
}

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

/// Nothing that the hub answers is a page, unless its door says so.
pub(crate) async fn sealed(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    answer
}

/// R15: one too many is told to come again.
pub(crate) async fn crowd(State(crowd): State<Crowd>, request: Request, next: Next) -> Response {
    match crowd.0.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::busy().into_response(),
    }
}

/// R15: what does not end by itself is ended.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(QUICK, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Problem::too_slow().into_response(),
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
    next.run(request).await
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
