//! One session with a legacy server: its id, its open calls, and the stream that the server speaks on unasked.

use super::line::HttpLine;
use super::wire::{self, Repeats, is_event_stream};
use super::{Inner, refusal};
use crate::upstream::call::{Event, Line as _, Trouble, severity, shortened};
use crate::upstream::open::{OpenCalls, Routed};
use bytes::Bytes;
use deputy_hub::ports::upstream::Failure;
use deputy_protocol::asking::{message, request, sse};
use deputy_protocol::relay::{Object, raw};
use http::header::HeaderValue;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long we wait before the server's stream is opened again.
const RETRY: Duration = Duration::from_secs(1);
const SHORTEST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// How long a goodbye may take, and an answer that nobody waits for.
const GOODBYE: Duration = Duration::from_secs(5);

/// A session. Its calls are those of one principal, with one set of capabilities.
pub(super) struct Session {
    pub(super) principal: String,
    /// What `initialize` answered.
    pub(super) initialized: Box<RawValue>,
    /// It ended: at the server, by us, or for want of use.
    pub(super) gone: CancellationToken,
    pub(super) open: OpenCalls,
    /// How many listeners keep it.
    pub(super) pins: AtomicUsize,
    id: Option<HeaderValue>,
    place: Option<Url>,
    version: Option<HeaderValue>,
    logs: bool,
    level: Mutex<Option<String>>,
    used_at_ms: AtomicU64,
    is_heard: CancellationToken,
}

impl Session {
    pub(super) fn new(
        principal: &str,
        initialized: Box<RawValue>,
        id: Option<HeaderValue>,
        revision: &str,
        inner: &Inner,
    ) -> Self {
        let capabilities = capabilities(&initialized);
        // 2025-03-26 and older know no such header.
        let version = (revision >= "2025-06-18").then(|| HeaderValue::from_str(revision).ok()).flatten();
        Self {
            principal: principal.to_owned(),
            gone: inner.stop.child_token(),
            open: OpenCalls::default(),
            pins: AtomicUsize::new(0),
            logs: capabilities.get("logging").is_some(),
            initialized,
            id,
            place: None,
            version,
            level: Mutex::default(),
            used_at_ms: AtomicU64::new(inner.elapsed_ms()),
            is_heard: CancellationToken::new(),
        }
    }

    /// The same session over a stream that is open, with a server that listens there.
    pub(super) fn over_channel(self, place: Url) -> Self {
        self.is_heard.cancel();
        Self { place: Some(place), ..self }
    }

    /// Where the server listens, if not at its address: then all its answers come on the session's stream.
    pub(super) const fn place(&self) -> Option<&Url> {
        self.place.as_ref()
    }

    /// Whether a server that answers so knows the session no more.
    pub(super) fn is_unknown(&self, status: StatusCode) -> bool {
        if self.place.is_some() {
            // Servers of that transport had no word for it in common.
            return matches!(status.as_u16(), 400 | 404 | 410);
        }
        self.id.is_some() && status == StatusCode::NOT_FOUND
    }

    /// Whether updates of resources can be subscribed to.
    pub(super) fn has_subscriptions(&self) -> bool {
        let resources = capabilities(&self.initialized);
        let resources = resources.get("resources").and_then(|resources| Object::parse(resources).ok());
        resources.and_then(|resources| resources.read("subscribe")).unwrap_or(false)
    }

