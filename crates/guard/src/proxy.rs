//! `/mcp`: what a person may ask goes through to the server; everything else is answered here.

use crate::bearer::said;
use crate::entrance::BODY_BYTES;
use crate::error::GuardError;
use crate::guard::Guard;
use crate::message::{self, Refusal, Wanted};
use crate::session::{Pending, Session};
use crate::sessions::{NoSession, Sessions};
use crate::settings::{Handover, ServerSettings, Way};
use crate::sse;
use crate::upstream::Upstream;
use crate::user::GuardedUser;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use deputy_protocol::jsonrpc::{Fault, code};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// The header that names a session.
pub(crate) const SESSION: &str = "mcp-session-id";
/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// What stands between clients and the server.
pub struct Proxy {
    guard: Arc<Guard>,
    way: Behind,
    timeout: Duration,
}

enum Behind {
    Processes(Arc<Sessions>),
    Http(Box<Upstream>),
}

impl Proxy {
    /// Before this server. If the guard is to start it on a socket, it does so here.
    ///
    /// # Errors
    /// The socket's folder cannot be made, or the settings cannot be.
    pub fn new(guard: &Arc<Guard>, settings: &ServerSettings) -> Result<Arc<Self>, GuardError> {
        let way = match &settings.way {
            Way::Stdio(_) if settings.handover == Handover::Header => {
                let words = "a server on standard input has no headers: hand the user over in `_meta`";
                return Err(GuardError::Settings(words.to_owned()));
            }
            Way::Stdio(program) => Behind::Processes(Sessions::new(guard, program.clone(), settings)),
            Way::Socket { name, path, program } => {
                Behind::Http(Box::new(Upstream::on_socket(guard, settings, name, path, program.as_ref())?))
            }
            Way::Address(url) => Behind::Http(Box::new(Upstream::at(guard, settings, url)?)),
        };
        Ok(Arc::new(Self { guard: Arc::clone(guard), way, timeout: settings.timeout }))
    }

