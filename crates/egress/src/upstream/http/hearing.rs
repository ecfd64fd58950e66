//! Hearing what a server says unasked, for those who listen: `subscriptions/listen` (modern); the stream of a session and
//! `resources/subscribe` (legacy).

use super::session::Session;
use super::wire::{self, Repeats, is_event_stream};
use super::{Inner, era};
use crate::client::Streamed;
use crate::upstream::call::Era;
use crate::upstream::listening::{Begun, Listening};
use deputy_hub::ports::upstream::{Changed, ClientSide, Failure};
use deputy_protocol::asking::message::{self, Message};
use deputy_protocol::asking::{request, sse};
use deputy_protocol::mcp::version::MODERN;
use deputy_protocol::relay::raw;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// What lasted so long was no failure.
const LONG: Duration = Duration::from_secs(10);

pub(super) fn changes(inner: &Arc<Inner>, principal: &str) -> watch::Receiver<Changed> {
    let (receiver, new) = inner.listeners.changes(principal);
    if let Some(listening) = new {
        begin(inner, principal, listening);
    }
    receiver
}

pub(super) fn updates(inner: &Arc<Inner>, principal: &str, uri: &str) -> mpsc::Receiver<Box<RawValue>> {
    heed(inner, principal, inner.listeners.updates(principal, uri))
}

pub(super) fn task(inner: &Arc<Inner>, principal: &str, id: &str) -> mpsc::Receiver<()> {
    heed(inner, principal, inner.listeners.task(principal, id))
}

fn heed<T: Send + 'static>(inner: &Arc<Inner>, principal: &str, mut begun: Begun<T>) -> mpsc::Receiver<T> {
    let (ended, stop) = (begun.wake_at_the_end(), inner.stop.clone());
    inner.settings.supervisor.start(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = ended => {}
        }
    });
    if begun.is_new {
        begin(inner, principal, begun.listening);
    }
    begun.receiver
}

fn begin(inner: &Arc<Inner>, principal: &str, listening: Arc<Listening>) {
    let (inner, principal) = (Arc::clone(inner), principal.to_owned());
    let supervisor = inner.settings.supervisor.clone();
    supervisor.start_until_shutdown(async move {
        let stop = inner.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = hear(&inner, &principal, &listening) => {}
        }
    });
}

/// What is heard on.
#[derive(Default)]
struct Ear {
    /// The stream that is being replaced by one that listens to more or less: kept until the new one stands.
    old: Option<Streamed>,
    /// It stood, and broke: something may have been missed meanwhile.
    has_broken: bool,
    session: Option<Pinned>,
    subscribed: BTreeSet<String>,
}

impl Ear {
    fn stands(&mut self, listening: &Listening) {
        if std::mem::take(&mut self.has_broken) {
            listening.everything_may_have_changed();
        }
    }
}

/// Keeps a session from ending for want of use.
struct Pinned(Arc<Session>);

