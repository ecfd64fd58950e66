//! One process: what is said to it, and what it says.

use super::Inner;
use super::lines::Line as Read;
use crate::upstream::call::{Era, Event, Line, Trouble, severity, shortened};
use crate::upstream::open::{OpenCalls, Routed};
use async_trait::async_trait;
use deputy_hub::ports::upstream::Failure;
use deputy_protocol::asking::message::{self, Message};
use deputy_protocol::asking::request;
use deputy_protocol::relay::{Object, raw};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// How many messages may wait for a process that does not read.
const QUEUE: usize = 64;

/// A running process. Its era is fixed by its first message (gateway rule 23).
pub(super) struct Process {
    /// Empty if it is shared.
    pub(super) principal: String,
    pub(super) open: OpenCalls,
    /// It has ended, or is ending.
    pub(super) gone: CancellationToken,
    /// It was reaped, and all that it started was killed.
    pub(super) ended: CancellationToken,
    /// It is to end.
    pub(super) stop: CancellationToken,
    pub(super) pins: AtomicUsize,
    pub(super) spoken: OnceLock<Spoken>,
    outgoing: mpsc::Sender<String>,
    ids: AtomicU64,
    used_at_ms: AtomicU64,
    level: Mutex<Option<String>>,
}

/// What the handshake found out.
pub(super) enum Spoken {
    Modern,
    /// With what `initialize` answered.
    Legacy(Box<RawValue>),
}

impl Spoken {
    pub(super) const fn era(&self) -> Era {
        match self {
            Self::Modern => Era::Modern,
            Self::Legacy(_) => Era::Legacy,
        }
    }

    fn capability(&self, name: &str) -> Option<Box<RawValue>> {
        let Self::Legacy(initialized) = self else { return None };
        let capabilities = Object::parse(initialized).ok()?.remove("capabilities")?;
        Object::parse(&capabilities).ok()?.remove(name)
    }

    /// Whether updates of resources can be subscribed to (legacy).
    pub(super) fn has_subscriptions(&self) -> bool {
        let resources = self.capability("resources").and_then(|resources| Object::parse(&resources).ok());
        resources.and_then(|resources| resources.read("subscribe")).unwrap_or(false)
    }
}

