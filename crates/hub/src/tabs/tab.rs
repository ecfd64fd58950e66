//! One tab: a live document of an app, and its socket while it has one.

use super::calls::{InFlight, TabEvent};
use super::shelf::Shelf;
use crate::catalog::App;
use crate::ports::{TabLink, TicketRecord};
use deputy_core::{
    Call, CallId, Definition, Digest, DocumentId, Origin, Reason, SourceKind, Timestamp, Tool, ToolKind,
    ToolName, User,
};
use deputy_protocol::schema::Schema;
use deputy_protocol::tab::{CloseCode, Hello, HubFrame, Page, TabFrame, tools_hash};
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, mpsc, watch};

/// A tool of a tab, with its schemas compiled.
#[derive(Clone)]
pub struct Offer {
    /// The tool.
    pub tool: Arc<Tool>,
    /// What its arguments must fit.
    pub input: Arc<Schema>,
    /// What its structured result must fit.
    pub output: Option<Arc<Schema>>,
}

impl Offer {
    /// From what a tab registered. A definition whose schema is unusable is left out, and said why (P15).
    pub(crate) fn read(tab: &Tab, shelf: &Shelf, definitions: Vec<Definition>) -> (Vec<Self>, Vec<String>) {
        let (mut offers, mut refused) = (Vec::new(), Vec::new());
        for definition in definitions {
            let name = definition.name.clone();
            match Self::one(tab, shelf, definition) {
                Ok(offer) => offers.push(offer),
                Err(error) => refused.push(format!("`{name}`: {error}")),
            }
        }
        (offers, refused)
    }

    fn one(tab: &Tab, shelf: &Shelf, definition: Definition) -> Result<Self, String> {
        let words = serde_json::to_value(&definition).map_err(|error| error.to_string())?;
        if let Some(hidden) = deputy_core::text::hidden(&words) {
            // Whoever reviews a tool must see what the model sees (P27).
            return Err(format!("it holds the invisible character U+{:04X}", u32::from(hidden)));
        }
        let hash = definition.hash(&tab.origin).map_err(|error| error.to_string())?;
        let class = definition.class(tab.app.classes.get(&definition.name).copied());
        let compiled = shelf.take(hash, definition)?;
        let tool = Tool {
            source: tab.app.name.clone(),
            source_kind: SourceKind::App,
            origin: tab.origin.clone(),
            definition: compiled.definition,
            hash,
            class,
            owner: Some(tab.user.clone()),
        };
        Ok(Self { tool: Arc::new(tool), input: compiled.input, output: compiled.output })
    }
}

struct Inner {
    link: Arc<dyn TabLink>,
    generation: u64,
    attached: bool,
    offers: Vec<Offer>,
    last_focused: Option<Timestamp>,
    last_ping: Timestamp,
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
    /// What the page says of itself; display data.
    pub page: Page,
    /// Calls running at once (P14).
    pub(crate) slots: Arc<Semaphore>,
    /// Calls waiting for a place (P14).
    pub(crate) waiting: AtomicUsize,
    forms: Mutex<HashMap<ToolName, Arc<Semaphore>>>,
    heard: watch::Sender<Timestamp>,
    inner: Mutex<Inner>,
}

impl Tab {
    pub(crate) fn new(
        hello: &Hello,
        ticket: &TicketRecord,
        app: Arc<App>,
        now: Timestamp,
        link: Arc<dyn TabLink>,
    ) -> Self {
        let limits = deputy_protocol::tab::Limits::default();
        let clip = |text: &str, most| text.chars().filter(|c| !c.is_control()).take(most).collect();
        Self {
            document: hello.doc_id.clone(),
            user: ticket.user.clone(),
            app,
            origin: ticket.origin.clone(),
            connected_at: now,
            page: Page { url: clip(&hello.page.url, 2000), title: clip(&hello.page.title, 200) },
            slots: Arc::new(Semaphore::new(limits.calls_in_flight)),
            waiting: AtomicUsize::new(0),
            forms: Mutex::default(),
            heard: watch::Sender::new(now),
            inner: Mutex::new(Inner {
                link,
                generation: 0,
                attached: true,
                offers: Vec::new(),
                last_focused: hello.focused.then_some(now),
                last_ping: now,
                session_expires_at: ticket.session_expires_at,
                calls: HashMap::new(),
                ended: None,
            }),
        }
    }

    /// Its tools.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        self.inner().offers.clone()
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

    /// The last moment at which anything was heard from it.
    #[must_use]
    pub fn last_heard(&self) -> Timestamp {
        *self.heard.borrow()
    }

    pub(crate) fn hearing(&self) -> watch::Receiver<Timestamp> {
        self.heard.subscribe()
    }

    pub(crate) fn heard(&self, now: Timestamp) {
        self.heard.send_replace(now);
    }

    pub(crate) fn focus(&self, now: Timestamp) {
        self.inner().last_focused = Some(now);
    }

    /// Whether these are the tools it has already.
    pub(crate) fn has_offers(&self, offers: &[Offer]) -> bool {
        let pins = |offers: &[Offer]| offers.iter().map(|offer| offer.tool.hash).collect::<Vec<_>>();
        pins(&self.inner().offers) == pins(offers)
    }

    /// Whether a socket of this generation still speaks for the tab.
    pub(crate) fn is_current(&self, generation: u64) -> bool {
        let inner = self.inner();
        inner.generation == generation && inner.ended.is_none()
    }

    pub(crate) fn set_offers(&self, offers: Vec<Offer>) {
        let offered = |name: &ToolName| offers.iter().any(|offer| offer.tool.definition.name == *name);
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| offered(name));
        let mut offers = offers;
        offers.shrink_to_fit();
        self.inner().offers = offers;
    }

    /// Whether the set of tools with this hash is still known (P9): SHA-256 over the canonical array of sorted pins.
    pub(crate) fn has_tools(&self, hash: Option<&Digest>) -> bool {
        let pins: Vec<_> = self.inner().offers.iter().map(|offer| offer.tool.hash).collect();
        let own = tools_hash(&pins);
        hash.is_some_and(|hash| own.is_ok_and(|own| own == *hash))
    }

    /// One call per form at a time (P14).
    pub(crate) fn form(&self, tool: &Tool) -> Option<Arc<Semaphore>> {
        if tool.definition.kind != ToolKind::Form {
            return None;
        }
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(
            forms.entry(tool.definition.name.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))),
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
        if !inner.offers.iter().any(|offer| offer.tool.hash == call.tool.hash) {
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

    pub(crate) fn ping_if_due(&self, now: Timestamp, every: std::time::Duration) {
        let mut inner = self.inner();
        if inner.attached && now.since(inner.last_ping) >= every {
            inner.last_ping = now;
            inner.link.send(&format!("ping_{}", now.millis()), HubFrame::Ping);
        }
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
