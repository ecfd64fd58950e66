//! What every request passes, in this order; 1 to 5 are [`Entrance`], which [`crate::House`] asks before anything else:
//!
//! 1. Sealed: headers that keep browsers from making more of an answer than it is. First, so that refusals have them.
//! 2. Crowd: how many at once? Before any work, so that many strangers are as cheap as one (R15).
//! 3. Hosts: is it meant for us? Before anything is looked at, so that a rebound name reaches nothing (R10).
//! 4. Origins: whose page sent it? Before the token (R10).
//! 5. Limits: how much may it bring? Before authentication, so that strangers are cheap (R15).
//! 6. The guard of the door: who is it? (`caller`) Only then is a body read, and only as far as the door allows.
//! 7. [`in_time`], at the doors that answer at once: a body that trickles in holds no place for long (R15).

use crate::problem::Problem;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deputy_core::Origin;
use deputy_hub::Hub;
use http::{HeaderValue, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// What stands before every door.
#[derive(Clone)]
pub(crate) struct Entrance {
    /// Knows whose pages may speak.
    pub(crate) hub: Arc<Hub>,
    /// The names under which the hub answers.
    pub(crate) hosts: Hosts,
    /// Who is inside.
    pub(crate) crowd: Crowd,
}

impl Entrance {
    /// A place inside for as long as the request is being answered, or why it is not let in.
    ///
    /// # Errors
    /// What it is answered with.
    pub(crate) fn admit<B>(&self, request: &Request<B>) -> Result<OwnedSemaphorePermit, Problem> {
        // R15: one too many is told to come again.
        let place = Arc::clone(&self.crowd.0).try_acquire_owned().map_err(|_| Problem::busy())?;
        self.refusal(request).map_or(Ok(place), Err)
    }

    fn refusal<B>(&self, request: &Request<B>) -> Option<Problem> {
        if !self.hosts.is_meant(request) {
            return Some(Problem::forbidden("the Host is not this hub's"));
        }
        if !is_welcome(&self.hub, request) {
            self.hub.count_refused("origin", "origin_not_configured");
            return Some(Problem::forbidden("the Origin may not speak to this address"));
        }
        // R15: what says that it is too large is not read at all.
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        length.is_some_and(|length| length > BODY_BYTES).then(Problem::too_large)
    }
}

/// Nothing that the hub answers is a page, unless its door says so.
pub(crate) async fn sealed(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    seal(&mut answer);
    answer
}

/// Nothing that the hub answers is a page, unless its door says so.
pub(crate) fn seal(answer: &mut Response) {
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}

/// R15: what does not end by itself is ended.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(QUICK, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Problem::too_slow().into_response(),
    }
}

impl Hosts {
    /// R10: exactly one host, and it is ours.
    fn is_meant<B>(&self, request: &Request<B>) -> bool {
        let mut values = request.headers().get_all(header::HOST).iter();
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        // A header that is no text is a host that is not ours, not one that is missing.
        let first = values.next().map(|value| value.to_str().unwrap_or_default());
        match (first, authority, values.next()) {
            (Some(host), None, None) => self.has(host),
            (None, Some(authority), None) => self.has(authority),
            (Some(host), Some(authority), None) => self.has(host) && self.has(authority),
            _ => false,
        }
    }
}

/// R10: a page may speak only from our own origin, or, at the doors made for it, from an app's.
fn is_welcome<B>(hub: &Hub, request: &Request<B>) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    if origins.next().is_some() {
        return false;
    }
    let path = request.uri().path();
    let for_pages = path == "/tab"
        || path == "/api/tickets"
        || path == "/.well-known/jwks.json"
        || path.starts_with("/sdk/");
    let text = origin.to_str().unwrap_or_default();
    let known = || Origin::new(text).is_ok_and(|origin| hub.knows_origin(&origin));
    text == hub.public_url() || (for_pages && known())
}
