//! One tab: a live document of an app, and its socket while it has one.

use super::calls::{InFlight, TabEvent};
use super::interned::{Interned, Offer};
use crate::catalog::App;
use crate::pins::Judged;
use crate::ports::{TabLink, TicketRecord};
use crate::switches::revoked::OfTab;
use deputy_core::{
    Call, CallId, Definition, Digest, DocumentId, Origin, Reason, Timestamp, ToolKind, ToolName, User,
};
use deputy_protocol::tab::{CloseCode, Hello, HubFrame, Page, TabFrame, tools_hash};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, mpsc};

/// What a tab registered. A definition whose schema is unusable is left out, and said why (P15).
pub(crate) fn read_offers(
    tab: &Tab,
    interned: &Interned,
    definitions: Vec<Definition>,
) -> (Vec<Offer>, Vec<String>) {
    let (mut offers, mut refused) = (Vec::with_capacity(definitions.len()), Vec::new());
    for definition in definitions {
        let name = definition.name.clone();
        match interned.share(&tab.app, &tab.origin, definition) {
            Ok(offer) => offers.push(offer),
            Err(error) => refused.push(format!("`{name}`: {error}")),
        }
    }
    (offers, refused)
}

/// A definition that is offered to nobody (yet): nothing of it leaves the hub (P27).
#[derive(Clone)]
pub(crate) struct Held {
    /// What the page registered.
    pub(crate) offer: Offer,
    /// The user's agents knew a tool of this name before it changed.
    pub(crate) was_known: bool,
}

struct Inner {
    link: Arc<dyn TabLink>,
    generation: u64,
    attached: bool,
    offers: Vec<Offer>,
    held: Vec<Held>,
    last_focused: Option<Timestamp>,
    /// By the clock that nobody sets.
    last_ping: Duration,
    session_expires_at: Timestamp,
    calls: HashMap<CallId, InFlight>,
    ended: Option<Reason>,
}

/// A live document of an app with a connection to the hub.
pub struct Tab {
    /// The document (P20).
    pub document: DocumentId,
    /// Whose: the user of the ticket, never the page's word.
    pub user: User,
    /// Of which app.
    pub app: Arc<App>,
    /// At which origin: the ticket's, equal to the socket's.
    pub origin: Origin,
    /// When it came.
    pub connected_at: Timestamp,
    /// When its ticket was made, and in which of the provider's sessions.
    ticket: (Option<Timestamp>, Option<String>),
    /// What the application calls the session that it was opened in.
    pub(crate) app_session: Option<String>,
    /// What the page says of itself; display data.
    pub page: Page,
    /// Calls running at once (P14).
    pub(crate) slots: Arc<Semaphore>,
    /// Calls waiting for a place (P14).
    pub(crate) waiting: AtomicUsize,
    forms: Mutex<HashMap<ToolName, Arc<Semaphore>>>,
    /// When anything was heard last, in milliseconds by the clock that nobody sets.
    heard_ms: AtomicU64,
    /// Rung when anything is heard.
    hearing: Notify,
    /// In which slot of the agenda it is due.
    due: AtomicU64,
    /// One at a time sorts its definitions.
    pub(crate) sorting: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
}

impl Tab {
    pub(crate) fn new(
        hello: &Hello,
        ticket: &TicketRecord,
        app: Arc<App>,
        (now, elapsed): (Timestamp, Duration),
        link: Arc<dyn TabLink>,
    ) -> Self {
        let limits = deputy_protocol::tab::Limits::default();
        // One line of display data, with nothing in it that is not seen.
        let clip = |text: &str, most| -> String {
            let short: String = text.chars().take(most).collect();
            deputy_core::text::clean(&short).text.chars().filter(|c| !c.is_control()).collect()
        };
        Self {
            document: hello.doc_id.clone(),
            user: ticket.user.clone(),
            app,
            origin: ticket.origin.clone(),
            connected_at: now,
            ticket: (ticket.issued_at, ticket.provider_session.clone()),
            app_session: ticket.app_session.clone(),
            page: Page { url: clip(&hello.page.url, 2000), title: clip(&hello.page.title, 200) },
            slots: Arc::new(Semaphore::new(limits.calls_in_flight)),
            waiting: AtomicUsize::new(0),
            forms: Mutex::default(),
            heard_ms: AtomicU64::new(millis(elapsed)),
            hearing: Notify::new(),
            due: AtomicU64::new(0),
            sorting: tokio::sync::Mutex::const_new(()),
            inner: Mutex::new(Inner {
                link,
                generation: 0,
                attached: true,
                offers: Vec::new(),
                held: Vec::new(),
                last_focused: hello.focused.then_some(now),
                last_ping: elapsed,
                session_expires_at: ticket.session_expires_at,
                calls: HashMap::new(),
                ended: None,
            }),
        }
    }