impl Process {
    /// With the queue that its writer is to read.
    pub(super) fn new(principal: &str, inner: &Inner) -> (Arc<Self>, mpsc::Receiver<String>) {
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let process = Self {
            principal: principal.to_owned(),
            open: OpenCalls::default(),
            gone: CancellationToken::new(),
            ended: CancellationToken::new(),
            stop: inner.stop.child_token(),
            pins: AtomicUsize::new(0),
            spoken: OnceLock::new(),
            outgoing,
            ids: AtomicU64::new(1),
            used_at_ms: AtomicU64::new(inner.elapsed_ms()),
            level: Mutex::default(),
        };
        (Arc::new(process), queue)
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.gone.is_cancelled() && !self.stop.is_cancelled()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn used(&self, inner: &Inner) {
        self.used_at_ms.store(inner.elapsed_ms(), Ordering::Relaxed);
    }

    /// Since when nobody uses it; `None` while somebody does.
    pub(super) fn idle_since_ms(&self) -> Option<u64> {
        let is_idle = self.open.is_empty() && self.pins.load(Ordering::Relaxed) == 0;
        is_idle.then(|| self.used_at_ms.load(Ordering::Relaxed))
    }

    /// Begins a call under this id. That there is no process any more is a session that is gone: nothing was sent.
    pub(super) async fn begin(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        (id, text): (u64, String),
        principal: &str,
        can_be_asked: bool,
    ) -> Result<StdioLine, Trouble> {
        self.used(inner);
        let events = self.open.add(id, principal, can_be_asked).map_err(|_| Trouble::SessionGone)?;
        let line = StdioLine { inner: Arc::clone(inner), process: Arc::clone(self), id, events };
        self.outgoing.send(text).await.map_err(|_| Trouble::SessionGone)?;
        Ok(line)
    }

    /// A request of our own.
    pub(super) async fn request(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        method: &str,
        params: &RawValue,
    ) -> Result<Box<RawValue>, Trouble> {
        let id = self.next_id();
        let text = request::text(id, method, Some(params));
        match self.answer(inner, (id, text)).await? {
            Event::Result(result) => Ok(result),
            Event::Error { message, .. } => Err(Failure::Unusable(shortened(&message)).into()),
            _ => Err(Failure::Unusable("no answer".to_owned()).into()),
        }
    }

    /// Sends a request of our own and waits for its end.
    pub(super) async fn answer(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        request: (u64, String),
    ) -> Result<Event, Trouble> {
        let mut line = self.begin(inner, request, &self.principal, false).await?;
        loop {
            match line.next().await? {
                Event::Told(_) | Event::Asked(_) => {}
                end => return Ok(end),
            }
        }
    }

    /// Says something that wants no answer.
    pub(super) async fn say(&self, text: String) -> Result<(), Failure> {
        self.outgoing.send(text).await.map_err(|_| Failure::Lost("its process ended".to_owned()))
    }

    /// Makes it log at least what this request wants to hear (legacy); what others do not want is filtered.
    pub(super) async fn log_from(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        level: Option<&str>,
    ) -> Result<(), Trouble> {
        let logs = self.spoken.get().is_some_and(|spoken| spoken.capability("logging").is_some());
        let Some(wanted) = level.filter(|level| logs && severity(level).is_some()) else { return Ok(()) };
        let mut now = self.level.lock().await;
        if now.as_deref().and_then(severity).is_some_and(|now| Some(now) <= severity(wanted)) {
            return Ok(());
        }
        match self.request(inner, "logging/setLevel", &raw(&json!({"level": wanted}))).await {
            Ok(_) => *now = Some(wanted.to_owned()),
            // Without its log a request is still worth making.
            Err(Trouble::Failed(Failure::Unusable(_))) => {}
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    /// It said this. Junk is passed over and not answered (gateway rule 23).
    pub(super) async fn heard(&self, inner: &Inner, line: &Read) {
        let line = match line {
            Read::Whole(line) => line,
            Read::TooLong { head, tail } => {
                let limit_bytes = inner.settings.limits.answer_bytes;
                self.open.too_large(id_in(head, tail), limit_bytes);
                return;
            }
        };
        let Ok(messages) = message::read(line) else {
            if !line.trim_ascii().is_empty() {
                tracing::debug!(server = %inner.settings.name, bytes = line.len(), "what it wrote is no message");
            }
            return;
        };
        for message in messages {
            match self.open.route(&message) {
                Routed::Done => {}
                // A server that asks and does not read what it is answered is not waited for.
                Routed::Owed(text) => drop(self.outgoing.try_send(text)),
                Routed::Unclaimed => {
                    if let Message::Notification { method, params } = &message {
                        for listening in inner.listening_to(&self.principal) {
                            listening.note(method, *params);
                        }
                    }
                }
            }
        }
    }
}

/// The id of an answer that is too long to be read, where it stands at one of its ends.
fn id_in(head: &[u8], tail: &[u8]) -> Option<u64> {
    let digits = |text: &str| {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    let head = String::from_utf8_lossy(head);
    let before_result = head.split("\"result\"").next().unwrap_or_default();
    let at_head = before_result.split_once("\"id\":").and_then(|(_, rest)| digits(rest));
    let tail = String::from_utf8_lossy(tail);
    at_head.or_else(|| {
        let (_, rest) = tail.rsplit_once("\"id\":")?;
        let rest_is_end =
            rest.trim_end().trim_end_matches('}').trim().bytes().all(|byte| byte.is_ascii_digit());
        digits(rest).filter(|_| rest_is_end || rest.contains("\"jsonrpc\""))
    })
}

/// The way of one request to a process.
pub(super) struct StdioLine {
    inner: Arc<Inner>,
    process: Arc<Process>,
    id: u64,
    events: mpsc::Receiver<Event>,
}

#[async_trait]
impl Line for StdioLine {
    async fn next(&mut self) -> Result<Event, Trouble> {
        match self.events.recv().await {
            Some(Event::TooLarge { limit_bytes }) => Err(Failure::TooLarge { limit_bytes }.into()),
            Some(event) => Ok(event),
            None => {
                let why = self.process.open.ended().unwrap_or_else(|| "its process ended".to_owned());
                Err(Failure::Lost(why).into())
            }
        }
    }

    async fn say(&mut self, text: String) -> Result<(), Failure> {
        self.process.say(text).await
    }

    /// The process goes on: others may be using it (gateway rule 15).
    fn give_up(&mut self, unanswered: Vec<String>) {
        if !self.process.open.remove(self.id) {
            return;
        }
        let cancelled = request::cancelled(self.id, "the client went away");
        for text in std::iter::once(cancelled).chain(unanswered) {
            let Err(mpsc::error::TrySendError::Full(text)) = self.process.outgoing.try_send(text) else {
                continue;
            };
            let process = Arc::clone(&self.process);
            self.inner.settings.supervisor.start(async move {
                tokio::select! {
                    () = process.gone.cancelled() => {}
                    _ = process.say(text) => {}
                }
            });
        }
    }
}

impl Drop for StdioLine {
    fn drop(&mut self) {
        self.process.open.remove(self.id);
        self.process.used(&self.inner);
    }
}
