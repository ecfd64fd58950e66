//! A server that is reached over HTTP, on a socket of the guard's own or at an address.
//!
//! Nothing of the client's request goes on but what is named here: never its token, and nothing that calls itself ours.

use crate::bound::Bound;
use crate::error::GuardError;
use crate::fetch::{self, Zone};
use crate::guard::Guard;
use crate::kept::keep_running;
use crate::keys::own_folder;
use crate::message::{self, Ask, Wanted};
use crate::proxy::{SESSION, faulty, json, session_id, unknown_session};
use crate::relayed::{self, Relayed};
use crate::sessions::MESSAGE_BYTES;
use crate::settings::{Handover, Program, ServerSettings};
use crate::user::GuardedUser;
use axum::response::{IntoResponse as _, Response};
use bytes::BytesMut;
use deputy_protocol::jsonrpc::{self, Fault, Id, code};
use deputy_protocol::mcp::headers::encode;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Ours, on requests to the server: who is calling, signed.
pub(crate) const USER: HeaderName = HeaderName::from_static("deputy-user");
/// What of a client's headers goes on, beside `Mcp-Param-…`.
const PASSED: &[&str] = &["mcp-protocol-version", "traceparent", "tracestate"];
const PARAMETER: &str = "mcp-param-";
const ACCEPT: &str = "application/json, text/event-stream";

/// The server.
pub(crate) struct Upstream {
    guard: Arc<Guard>,
    client: reqwest::Client,
    url: Url,
    handover: Handover,
    timeout: Duration,
    bound: Bound,
}

/// What was asked, as far as the answer depends on it.
struct Asked<'a> {
    id: Option<&'a Id>,
    method: Option<&'a str>,
    session: Option<&'a str>,
}

impl Upstream {
    /// On a socket in `data_dir/run`, which nobody else may enter.
    pub(crate) fn on_socket(
        guard: &Arc<Guard>,
        settings: &ServerSettings,
        name: &str,
        path: &str,
        program: Option<&Program>,
    ) -> Result<Self, GuardError> {
        let folder = guard.settings.data_dir.join("run");
        own_folder(&folder)?;
        let folder = std::fs::canonicalize(&folder).map_err(GuardError::file(&folder))?;
        let socket = folder.join(name);
        if let Some(program) = program {
            guard.tasks.start(keep_running(program.clone(), socket.clone(), guard.tasks.stopping().clone()));
        }
        let url = Url::parse(&format!("http://localhost{path}"))
            .map_err(|error| GuardError::Settings(format!("`{path}` is not a path: {error}")))?;
        Self::new(guard, settings, url, fetch::client(Zone::Loopback).unix_socket(socket))
    }

    /// At an address.
    pub(crate) fn at(guard: &Arc<Guard>, settings: &ServerSettings, url: &Url) -> Result<Self, GuardError> {
        // What goes in plain stays inside.
        let zone = if url.scheme() == "https" { Zone::Named } else { Zone::Inside };
        fetch::literal_is_allowed(url, zone)
            .map_err(|why| GuardError::Settings(format!("`{}`: {why}", fetch::shown(url))))?;
        Self::new(guard, settings, url.clone(), fetch::client(zone))
    }

    fn new(
        guard: &Arc<Guard>,
        settings: &ServerSettings,
        url: Url,
        client: reqwest::ClientBuilder,
    ) -> Result<Self, GuardError> {
        let client = client.build().map_err(|error| GuardError::Unavailable(error.to_string()))?;
        Ok(Self {
            guard: Arc::clone(guard),
            client,
            url,
            handover: settings.handover,
            timeout: settings.timeout,
            bound: Bound::new(settings.sessions, settings.sessions_each, settings.idle),
        })
    }

