//! The sessions with a legacy server: one per principal, capabilities and client (gateway rule 3); bounded, and ended
//! when nobody uses them.

use super::Inner;
use super::channel::Channel;
use super::line::HttpLine;
use super::session::Session;
use super::wire::Repeats;
use crate::upstream::call::{Event, Line as _, Trouble, shortened};
use deputy_hub::ports::upstream::{ClientSide, Failure, Reply};
use deputy_protocol::asking::request::{self, Side};
use deputy_protocol::asking::{answer, needs::Declared};
use deputy_protocol::mcp::version::Revision;
use deputy_protocol::relay::Object;
use http::HeaderMap;
use http::header::HeaderValue;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the first call of a client that can be asked waits for the stream on which it may be.
const HEARD_WITHIN: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Sessions {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    is_swept: AtomicBool,
}

#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<Arc<Session>>>);

impl Sessions {
    /// The session for this client of this principal; opened if there is none. Whoever comes meanwhile waits for it, and
    /// that it is opened does not end with whoever wanted it first.
    pub(super) async fn of(
        &self,
        inner: &Arc<Inner>,
        principal: &str,
        client: &ClientSide,
    ) -> Result<Arc<Session>, Trouble> {
        let key = key(principal, client);
        if let Some(session) = self.ready(&key) {
            session.used(inner);
            return Ok(session);
        }
        let closed = || Trouble::Failed(Failure::NotSent("the hub has closed it".to_owned()));
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (inner, principal, client) = (Arc::clone(inner), principal.to_owned(), client.clone());
        let supervisor = inner.settings.supervisor.clone();
        supervisor.start(async move {
            let opened = tokio::select! {
                () = inner.stop.cancelled() => Err(closed()),
                opened = inner.sessions.opened(&inner, key, &principal, &client) => opened,
            };
            let _ = sender.send(opened);
        });
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    fn ready(&self, key: &str) -> Option<Arc<Session>> {
        let slots = self.lock();
        let session = slots.get(key)?.0.try_lock().ok()?;
        session.as_ref().filter(|session| !session.gone.is_cancelled()).map(Arc::clone)
    }

    async fn opened(
        &self,
        inner: &Arc<Inner>,
        key: String,
        principal: &str,
        client: &ClientSide,
    ) -> Result<Arc<Session>, Trouble> {
        let slot = self.slot(inner, key)?;
        let mut session = slot.0.lock().await;
        if let Some(session) = session.as_ref().filter(|session| !session.gone.is_cancelled()) {
            session.used(inner);
            return Ok(Arc::clone(session));
        }
        let (opened, channel) = open(inner, principal, client).await?;
        let opened = Arc::new(opened);
        *session = Some(Arc::clone(&opened));
        drop(session);
        let supervisor = &inner.settings.supervisor;
        match channel {
            Some(channel) => {
                supervisor.start_until_shutdown(channel.hear(Arc::clone(&opened), Arc::clone(inner)));
            }
            None => supervisor.start_until_shutdown(Arc::clone(&opened).hear(Arc::clone(inner))),
        }
        self.sweep_from_now_on(inner);
        if Declared::of(&client.capabilities).anything() {
            opened.heard(HEARD_WITHIN).await;
        }
        Ok(opened)
    }

    /// Ends all.
    pub(super) async fn close(&self, inner: &Inner) {
        let slots: Vec<_> = self.lock().drain().map(|(_, slot)| slot).collect();
        let goodbyes = slots.into_iter().map(|slot| async move {
            let session = slot.0.lock().await.take();
            if let Some(session) = session {
                session.close(inner).await;
            }
        });
        futures_util::future::join_all(goodbyes).await;
    }

    fn slot(&self, inner: &Arc<Inner>, key: String) -> Result<Arc<Slot>, Failure> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(&key) {
            return Ok(Arc::clone(slot));
        }
        let most = inner.settings.limits.sessions;
        if slots.len() >= most {
            let idle = slots.iter().filter_map(|(key, slot)| Some((slot.idle_since_ms()?, key.clone())));
            let longest = idle.min().map(|(_, key)| key);
            let ended = longest.and_then(|key| slots.remove(&key));
            let ended =
                ended.ok_or_else(|| Failure::NotSent(format!("all of its {most} sessions are in use")))?;
            ended.end(inner);
        }
        Ok(Arc::clone(slots.entry(key).or_default()))
    }

    fn sweep_from_now_on(&self, inner: &Arc<Inner>) {
        if self.is_swept.swap(true, Ordering::SeqCst) {
            return;
        }
        let (weak, idle) = (Arc::downgrade(inner), inner.settings.limits.idle);
        inner.settings.supervisor.start_until_shutdown(async move {
            loop {
                tokio::time::sleep((idle / 2).max(Duration::from_millis(10))).await;
                let Some(inner) = weak.upgrade() else { return };
                if inner.stop.is_cancelled() || inner.sessions.sweep(&inner) {
                    return;
                }
            }
        });
    }