impl Pinned {
    fn new(session: Arc<Session>) -> Self {
        session.pins.fetch_add(1, Ordering::Relaxed);
        Self(session)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn hear(inner: &Arc<Inner>, principal: &str, listening: &Arc<Listening>) {
    let (mut ear, mut wait) = (Ear::default(), RETRY);
    loop {
        if inner.listeners.is_over(principal) {
            if let Some(session) = ear.session.take() {
                unsubscribe(inner, &session.0, ear.subscribed.iter()).await;
            }
            return;
        }
        let began = inner.settings.clock.elapsed();
        let heard = hear_once(inner, principal, listening, &mut ear).await;
        if matches!(heard, Ok(true)) {
            // What is wanted has changed.
            continue;
        }
        let lasted = inner.settings.clock.elapsed().saturating_sub(began);
        wait = if lasted >= LONG { RETRY } else { wait.saturating_mul(2).min(LONGEST_RETRY) };
        ear = Ear { has_broken: ear.has_broken || heard.is_ok(), ..Ear::default() };
        let is_watched_only = listening.wanted().is_empty();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = listening.unwatched(), if is_watched_only => {}
        }
    }
}

/// True: what is wanted may have changed. False: it ended.
async fn hear_once(
    inner: &Arc<Inner>,
    principal: &str,
    listening: &Arc<Listening>,
    ear: &mut Ear,
) -> Result<bool, Failure> {
    match inner.era(principal, &ClientSide::default()).await? {
        Era::Modern => modern(inner, principal, listening, ear).await,
        Era::Legacy => legacy(inner, principal, listening, ear).await,
    }
}

async fn modern(
    inner: &Arc<Inner>,
    principal: &str,
    listening: &Arc<Listening>,
    ear: &mut Ear,
) -> Result<bool, Failure> {
    let wanted = listening.wanted();
    let (params, client) = wanted.listen();
    let body = request::modern(
        inner.next_id(),
        "subscriptions/listen",
        Some(&params),
        &era::side_of(&client),
        MODERN,
    );
    let body = body.map_err(|why| Failure::Untranslatable(why.to_string()))?;
    let headers = inner.modern_headers(principal, "subscriptions/listen", None)?;
    let mut streamed = wire::post(inner, None, principal, headers, body, Repeats::Once).await?;
    if !streamed.status().is_success() || !is_event_stream(streamed.headers()) {
        return Err(Failure::Unusable(format!("it does not let us listen (status {})", streamed.status())));
    }
    let limits = &inner.settings.limits;
    let mut parser = sse::Parser::new(limits.stream_line_bytes, limits.answer_bytes);
    let mut events = VecDeque::new();
    let mut is_first = true;
    loop {
        let chunk = tokio::select! {
            chunk = streamed.chunk() => chunk.unwrap_or_default(),
            () = listening.wake.notified() => Some(bytes::Bytes::new()),
            () = listening.unwatched(), if wanted.is_empty() => return Ok(true),
        };
        let Some(chunk) = chunk else { return Ok(false) };
        if chunk.is_empty() {
            if listening.wanted() != wanted || !listening.is_wanted() {
                ear.old = Some(streamed);
                return Ok(true);
            }
            continue;
        }
        parser
            .push(&chunk, &mut events)
            .map_err(|error| Failure::TooLarge { limit_bytes: error.limit_bytes })?;
        while let Some(event) = events.pop_front() {
            // It stands: the first thing that is said is what was granted.
            ear.old = None;
            ear.stands(listening);
            if std::mem::take(&mut is_first) {
                listening.look_at_tasks();
            }
            for message in message::read(&event.data).unwrap_or_default() {
                match message {
                    Message::Notification { method, params } => {
                        listening.note(&method, params);
                    }
                    Message::Response { .. } => return Ok(false),
                    Message::Request { .. } => {}
                }
            }
        }
    }
}

async fn legacy(
    inner: &Arc<Inner>,
    principal: &str,
    listening: &Arc<Listening>,
    ear: &mut Ear,
) -> Result<bool, Failure> {
    let session = match &ear.session {
        Some(session) => Arc::clone(&session.0),
        None => {
            let session = inner.sessions.of(inner, principal, &ClientSide::default()).await;
            let session = session.map_err(|_| Failure::NotSent("it opens no session".to_owned()))?;
            ear.session = Some(Pinned::new(Arc::clone(&session)));
            ear.stands(listening);
            session
        }
    };
    if session.has_subscriptions() {
        let wanted: BTreeSet<String> = listening.wanted().uris.into_iter().collect();
        for uri in wanted.difference(&ear.subscribed) {
            let params = raw(&json!({ "uri": uri }));
            // One that it refuses is not asked for again and again.
            if let Err(crate::upstream::call::Trouble::SessionGone) =
                session.request(inner, "resources/subscribe", &params).await
            {
                session.gone.cancel();
                return Ok(false);
            }
        }
        unsubscribe(inner, &session, ear.subscribed.difference(&wanted)).await;
        ear.subscribed = wanted;
    }
    let is_watched_only = listening.wanted().is_empty();
    tokio::select! {
        () = session.gone.cancelled() => Ok(false),
        () = listening.wake.notified() => Ok(true),
        () = listening.unwatched(), if is_watched_only => Ok(true),
    }
}

async fn unsubscribe(inner: &Arc<Inner>, session: &Arc<Session>, uris: impl Iterator<Item = &String>) {
    for uri in uris {
        let params = raw(&json!({ "uri": uri }));
        let _ = session.request(inner, "resources/unsubscribe", &params).await;
    }
}