    /// What it stands on: what can be taken away while it is open.
    pub(crate) fn stands_on(&self) -> OfTab<'_> {
        let (issued_at, session) = &self.ticket;
        OfTab {
            user: &self.user,
            session: session.as_deref(),
            issued_at: *issued_at,
            document: Some(&self.document),
        }
    }

    /// Its tools.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        self.inner().offers.clone()
    }

    /// The first of its tools that fits.
    #[must_use]
    pub(crate) fn offer(&self, fits: impl Fn(&Offer) -> bool) -> Option<Offer> {
        self.inner().offers.iter().find(|offer| fits(offer)).cloned()
    }

    /// When it last gained focus.
    #[must_use]
    pub fn last_focused(&self) -> Option<Timestamp> {
        self.inner().last_focused
    }

    /// When the user's session ends.
    #[must_use]
    pub fn session_expires_at(&self) -> Timestamp {
        self.inner().session_expires_at
    }

    /// The last moment at which anything was heard from it, by the clock that nobody sets.
    #[must_use]
    pub fn last_heard(&self) -> Duration {
        Duration::from_millis(self.heard_ms.load(Ordering::Acquire))
    }

    /// Resolves when anything is heard after this was called.
    pub(crate) fn hearing(&self) -> Notified<'_> {
        self.hearing.notified()
    }

    pub(crate) fn heard(&self, elapsed: Duration) {
        self.heard_ms.store(millis(elapsed), Ordering::Release);
        self.hearing.notify_waiters();
    }

    pub(super) fn set_due(&self, slot: u64) {
        self.due.store(slot, Ordering::Release);
    }

    pub(super) fn is_due(&self, slot: u64) -> bool {
        self.due.load(Ordering::Acquire) == slot
    }

    pub(crate) fn focus(&self, now: Timestamp) {
        self.inner().last_focused = Some(now);
    }

    /// Everything that the page registered, offered or not.
    pub(crate) fn registered(&self) -> Vec<Offer> {
        let inner = self.inner();
        let held = inner.held.iter().map(|held| held.offer.clone());
        inner.offers.iter().cloned().chain(held).collect()
    }

    /// Whether these are the tools it has already.
    pub(crate) fn has_registered(&self, offers: &[Offer]) -> bool {
        let pins = |offers: &[Offer]| offers.iter().map(|offer| offer.hash).collect::<HashSet<_>>();
        pins(&self.registered()) == pins(offers)
    }

    /// Whether agents were told of a tool of this name in this tab, before it changed.
    pub(crate) fn told_of(&self, name: &ToolName) -> bool {
        let inner = self.inner();
        inner.offers.iter().any(|offer| offer.definition.name == *name)
            || inner.held.iter().any(|held| held.was_known && held.offer.definition.name == *name)
    }

    /// Whether it holds a definition back that fits, of a tool that agents knew before it changed.
    pub(crate) fn holds_back(&self, fits: impl Fn(&Offer) -> bool) -> bool {
        self.inner().held.iter().any(|held| held.was_known && fits(&held.offer))
    }

    /// Whether a socket of this generation still speaks for the tab.
    pub(crate) fn is_current(&self, generation: u64) -> bool {
        let inner = self.inner();
        inner.generation == generation && inner.ended.is_none()
    }

    /// From now on these are offered, and those are not. Whether agents see other tools than before.
    pub(crate) fn set_tools(&self, judged: Judged) -> bool {
        let Judged { offered, held } = judged;
        let is_there = |name: &ToolName| offered.iter().any(|offer| offer.definition.name == *name);
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_there(name));
        let pins = |offers: &[Offer]| offers.iter().map(|offer| offer.hash).collect::<HashSet<_>>();
        let mut inner = self.inner();
        let changed = pins(&inner.offers) != pins(&offered);
        (inner.offers, inner.held) = (offered, held);
        inner.offers.shrink_to_fit();
        changed
    }

    /// Whether the set of tools with this hash is still known (P9): SHA-256 over the canonical array of sorted pins.
    pub(crate) fn has_tools(&self, hash: Option<&Digest>) -> bool {
        let pins: Vec<_> = self.registered().iter().map(|offer| offer.hash).collect();
        let own = tools_hash(&pins);
        hash.is_some_and(|hash| own.is_ok_and(|own| own == *hash))
    }

    /// One call per form at a time (P14).
    pub(crate) fn form(&self, offer: &Offer) -> Option<Arc<Semaphore>> {
        if offer.definition.kind != ToolKind::Form {
            return None;
        }
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(
            forms.entry(offer.definition.name.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))),
        ))
    }

    /// Sends a call and remembers it until [`Tab::forget`]. Looks once more, under the lock that ends a tab: it may have
    /// ended, run out or changed its tools while the call waited for its place.
    ///
    /// # Errors
    /// Nothing was sent, and why.
    pub(crate) fn begin(
        &self,
        call: &Call,
        frame: HubFrame,
        now: Timestamp,
    ) -> Result<mpsc::UnboundedReceiver<TabEvent>, Reason> {
        let (flight, events) = InFlight::new(frame.clone());
        let mut inner = self.inner();
        if let Some(reason) = inner.ended {
            return Err(reason);
        }
        if inner.session_expires_at <= now {
            return Err(Reason::SessionEnded);
        }
        if !inner.offers.iter().any(|offer| offer.hash == call.tool.hash) {
            return Err(Reason::ToolChanged);
        }
        if !inner.attached || !inner.link.send(call.id.as_str(), frame) {
            return Err(Reason::TabGone);
        }
        inner.calls.insert(call.id.clone(), flight);
        Ok(events)
    }

    /// From now on no call begins here. `false`: it had ended before.
    pub(crate) fn mark_ended(&self, reason: Reason) -> bool {
        let mut inner = self.inner();
        let first = inner.ended.is_none();
        inner.ended.get_or_insert(reason);
        first
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.inner().ended.is_some()
    }

    /// Tells the tab to stop a call, now or as soon as it is back.
    pub(crate) fn cancel(&self, id: &CallId, reason: Reason) {
        let mut inner = self.inner();
        let frame = HubFrame::Cancel { reason: reason.code().to_owned() };
        if let Some(call) = inner.calls.get_mut(id) {
            call.cancel(frame.clone());
        }
        if inner.attached {
            inner.link.send(id.as_str(), frame);
        }
    }

    /// Tells the tab to stop every call that it has.
    pub(crate) fn cancel_calls(&self, reason: Reason) {
        let calls: Vec<CallId> = self.inner().calls.keys().cloned().collect();
        for call in calls {
            self.cancel(&call, reason);
        }
    }

    pub(crate) fn forget(&self, id: &CallId) {
        self.inner().calls.remove(id);
    }

    pub(crate) fn send(&self, id: &str, frame: HubFrame) -> bool {
        let inner = self.inner();
        inner.attached && inner.link.send(id, frame)
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        let link = Arc::clone(&self.inner().link);
        link.close(code, reason);
    }

    /// A frame about a call. Late, foreign and duplicate ones are dropped (P16).
    pub(crate) fn take_in(&self, id: &str, frame: TabFrame) {
        let mut inner = self.inner();
        let known = CallId::new(id).ok().and_then(|id| inner.calls.get_mut(&id));
        if !known.is_some_and(|call| call.take_in(frame)) {
            tracing::info!(tab = %self.document, call = id, "a frame about no open call was dropped");
        }
    }

    pub(crate) fn fail_calls(&self) {
        let calls = std::mem::take(&mut self.inner().calls);
        for call in calls.into_values() {
            call.lose();
        }
    }

    /// Says when it was pinged last.
    pub(crate) fn ping_if_due(&self, elapsed: Duration, every: Duration) -> Duration {
        let mut inner = self.inner();
        if inner.attached && elapsed.saturating_sub(inner.last_ping) >= every {
            inner.last_ping = elapsed;
            inner.link.send(&format!("ping_{}", elapsed.as_millis()), HubFrame::Ping);
        }
        inner.last_ping
    }

    pub(crate) fn reattach(&self, link: Arc<dyn TabLink>, session_expires_at: Timestamp) -> u64 {
        let mut inner = self.inner();
        if inner.attached {
            inner.link.close(CloseCode::Superseded, "a newer socket of the same document");
        }
        inner.generation += 1;
        inner.attached = true;
        inner.session_expires_at = session_expires_at;
        inner.link = link;
        inner.generation
    }

    /// Repeats the calls that are still open, after `welcome` went out on a new socket (P13).
    pub fn repeat_calls(&self) {
        let inner = self.inner();
        for (id, call) in &inner.calls {
            // A call that was cancelled meanwhile is not run after all: its `cancel` is repeated instead.
            inner.link.send(id.as_str(), call.frame().clone());
        }
    }

    pub(crate) fn detach(&self, generation: u64) -> bool {
        let mut inner = self.inner();
        let mine = inner.attached && inner.generation == generation;
        if mine {
            inner.attached = false;
        }
        mine
    }

    /// Whether it has a socket now.
    pub(crate) fn is_attached(&self) -> bool {
        self.inner().attached
    }

    pub(crate) fn is_detached(&self, generation: u64) -> bool {
        let inner = self.inner();
        !inner.attached && inner.generation == generation
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