    pub(crate) async fn post(&self, headers: &HeaderMap, wanted: Wanted, user: GuardedUser) -> Response {
        let session = match self.session(headers, &user) {
            Ok(session) => session,
            Err(answer) => return *answer,
        };
        let opens = matches!(&wanted, Wanted::Request(ask) if ask.method == "initialize");
        if opens && !self.bound.has_room(&user.owner()) {
            let fault = Fault::new(code::INTERNAL, "there are too many sessions; try again");
            return faulty(StatusCode::SERVICE_UNAVAILABLE, &fault);
        }
        let text = self.text(&wanted, &user);
        let ask = if let Wanted::Request(ask) = &wanted { Some(ask) } else { None };
        let mut sent = match self.headers(headers, session, &user) {
            Ok(sent) => sent,
            Err(answer) => return *answer,
        };
        routing(&mut sent, ask);
        sent.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let asked = Asked { id: ask.map(|ask| &ask.id), method: ask.map(|ask| ask.method.as_str()), session };
        self.send(Method::POST, sent, Some(text), &asked, user).await
    }

    pub(crate) async fn get(&self, headers: &HeaderMap, user: GuardedUser) -> Response {
        let session = match self.session(headers, &user) {
            Ok(session) => session,
            Err(answer) => return *answer,
        };
        if session.is_none() {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        let mut sent = match self.headers(headers, session, &user) {
            Ok(sent) => sent,
            Err(answer) => return *answer,
        };
        // Only within a session: where an id of an event leads to is the server's to say.
        if let Some(last) = headers.get("last-event-id") {
            sent.insert("last-event-id", last.clone());
        }
        let asked = Asked { id: None, method: None, session };
        self.send(Method::GET, sent, None, &asked, user).await
    }

    pub(crate) async fn delete(&self, headers: &HeaderMap, user: &GuardedUser) -> Response {
        let session = match self.session(headers, user) {
            Ok(Some(session)) => session,
            Ok(None) => return unknown_session(),
            Err(answer) => return *answer,
        };
        let sent = match self.headers(headers, Some(session), user) {
            Ok(sent) => sent,
            Err(answer) => return *answer,
        };
        let asked = Asked { id: None, method: None, session: Some(session) };
        let answer = self.send(Method::DELETE, sent, None, &asked, user.clone()).await;
        self.bound.forget(session);
        answer
    }

    fn session<'h>(
        &self,
        headers: &'h HeaderMap,
        user: &GuardedUser,
    ) -> Result<Option<&'h str>, Box<Response>> {
        match session_id(headers) {
            Ok(None) => Ok(None),
            Ok(Some(id)) if self.bound.is_of(id, &user.owner()) => Ok(Some(id)),
            _ => Err(Box::new(unknown_session())),
        }
    }

    fn text(&self, wanted: &Wanted, user: &GuardedUser) -> Box<RawValue> {
        let in_meta = (self.handover == Handover::Meta).then_some(user);
        match wanted {
            Wanted::Request(ask) => ask.text(&ask.id, in_meta, None),
            Wanted::Notification { method, params } => {
                let params = params.as_ref().map(deputy_protocol::relay::Object::to_raw);
                jsonrpc::asking(None, method, params.as_deref())
            }
            Wanted::Answer { text, .. } => text.clone(),
        }
    }

    fn headers(
        &self,
        headers: &HeaderMap,
        session: Option<&str>,
        user: &GuardedUser,
    ) -> Result<HeaderMap, Box<Response>> {
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            if PASSED.contains(&name.as_str()) || name.as_str().starts_with(PARAMETER) {
                sent.append(name.clone(), value.clone());
            }
        }
        sent.insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        if let Some(session) = session.and_then(|session| HeaderValue::from_str(session).ok()) {
            sent.insert(SESSION, session);
        }
        if self.handover == Handover::Header {
            let word = self.guard.word_about(user);
            let word = word.ok().and_then(|word| HeaderValue::from_str(&word).ok());
            let Some(mut word) = word else {
                tracing::error!("the word about a user cannot be signed");
                let fault = Fault::new(code::INTERNAL, "the request cannot be signed");
                return Err(Box::new(faulty(StatusCode::INTERNAL_SERVER_ERROR, &fault)));
            };
            word.set_sensitive(true);
            sent.insert(USER, word);
        }
        Ok(sent)
    }

    async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Option<Box<RawValue>>,
        asked: &Asked<'_>,
        user: GuardedUser,
    ) -> Response {
        let mut request = self.client.request(method, self.url.clone()).headers(headers);
        if let Some(body) = body {
            request = request.body(body.get().to_owned());
        }
        let time = self.timeout.min(self.guard.left_of(&user));
        let response = match tokio::time::timeout(time, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::warn!(error = fetch::root_cause(&error), "the server cannot be reached");
                return lost(asked, "the server cannot be reached");
            }
            Err(_) => return lost(asked, "the server did not answer in time"),
        };
        match tokio::time::timeout(time, self.answered(response, asked, user)).await {
            Ok(answer) => answer,
            Err(_) => lost(asked, "the server did not answer in time"),
        }
    }

    async fn answered(&self, response: reqwest::Response, asked: &Asked<'_>, user: GuardedUser) -> Response {
        let status = response.status();
        let refused =
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || status.is_redirection();
        if refused {
            // It knows no identity, so it is not about the client's token; a client would take it for that.
            tracing::warn!(status = status.as_u16(), "the server refused the guard");
            return lost(asked, "the server refused");
        }
        if let (StatusCode::NOT_FOUND, Some(session)) = (status, asked.session) {
            self.bound.forget(session);
            return unknown_session();
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let opened = self.opened(&response, asked, &user);
        let opened = match opened {
            Ok(opened) => opened,
            Err(answer) => return *answer,
        };
        let mut answer = match kind.as_str() {
            "text/event-stream" if status.is_success() => {
                let method = asked.method.map(str::to_owned);
                relayed::stream(Relayed::new(&self.guard, user, method, asked.id.cloned(), response))
            }
            "application/json" => self.whole(status, response, asked, &user).await,
            _ if status.is_success() && asked.id.is_some() => {
                lost(asked, "the server's answer is of no kind that is known")
            }
            _ => status.into_response(),
        };
        if let Some(session) = opened {
            answer.headers_mut().insert(SESSION, session);
        }
        answer
    }

    /// A session that the server opened is its user's from now on.
    fn opened(
        &self,
        response: &reqwest::Response,
        asked: &Asked<'_>,
        user: &GuardedUser,
    ) -> Result<Option<HeaderValue>, Box<Response>> {
        if asked.method != Some("initialize") || !response.status().is_success() {
            return Ok(None);
        }
        let Some(session) = response.headers().get(SESSION) else { return Ok(None) };
        let bound = session.to_str().is_ok_and(|id| id.len() <= 512 && self.bound.bind(id, &user.owner()));
        if bound {
            return Ok(Some(session.clone()));
        }
        tracing::error!("the server gave a session id that is another's, or none that can be");
        Err(Box::new(lost(asked, "the server's session cannot be used")))
    }

    async fn whole(
        &self,
        status: StatusCode,
        mut response: reqwest::Response,
        asked: &Asked<'_>,
        user: &GuardedUser,
    ) -> Response {
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) <= MESSAGE_BYTES => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return lost(asked, "the server's answer is too long"),
                Ok(None) => break,
                Err(_) => return lost(asked, "the server's answer broke off"),
            }
        }
        let said = message::read_server(&body);
        match said.as_slice() {
            [said] => json(status, &relayed::text(said, asked.method, asked.id, &self.guard, user)),
            _ if status.is_success() => lost(asked, "the server's answer is no message"),
            _ => status.into_response(),
        }
    }
}

/// What a modern request repeats in headers, from what the body says: what routes by them and what was judged cannot differ.
fn routing(headers: &mut HeaderMap, ask: Option<&Ask>) {
    let Some(ask) = ask.filter(|ask| ask.version.is_some()) else { return };
    let said = [
        ("mcp-protocol-version", ask.version.as_deref()),
        ("mcp-method", Some(ask.method.as_str())),
        ("mcp-name", ask.name.as_deref()),
    ];
    for (name, value) in said {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&encode(value)).ok()) {
            headers.insert(name, value);
        }
    }
}

fn lost(asked: &Asked<'_>, words: &str) -> Response {
    faulty(StatusCode::BAD_GATEWAY, &Fault::new(code::INTERNAL, words).answering(asked.id))
}