    pub(crate) async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        // The layer before this one puts it there; without it nobody gets through.
        let Some(user) = parts.extensions.get::<GuardedUser>().cloned() else {
            return said(StatusCode::UNAUTHORIZED, "invalid_token", "nobody is known");
        };
        match parts.method {
            Method::POST => {
                match tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, BODY_BYTES)).await {
                    Ok(Ok(body)) => self.post(&parts.headers, &body, user).await,
                    Ok(Err(_)) => {
                        said(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body has more than 4 MiB")
                    }
                    Err(_) => said(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body came too slowly"),
                }
            }
            Method::GET => self.get(&parts.headers, user).await,
            Method::DELETE => self.delete(&parts.headers, &user).await,
            _ => {
                let mut answer = said(StatusCode::METHOD_NOT_ALLOWED, "method", "use POST, GET or DELETE");
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
                answer
            }
        }
    }

    async fn post(&self, headers: &HeaderMap, body: &[u8], user: GuardedUser) -> Response {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return said(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", "send application/json");
        }
        let wanted = match message::read(body) {
            Ok(wanted) => wanted,
            Err(fault) => return faulty(StatusCode::BAD_REQUEST, &fault),
        };
        if let Wanted::Request(ask) = &wanted
            && let Err(refusal) = ask.judge(self.guard.scopes(), &user)
        {
            tracing::info!(client = %user.client().0, subject = %user.person().subject, method = %ask.method,
                tool = ask.name.as_deref().unwrap_or_default(), "a request was refused by scope");
            return match refusal {
                Refusal::Scope(scope) => self.guard.more_scope(Some(&scope)),
                Refusal::Fault(fault) => faulty(StatusCode::OK, &fault),
            };
        }
        match &self.way {
            Behind::Processes(sessions) => self.to_process(sessions, headers, wanted, user).await,
            Behind::Http(upstream) => upstream.post(headers, wanted, user).await,
        }
    }

    async fn to_process(
        &self,
        sessions: &Arc<Sessions>,
        headers: &HeaderMap,
        wanted: Wanted,
        user: GuardedUser,
    ) -> Response {
        let owner = user.owner();
        let session = match session_id(headers) {
            Err(()) => return unknown_session(),
            Ok(None) => None,
            Ok(Some(id)) => match sessions.named(id, &owner) {
                Some(session) => Some(session),
                None => return unknown_session(),
            },
        };
        match (wanted, session) {
            (Wanted::Request(ask), None) if ask.method == "initialize" => match sessions.open(&owner) {
                Ok((id, session)) => self.initialize(&id, &session, ask, user).await,
                Err(error) => not_opened(&error),
            },
            (Wanted::Request(ask), Some(_)) if ask.method == "initialize" => {
                let words = "`initialize` opens a session and is sent without `Mcp-Session-Id`";
                faulty(
                    StatusCode::BAD_REQUEST,
                    &Fault::new(code::INVALID_REQUEST, words).answering(Some(&ask.id)),
                )
            }
            (Wanted::Request(ask), None) if ask.version.is_some() => match sessions.stateless(&owner) {
                Ok(session) => self.ask(&session, ask, user, headers).await,
                Err(error) => not_opened(&error),
            },
            (Wanted::Request(ask), Some(session)) => self.ask(&session, ask, user, headers).await,
            (Wanted::Notification { method, params }, Some(session)) => {
                session.tell(&method, params);
                StatusCode::ACCEPTED.into_response()
            }
            // Where each request stands by itself, there is nothing that a notification could be about.
            (Wanted::Notification { .. }, None) => StatusCode::ACCEPTED.into_response(),
            (Wanted::Answer { id, text }, Some(session)) if session.reply(&id, &text) => {
                StatusCode::ACCEPTED.into_response()
            }
            (Wanted::Answer { .. }, Some(_)) => {
                faulty(StatusCode::BAD_REQUEST, &Fault::new(code::INVALID_REQUEST, "nobody asked that"))
            }
            (Wanted::Request(_) | Wanted::Answer { .. }, None) => {
                let words = "`Mcp-Session-Id` is missing: send `initialize` first";
                faulty(StatusCode::BAD_REQUEST, &Fault::new(code::INVALID_REQUEST, words))
            }
        }
    }

    async fn initialize(
        &self,
        id: &str,
        session: &Arc<Session>,
        ask: message::Ask,
        user: GuardedUser,
    ) -> Response {
        let Ok(mut pending) = session.ask(ask, user) else {
            session.gone.cancel();
            return busy();
        };
        let answer = match tokio::time::timeout(self.timeout, pending.answer()).await {
            Ok(answer) => answer,
            Err(_) => pending.too_late(),
        };
        let opened = serde_json::from_str::<serde_json::Value>(answer.get());
        let opened = opened.is_ok_and(|answer| answer.get("result").is_some());
        let mut response = json(StatusCode::OK, &answer);
        match HeaderValue::from_str(id) {
            Ok(id) if opened => drop(response.headers_mut().insert(SESSION, id)),
            _ => session.gone.cancel(),
        }
        response
    }

    /// One answer as JSON; with anything before it, a stream.
    async fn ask(
        &self,
        session: &Arc<Session>,
        ask: message::Ask,
        user: GuardedUser,
        headers: &HeaderMap,
    ) -> Response {
        let listens = ask.method == "subscriptions/listen";
        let Ok(mut pending) = session.ask(ask, user.clone()) else { return busy() };
        let left = self.guard.left_of(&user);
        let time = if listens { left } else { self.timeout.min(left) };
        if !takes_streams(headers) {
            return match tokio::time::timeout(time, pending.answer()).await {
                Ok(answer) => json(StatusCode::OK, &answer),
                Err(_) => late(&mut pending),
            };
        }
        let first = tokio::time::timeout(time, sse::Source::next(&mut pending)).await;
        match first {
            Ok(Some(first)) if pending.is_over() => json(StatusCode::OK, &first),
            Ok(Some(first)) => {
                let source =
                    Begun { first: Some(first), pending, ends_at: tokio::time::Instant::now() + time };
                sse::stream(&self.guard, user, source)
            }
            Ok(None) | Err(_) => late(&mut pending),
        }
    }

    async fn get(&self, headers: &HeaderMap, user: GuardedUser) -> Response {
        match &self.way {
            Behind::Http(upstream) => upstream.get(headers, user).await,
            Behind::Processes(sessions) => {
                if !takes_streams(headers) {
                    return said(StatusCode::NOT_ACCEPTABLE, "not_acceptable", "accept text/event-stream");
                }
                match session_id(headers) {
                    Ok(Some(id)) => match sessions.named(id, &user.owner()) {
                        Some(session) => sse::stream(&self.guard, user, session.listen()),
                        None => unknown_session(),
                    },
                    Ok(None) => said(
                        StatusCode::METHOD_NOT_ALLOWED,
                        "method",
                        "without a session there is nothing to hear",
                    ),
                    Err(()) => unknown_session(),
                }
            }
        }
    }

    async fn delete(&self, headers: &HeaderMap, user: &GuardedUser) -> Response {
        match &self.way {
            Behind::Http(upstream) => upstream.delete(headers, user).await,
            Behind::Processes(sessions) => match session_id(headers) {
                Ok(Some(id)) => match sessions.named(id, &user.owner()) {
                    Some(session) => {
                        session.gone.cancel();
                        StatusCode::NO_CONTENT.into_response()
                    }
                    None => unknown_session(),
                },
                _ => unknown_session(),
            },
        }
    }

    /// What has to be said loudly about the way to this server.
    #[must_use]
    pub fn loud(settings: &ServerSettings) -> Option<String> {
        match &settings.way {
            Way::Address(url) => Some(format!(
                "WARNING: the server at {} is reached over the network. The guard cannot keep others away from it: only the \
                 network can. Whoever reaches that address without the guard is nobody's business but theirs",
                crate::fetch::shown(url)
            )),
            Way::Stdio(_) | Way::Socket { .. } => None,
        }
    }
}

