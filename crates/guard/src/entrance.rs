//! What every request passes before anything looks at it: how many at once, is it meant for us, whose page sent it, how much
//! does it bring. And what every answer carries.

use crate::bearer::said;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use deputy_core::Origin;
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes that a request may bring.
pub(crate) const BODY_BYTES: usize = 4 << 20;
/// Requests that are being answered at once; streams that were begun do not count.
const CROWD: usize = 4096;

/// What stands before every door.
#[derive(Clone)]
pub(crate) struct Entrance {
    hosts: Arc<[String]>,
    origin: Origin,
    crowd: Arc<Semaphore>,
}

impl Entrance {
    /// Answers under the public address and the one it listens on, exactly.
    pub(crate) fn new(public_url: &Origin, listen: &str) -> Self {
        let authority = public_url.as_str().split_once("://").map_or("", |(_, rest)| rest);
        Self {
            hosts: [authority.to_owned(), listen.to_ascii_lowercase()].into(),
            origin: public_url.clone(),
            crowd: Arc::new(Semaphore::new(CROWD)),
        }
    }

    fn refusal(&self, request: &Request) -> Option<Response> {
        if !self.is_meant(request) {
            return Some(said(StatusCode::FORBIDDEN, "forbidden", "the Host is not this guard's"));
        }
        if !self.is_welcome(request) {
            return Some(said(
                StatusCode::FORBIDDEN,
                "forbidden",
                "the Origin may not speak to this address",
            ));
        }
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let too_long = length.is_some_and(|length| length > BODY_BYTES);
        too_long.then(|| said(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body has more than 4 MiB"))
    }

    /// Exactly one host, and it is ours: a name that was rebound to us reaches nothing.
    fn is_meant(&self, request: &Request) -> bool {
        let mut values = request.headers().get_all(header::HOST).iter();
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let has = |host: &str| self.hosts.iter().any(|own| host.eq_ignore_ascii_case(own));
        let first = values.next().map(|value| value.to_str().unwrap_or_default());
        match (first, authority, values.next()) {
            (Some(host), None, None) => has(host),
            (None, Some(authority), None) => has(authority),
            (Some(host), Some(authority), None) => has(host) && has(authority),
            _ => false,
        }
    }

    /// No page but one of ours.
    fn is_welcome(&self, request: &Request) -> bool {
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => origin.to_str().is_ok_and(|text| text == self.origin.as_str()),
            _ => false,
        }
    }
}

/// All of it, as one layer.
pub(crate) async fn entrance(State(entrance): State<Entrance>, request: Request, next: Next) -> Response {
    let mut answer = match entrance.crowd.try_acquire() {
        Ok(_place) => match entrance.refusal(&request) {
            None => next.run(request).await,
            Some(refused) => refused,
        },
        Err(_) => said(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at once; try again"),
    };
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    answer
}