    /// Ends what is idle. True: nothing is left to sweep.
    fn sweep(&self, inner: &Arc<Inner>) -> bool {
        let now = inner.elapsed_ms();
        let idle = u64::try_from(inner.settings.limits.idle.as_millis()).unwrap_or(u64::MAX);
        let mut slots = self.lock();
        slots.retain(|_, slot| {
            let is_over = slot.idle_since_ms().is_some_and(|since| now.saturating_sub(since) >= idle);
            if is_over {
                slot.end(inner);
            }
            !is_over
        });
        if slots.is_empty() {
            self.is_swept.store(false, Ordering::SeqCst);
        }
        slots.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Since when nobody uses it; `None` while somebody does, or opens it.
    fn idle_since_ms(&self) -> Option<u64> {
        self.0.try_lock().ok()?.as_ref().map_or(Some(0), |session| session.idle_since_ms())
    }

    fn end(&self, inner: &Arc<Inner>) {
        let session = self.0.try_lock().ok().and_then(|mut session| session.take());
        let Some(session) = session else { return };
        let inner = Arc::clone(inner);
        inner.settings.supervisor.clone().start(async move { session.close(&inner).await });
    }
}

/// JSON has no NUL, so no two of them look alike.
fn key(principal: &str, client: &ClientSide) -> String {
    let implementation = client.implementation.as_deref().map(RawValue::get).unwrap_or_default();
    format!("{}\0{implementation}\0{principal}", client.capabilities.get())
}

/// `initialize`, and that it was understood.
async fn open(
    inner: &Arc<Inner>,
    principal: &str,
    client: &ClientSide,
) -> Result<(Session, Option<Channel>), Trouble> {
    match tokio::time::timeout(inner.settings.limits.handshake, begin(inner, principal, client)).await {
        Ok(session) => session,
        Err(_) => Err(Failure::NotSent("it did not answer `initialize` in time".to_owned()).into()),
    }
}

/// A server that takes no `initialize` at its address, and does not say why in the modern era's words, may be one of the
/// transport before: it is, if it opens a stream that says where it listens.
async fn begin(
    inner: &Arc<Inner>,
    principal: &str,
    client: &ClientSide,
) -> Result<(Session, Option<Channel>), Trouble> {
    let refused = if inner.eras.has_channel() {
        None
    } else {
        match initialize(inner, principal, client, None).await {
            Err(Trouble::Misfit(Ok(Reply::Fault { code, message, data })))
                if answer::is_modern_error(code) =>
            {
                return Err(Trouble::Misfit(Ok(Reply::Fault { code, message, data })));
            }
            Err(refused @ Trouble::Misfit(_)) => Some(refused),
            opened => return opened.map(|session| (session, None)),
        }
    };
    let mut channel = Channel::open(inner, principal).await.map_err(|trouble| match (refused, trouble) {
        // What it said first is what is told.
        (Some(refused), Trouble::Misfit(_)) => refused,
        (_, trouble) => before_anything(trouble),
    })?;
    let session = initialize(inner, principal, client, Some(&mut channel)).await?;
    inner.eras.set_channel(true);
    Ok((session, Some(channel)))
}

async fn initialize(
    inner: &Arc<Inner>,
    principal: &str,
    client: &ClientSide,
    channel: Option<&mut Channel>,
) -> Result<Session, Trouble> {
    let side = Side {
        capabilities: &client.capabilities,
        implementation: client.implementation.as_deref(),
        log_level: None,
        progress: false,
    };
    let id = inner.next_id();
    let body = request::initialize(id, &side, Revision::November2025.text());
    let place = channel.as_ref().map(|channel| channel.place.clone());
    let (event, minted) = match channel {
        Some(channel) => (channel.ask(inner, principal, id, body).await.map_err(before_anything)?, None),
        None => {
            answered(HttpLine::new(inner, principal, (id, HeaderMap::new(), body), Repeats::Once, None))
                .await?
        }
    };
    let result = match event {
        Event::Result(result) => result,
        Event::Error { code, message, data } if answer::is_modern_error(code) => {
            return Err(Trouble::Misfit(Ok(Reply::Fault { code, message, data })));
        }
        Event::Error { message, .. } => {
            return Err(Failure::NotSent(format!("it refused `initialize`: {}", shortened(&message))).into());
        }
        _ => return Err(Failure::NotSent("it did not answer `initialize`".to_owned()).into()),
    };
    let revision = Object::parse(&result).ok().and_then(|result| result.read::<String>("protocolVersion"));
    let revision = revision.unwrap_or_default();
    if !speaks(&revision) {
        let words =
            format!("it speaks `{}`, which the hub does not", revision.chars().take(32).collect::<String>());
        return Err(Failure::NotSent(words).into());
    }
    let mut session = Session::new(principal, result, minted, &revision, inner);
    if let Some(place) = place {
        session = session.over_channel(place);
    }
    session
        .say(inner, request::notification("notifications/initialized", None))
        .await
        .map_err(|failure| before_anything(Trouble::Failed(failure)))?;
    inner.noted.speaks(&revision);
    Ok(session)
}

/// The end of `initialize`, and the session that came with it.
async fn answered(mut line: HttpLine) -> Result<(Event, Option<HeaderValue>), Trouble> {
    loop {
        match line.next().await.map_err(before_anything)? {
            Event::Told(_) | Event::Asked(_) | Event::TooLarge { .. } => {}
            end => return Ok((end, line.minted())),
        }
    }
}

/// The revisions of the legacy era; 2024-11-05 over this transport behaves as the one after it.
pub(in crate::upstream) fn speaks(revision: &str) -> bool {
    Revision::from_text(revision).is_some() || revision == "2024-11-05"
}

/// What goes wrong before the first call has no effect.
pub(in crate::upstream) fn before_anything(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Failed(Failure::Lost(why)) => Trouble::Failed(Failure::NotSent(why)),
        trouble => trouble,
    }
}