    /// The headers of everything in this session.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        if let Some(id) = &self.id {
            headers.insert(wire::SESSION, id.clone());
        }
        if let Some(version) = &self.version {
            headers.insert(wire::VERSION, version.clone());
        }
        headers
    }

    /// Begins a call: what comes beside its answer will be heard.
    pub(super) fn begin(
        &self,
        id: u64,
        can_be_asked: bool,
        inner: &Inner,
    ) -> Result<mpsc::Receiver<Event>, Trouble> {
        self.used(inner);
        self.open.add(id, &self.principal, can_be_asked).map_err(|_| Trouble::SessionGone)
    }

    /// A call is over.
    pub(super) fn ended(&self, id: u64, inner: &Inner) {
        self.open.remove(id);
        self.used(inner);
    }

    pub(super) fn used(&self, inner: &Inner) {
        self.used_at_ms.store(inner.elapsed_ms(), Ordering::Relaxed);
    }

    /// Since when nobody uses it; `None` while somebody does.
    pub(super) fn idle_since_ms(&self) -> Option<u64> {
        let is_idle = self.open.is_empty() && self.pins.load(Ordering::Relaxed) == 0;
        is_idle.then(|| self.used_at_ms.load(Ordering::Relaxed))
    }

    /// Posts a notification or an answer of ours.
    pub(super) async fn say(&self, inner: &Inner, text: String) -> Result<(), Failure> {
        let streamed =
            wire::post(inner, self.place(), &self.principal, self.headers(), text, Repeats::Never).await?;
        let status = streamed.status();
        if status.is_success() {
            // Read to its end, so that the connection can be used again.
            let _ = wire::whole(streamed, 64 << 10).await;
            return Ok(());
        }
        Err(match refusal::failure(status) {
            Failure::NotSent(why) | Failure::Unusable(why) => Failure::Lost(why),
            failure => failure,
        })
    }

    /// A request of our own, beside those of clients.
    pub(super) async fn request(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        method: &str,
        params: &RawValue,
    ) -> Result<Box<RawValue>, Trouble> {
        let id = inner.next_id();
        let aside = self.begin(id, false, inner)?;
        let body = request::text(id, method, Some(params));
        let session = Some((Arc::clone(self), aside));
        let mut line =
            HttpLine::new(inner, &self.principal, (id, self.headers(), body), Repeats::Once, session);
        loop {
            match line.next().await? {
                Event::Result(result) | Event::Finished(result) => return Ok(result),
                Event::Error { message, .. } => return Err(Failure::Unusable(shortened(&message)).into()),
                Event::Told(_) | Event::Asked(_) | Event::TooLarge { .. } => {}
            }
        }
    }

    /// Makes the server log at least what this request wants to hear; what others do not want is filtered.
    pub(super) async fn log_from(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        level: Option<&str>,
    ) -> Result<(), Trouble> {
        let Some(wanted) = level.filter(|level| self.logs && severity(level).is_some()) else {
            return Ok(());
        };
        let mut now = self.level.lock().await;
        if now.as_deref().and_then(severity).is_some_and(|now| Some(now) <= severity(wanted)) {
            return Ok(());
        }
        match self.request(inner, "logging/setLevel", &raw(&json!({"level": wanted}))).await {
            Ok(_) => *now = Some(wanted.to_owned()),
            // Without its log a request is still worth making.
            Err(Trouble::Failed(Failure::Unusable(why))) => {
                tracing::debug!(server = %inner.settings.name, why, "the log level was not set");
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    /// Waits until the server's own stream is open, or is known not to be, or for a moment.
    pub(super) async fn heard(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.is_heard.cancelled()).await;
    }

    /// Hears what the server says unasked, for as long as the session lasts.
    pub(super) async fn hear(self: Arc<Self>, inner: Arc<Inner>) {
        let hearing = async {
            let mut wait = RETRY;
            let limits = &inner.settings.limits;
            let mut parser = sse::Parser::new(limits.stream_line_bytes, limits.answer_bytes);
            let mut is_first = true;
            while let Ok(anything) = self.hear_once(&inner, &mut parser, is_first).await {
                is_first = false;
                wait = if anything { parser.retry().unwrap_or(RETRY) } else { wait.saturating_mul(2) };
                wait = wait.clamp(SHORTEST_RETRY, LONGEST_RETRY);
                parser.restart();
                tokio::time::sleep(wait).await;
            }
        };
        tokio::select! {
            () = self.gone.cancelled() => {}
            () = hearing => {}
        }
        self.is_heard.cancel();
    }

    /// True: something came. `Err`: the server has no such stream.
    async fn hear_once(&self, inner: &Inner, parser: &mut sse::Parser, is_first: bool) -> Result<bool, ()> {
        let mut headers = self.headers();
        if let Some(place) = parser.last_id().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(wire::LAST_EVENT, place);
        }
        let opened =
            wire::send(inner, None, &self.principal, Method::GET, headers, Bytes::new(), Repeats::Never)
                .await;
        self.is_heard.cancel();
        let Ok(mut streamed) = opened else { return Ok(false) };
        let status = streamed.status();
        if !status.is_success() || !is_event_stream(streamed.headers()) {
            return if status.is_server_error() { Ok(false) } else { Err(()) };
        }
        if !is_first && let Some(listening) = inner.listeners.of(&self.principal) {
            listening.everything_may_have_changed();
        }
        let (mut events, mut anything) = (VecDeque::new(), false);
        while let Ok(Some(chunk)) = streamed.chunk().await {
            parser.push(&chunk, &mut events).map_err(|_| ())?;
            while let Some(event) = events.pop_front().filter(|event| event.kind.is_none()) {
                anything = true;
                self.heard_event(inner, &event.data).await;
            }
        }
        Ok(anything)
    }

    /// Takes in what came on the stream.
    pub(super) async fn heard_event(&self, inner: &Inner, data: &[u8]) {
        let mut owed = Vec::new();
        for message in message::read(data).unwrap_or_default() {
            match self.open.route(&message) {
                Routed::Done => {}
                Routed::Owed(text) => owed.push(text),
                Routed::Unclaimed => {
                    if let message::Message::Notification { method, params } = &message
                        && let Some(listening) = inner.listeners.of(&self.principal)
                    {
                        listening.note(method, *params);
                    }
                }
            }
        }
        for text in owed {
            let _ = tokio::time::timeout(GOODBYE, self.say(inner, text)).await;
        }
    }

    /// Ends it, here and at the server.
    pub(super) async fn close(&self, inner: &Inner) {
        self.gone.cancel();
        self.open.end("the session ended");
        if self.id.is_some() {
            let headers = self.headers();
            let goodbye = wire::send(
                inner,
                None,
                &self.principal,
                Method::DELETE,
                headers,
                Bytes::new(),
                Repeats::Never,
            );
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
    }
}

fn capabilities(initialized: &RawValue) -> Object {
    let initialized = Object::parse(initialized).unwrap_or_default();
    initialized.get("capabilities").and_then(|all| Object::parse(all).ok()).unwrap_or_default()
}