/// The stream of a request that was told something before its answer.
struct Begun {
    first: Option<Box<RawValue>>,
    pending: Pending,
    ends_at: tokio::time::Instant,
}

impl sse::Source for Begun {
    async fn next(&mut self) -> Option<Box<RawValue>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        match tokio::time::timeout_at(self.ends_at, self.pending.next()).await {
            Ok(message) => message,
            Err(_) => {
                let late = (!self.pending.is_over()).then(|| self.pending.too_late());
                self.pending.give_up();
                late
            }
        }
    }
}

/// There is no answer in time, and nobody waits any more.
fn late(pending: &mut Pending) -> Response {
    let answer = json(StatusCode::OK, &pending.too_late());
    pending.give_up();
    answer
}

/// The one session id of a request, or none.
pub(crate) fn session_id(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(SESSION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

fn takes_streams(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/event-stream") || kind == "*/*"
    })
}

/// A message of JSON-RPC as the whole answer.
pub(crate) fn json(status: StatusCode, message: &RawValue) -> Response {
    let body = Bytes::copy_from_slice(message.get().as_bytes());
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
}

pub(crate) fn faulty(status: StatusCode, fault: &Fault) -> Response {
    json(status, &deputy_protocol::relay::raw(&fault.response()))
}

/// Of somebody else, over, or never there: told apart by nobody.
pub(crate) fn unknown_session() -> Response {
    faulty(StatusCode::NOT_FOUND, &Fault::new(code::INVALID_REQUEST, "there is no such session"))
}

fn not_opened(error: &NoSession) -> Response {
    tracing::warn!(%error, "a session was not opened");
    match error {
        NoSession::Full => busy(),
        NoSession::NotStarted(_) => {
            faulty(StatusCode::BAD_GATEWAY, &Fault::new(code::INTERNAL, "the server does not start"))
        }
    }
}

fn busy() -> Response {
    let fault = Fault::new(code::INTERNAL, "too much at once; try again");
    let mut answer = faulty(StatusCode::SERVICE_UNAVAILABLE, &fault);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}
