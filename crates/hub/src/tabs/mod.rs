//! The tabs that are connected now: whose they are, what they offer, and how they end (P4 to P24).

mod agenda;
mod attached;
mod calls;
mod interned;
mod liveness;
mod sorting;
mod tab;

pub use attached::Attached;
pub use calls::{InFlight, TabEvent};
pub use interned::{Offer, Offered};
pub(crate) use tab::Held;
pub use tab::Tab;

use crate::catalog::App;
use crate::journal::Journal;
use crate::pins::Pins;
use crate::ports::{Clock, TabLink, TicketRecord, Tickets};
use crate::supervisor::Supervisor;
use crate::switches::Thrown;
use crate::switches::revoked::OfTab;
use crate::tickets::TICKET_LIFETIME;
use deputy_core::{Digest, DocumentId, Event, EventKind, Origin, Reason, SourceName, Timestamp, User};
use deputy_protocol::tab::{CloseCode, Heartbeat, Hello, Limits, VERSION, Welcome, WelcomeUser};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Tabs of one user at once (P18).
pub const TABS_PER_USER: usize = 64;
/// How long the reason of an ended tab is remembered for its own user's agents.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What the tab of a thrown switch is told.
const STOPPED: &str = "an operator has stopped this";
/// What the tab of somebody who was shut out is told.
const REVOKED: &str = "the user was signed out";

/// A session in an application: whose, where, and what the application calls it.
type AppSession = (User, SourceName, Option<String>);

/// Why a socket is not welcomed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwelcome {
    /// How to close.
    pub code: CloseCode,
    /// For people.
    pub reason: &'static str,
}

#[derive(Default)]
struct UserTabs {
    tabs: Vec<Arc<Tab>>,
    ended: HashMap<SourceName, (Reason, Timestamp)>,
    /// Made for the first who listens: most users' agents never do.
    changed: Option<watch::Sender<u64>>,
}

impl UserTabs {
    fn tell(&self) {
        if let Some(changed) = &self.changed {
            changed.send_modify(|count| *count += 1);
        }
    }

    fn is_heard(&self) -> bool {
        self.changed.as_ref().is_some_and(|changed| changed.receiver_count() > 0)
    }
}

/// All connected tabs of this hub.
pub struct Tabs {
    users: Mutex<HashMap<User, UserTabs>>,
    /// Users without a tab, of whom something may be kept.
    tabless: Mutex<HashSet<User>>,
    agenda: agenda::Agenda,
    apps: HashMap<SourceName, Arc<App>>,
    tickets: Arc<dyn Tickets>,
    interned: interned::Interned,
    pub(crate) pins: Arc<Pins>,
    /// Tabs whose definitions could not be sorted, to be sorted again.
    unsorted: Mutex<Vec<Weak<Tab>>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervisor: Supervisor,
    thrown: Arc<Thrown>,
    /// Sessions of which an application told that they ended, as long as a ticket of theirs could be about.
    told: Mutex<HashMap<AppSession, Timestamp>>,
    limits: Limits,
    heartbeat: Heartbeat,
}

impl Tabs {
    /// No tab yet.
    #[must_use]
    pub fn new(
        apps: HashMap<SourceName, Arc<App>>,
        tickets: Arc<dyn Tickets>,
        pins: Arc<Pins>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        supervisor: Supervisor,
        thrown: Arc<Thrown>,
    ) -> Self {
        Self {
            users: Mutex::default(),
            tabless: Mutex::default(),
            agenda: agenda::Agenda::default(),
            apps,
            tickets,
            interned: interned::Interned::default(),
            pins,
            unsorted: Mutex::default(),
            journal,
            clock,
            supervisor,
            thrown,
            told: Mutex::default(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
        }
    }

    /// What a tab may do.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether any app lives at this origin: asked before a socket is opened at all (P4).
    #[must_use]
    pub fn knows_origin(&self, origin: &Origin) -> bool {
        self.apps.values().any(|app| app.origins.contains(origin))
    }

    /// Lets a socket in: the ticket is spent, its origin must be the socket's (P4), its line is written, and only then
    /// is there a `welcome`.
    ///
    /// # Errors
    /// How to close the socket.
    pub async fn open(
        self: &Arc<Self>,
        hello: Hello,
        origin: &Origin,
        link: Arc<dyn TabLink>,
    ) -> Result<(Attached, Welcome), Unwelcome> {
        let refuse = |code, reason| Err(Unwelcome { code, reason });
        if !hello.versions.contains(&VERSION) {
            return refuse(CloseCode::Version, "no common version");
        }
        let hash = Digest::of_bytes(hello.ticket.as_bytes());
        let Ok(taken) = self.tickets.take_ticket(&hash).await else {
            return refuse(CloseCode::Restart, "the hub cannot check tickets now");
        };
        let now = self.clock.now();
        let Some(ticket) = taken else { return refuse(CloseCode::AuthFailed, "unknown or used ticket") };
        let app = match self.fits(&ticket, &hello, origin, now) {
            Ok(app) => app,
            Err((unwelcome, reason)) => {
                self.record_refusal(&ticket, origin, reason).await;
                return Err(unwelcome);
            }
        };
        let tab = Tab::new(&hello, &ticket, app, (now, self.clock.elapsed()), Arc::clone(&link));
        if self.journal.append(vec![self.event(EventKind::TabOpened, &tab)]).await.is_err() {
            return refuse(CloseCode::Restart, "the audit log cannot be written");
        }
        let closing = self.event(EventKind::TabClosed, &tab);
        let Some((tab, generation, known)) = self.admit(tab, &hello, link) else {
            // Others came in while the line was written: the log says that this one did not.
            let closed = Event { reason: Some(Reason::RateLimited), ..closing };
            if let Err(error) = self.journal.append(vec![closed]).await {
                tracing::error!(%error, "a tab that was not let in could not be recorded");
            }
            return refuse(CloseCode::RateLimited, "too many tabs of one user");
        };
        self.agenda.put(&tab, self.clock.elapsed());
        // Thrown while the line was written: whoever threw it may have looked before this tab was listed.
        if self.thrown.ends_tab(&tab.stands_on()) {
            self.close_revoked();
            return refuse(CloseCode::Revoked, REVOKED);
        }
        if self.thrown.stops_tab(&tab.user, &tab.app.name) {
            self.close_stopped();
            return refuse(CloseCode::Revoked, STOPPED);
        }
        let welcome = Welcome {
            version: VERSION,
            user: WelcomeUser { issuer: tab.user.issuer.clone(), subject: tab.user.subject.clone() },
            app: tab.app.name.clone(),
            origin: tab.origin.clone(),
            tools_known: known,
            session_expires_at: tab.session_expires_at().millis(),
            limits: self.limits,
            heartbeat: self.heartbeat,
        };
        Ok((Attached { tab, generation, tabs: Arc::clone(self) }, welcome))
    }

    /// Whether a ticket opens this very socket.
    fn fits(
        &self,
        ticket: &TicketRecord,
        hello: &Hello,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Arc<App>, (Unwelcome, Reason)> {
        let refuse = |code, text, reason| Err((Unwelcome { code, reason: text }, reason));
        // One that would live longer than any does was made before the clock was set back.
        if ticket.expires_at <= now || ticket.expires_at > now.plus(TICKET_LIFETIME) {
            return refuse(CloseCode::AuthFailed, "the ticket has expired", Reason::SessionEnded);
        }
        if ticket.session_expires_at <= now || self.was_ended(ticket) {
            return refuse(CloseCode::AuthFailed, "the session has ended", Reason::SessionEnded);
        }
        if self.thrown.stops_tab(&ticket.user, &ticket.app) {
            return refuse(CloseCode::Revoked, STOPPED, Reason::Stopped);
        }
        let stands_on = OfTab {
            user: &ticket.user,
            session: ticket.provider_session.as_deref(),
            issued_at: ticket.issued_at,
            document: Some(&hello.doc_id),
        };
        if self.thrown.ends_tab(&stands_on) {
            return refuse(CloseCode::Revoked, REVOKED, Reason::SessionEnded);
        }
        if ticket.origin != *origin {
            return refuse(CloseCode::Forbidden, "the ticket is for another origin", Reason::PolicyDenied);
        }
        let Some(app) = self.apps.get(&ticket.app).filter(|app| app.origins.contains(origin)) else {
            return refuse(CloseCode::Forbidden, "the origin is not configured", Reason::PolicyDenied);
        };
        if self.is_full(&ticket.user, &hello.doc_id) {
            return refuse(CloseCode::RateLimited, "too many tabs of one user", Reason::RateLimited);
        }
        Ok(Arc::clone(app))
    }

    /// Whose ticket it was is known, so the refusal is theirs in the log.
    async fn record_refusal(&self, ticket: &TicketRecord, origin: &Origin, reason: Reason) {
        let mut event = self.journal.event(EventKind::Refusal, &ticket.user);
        event.source = Some(ticket.app.clone());
        event.reason = Some(reason);
        let event = event.with_detail("door", "tab").with_detail("origin", origin.as_str());
        if let Err(error) = self.journal.append(vec![event]).await {
            tracing::error!(%error, "a refused tab could not be recorded");
        }
    }

    /// The user's tabs that are listed now: those with a socket first (a page that reloads leaves its old document behind
    /// for two seconds), then the last focused, the oldest first among equals (P22).
    #[must_use]
    pub(crate) fn of(&self, user: &User) -> Vec<Arc<Tab>> {
        let mut tabs = self.users().get(user).map(|own| own.tabs.clone()).unwrap_or_default();
        tabs.sort_by_cached_key(|tab| {
            let focus = std::cmp::Reverse(tab.last_focused());
            (!tab.is_attached(), focus, tab.connected_at, tab.document.clone())
        });
        tabs
    }

    /// Why the user's last tab of an app ended, if that was not long ago. Nobody else can ask.
    #[must_use]
    pub(crate) fn ended(&self, user: &User, app: &SourceName) -> Option<Reason> {
        let now = self.clock.now();
        let (reason, at) = *self.users().get(user)?.ended.get(app)?;
        let reason = match reason {
            // It may have been let go on since.
            Reason::Stopped if !self.thrown.stops_tab(user, app) => Reason::TabGone,
            reason => reason,
        };
        (now.since(at) < REMEMBERED).then_some(reason)
    }

    /// Counts up whenever the user's tools may have changed.
    #[must_use]
    pub(crate) fn changes(&self, user: &User) -> watch::Receiver<u64> {
        let mut users = self.users();
        let own = users.entry(user.clone()).or_default();
        if own.tabs.is_empty() {
            self.tabless().insert(user.clone());
        }
        own.changed.get_or_insert_default().subscribe()
    }

    /// Tells every listener that lists may have changed: a policy set came into force.
    pub fn everything_changed(&self) {
        for own in self.users().values() {
            own.tell();
        }
    }

    /// Ends every tab that a switch stops: its calls hear `cancel`, then it is off the list, and its socket closes for
    /// good.
    pub(crate) fn close_stopped(&self) {
        for tab in self.all() {
            if self.thrown.stops_tab(&tab.user, &tab.app.name) {
                tab.cancel_calls(Reason::Stopped);
                self.end(&tab, Reason::Stopped);
                tab.close(CloseCode::Revoked, STOPPED);
            }
        }
    }

    /// Ends every tab that was taken away, or whose user was: within the moment, whatever the log does.
    pub(crate) fn close_revoked(&self) {
        for tab in self.all() {
            if self.thrown.ends_tab(&tab.stands_on()) {
                tab.cancel_calls(Reason::SessionEnded);
                self.end(&tab, Reason::SessionEnded);
                tab.close(CloseCode::Revoked, REVOKED);
            }
        }
    }

    /// The application's back end tells that a session of a user ended: its tabs close at once. Without a name all of the
    /// user's in this application are meant.
    pub(crate) fn end_session(&self, user: &User, app: &SourceName, session: Option<&str>) {
        let now = self.clock.now();
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.retain(|_, at| now.since(*at) < TICKET_LIFETIME);
            told.insert((user.clone(), app.clone(), session.map(str::to_owned)), now);
        }
        for tab in self.of(user) {
            let is_meant = session.is_none() || tab.app_session.as_deref() == session;
            if tab.app.name == *app && is_meant {
                tab.cancel_calls(Reason::SessionEnded);
                self.end(&tab, Reason::SessionEnded);
                tab.close(CloseCode::AuthFailed, "the session has ended");
            }
        }
    }

    /// Whether a ticket is of a session that has ended since it was made.
    fn was_ended(&self, ticket: &TicketRecord) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |session: Option<String>| {
            let at = told.get(&(ticket.user.clone(), ticket.app.clone(), session));
            at.is_some_and(|at| ticket.issued_at.is_none_or(|made| made <= *at))
        };
        ended(None) || (ticket.app_session.is_some() && ended(ticket.app_session.clone()))
    }

    /// Closes every socket because the hub restarts.
    pub fn close_all(&self) {
        for tab in self.users().values().flat_map(|own| own.tabs.iter()) {
            tab.close(CloseCode::Restart, "the hub restarts");
        }
    }

    /// Forgets users of whom nothing is left: no tab, no listener, no end that their agents may still ask about.
    pub(crate) fn forget_idle(&self, now: Timestamp) {
        let mut users = self.users();
        self.tabless().retain(|user| {
            let Some(own) = users.get_mut(user).filter(|own| own.tabs.is_empty()) else { return false };
            own.ended.retain(|_, (_, at)| now.since(*at) < REMEMBERED);
            let kept = !own.ended.is_empty() || own.is_heard();
            if !kept {
                users.remove(user);
            }
            kept
        });
    }

    /// Tabs that are connected.
    #[must_use]
    pub fn count(&self) -> usize {
        self.users().values().map(|own| own.tabs.len()).sum()
    }

    /// Users of whom anything is kept.
    #[must_use]
    pub fn users_kept(&self) -> usize {
        self.users().len()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Tab>> {
        self.users().values().flat_map(|own| own.tabs.iter().cloned()).collect()
    }

    /// Takes a tab off the list at once, fails its calls, and writes the line. Taking away never waits for the log
    /// (invariant 14).
    pub(crate) fn end(&self, tab: &Arc<Tab>, reason: Reason) {
        let now = self.clock.now();
        // INVARIANT: marked before it is taken off the list, so that no call that waits for a place in it begins.
        if !tab.mark_ended(reason) {
            return;
        }
        {
            let mut users = self.users();
            let Some(own) = users.get_mut(&tab.user) else { return };
            own.tabs.retain(|known| !Arc::ptr_eq(known, tab));
            own.ended.retain(|_, (_, at)| now.since(*at) < REMEMBERED);
            own.ended.insert(tab.app.name.clone(), (reason, now));
            if own.tabs.is_empty() {
                self.tabless().insert(tab.user.clone());
            }
            own.tell();
        }
        tab.fail_calls();
        let mut event = self.event(EventKind::TabClosed, tab);
        event.reason = Some(reason);
        let line = self.journal.append_later(vec![event.clone()]);
        let journal = Arc::clone(&self.journal);
        let stop = self.supervisor.stopping().clone();
        self.supervisor.start(async move {
            if let Err(error) = line.await {
                tracing::error!(%error, "the end of a tab could not be recorded yet");
                tokio::select! {
                    () = journal.insist(vec![event]) => {}
                    () = stop.cancelled() => {}
                }
            }
        });
    }

    fn users(&self) -> MutexGuard<'_, HashMap<User, UserTabs>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locked after the users, never before.
    fn tabless(&self) -> MutexGuard<'_, HashSet<User>> {
        self.tabless.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self, user: &User, document: &DocumentId) -> bool {
        self.users().get(user).is_some_and(|own| {
            own.tabs.len() >= TABS_PER_USER && !own.tabs.iter().any(|tab| tab.document == *document)
        })
    }

    /// Puts a tab on the list. The same document of the same user and app again: the newest socket wins (P20), calls
    /// still open are repeated to it (P13).
    fn admit(&self, tab: Tab, hello: &Hello, link: Arc<dyn TabLink>) -> Option<(Arc<Tab>, u64, bool)> {
        let mut users = self.users();
        let own = users.entry(tab.user.clone()).or_default();
        let same = |known: &&Arc<Tab>| {
            known.document == tab.document && known.app.name == tab.app.name && known.origin == tab.origin
        };
        if let Some(known) = own.tabs.iter().find(same).cloned() {
            let generation = known.reattach(link, tab.session_expires_at());
            let has_tools = known.has_tools(hello.tools_hash.as_ref());
            return Some((known, generation, has_tools));
        }
        // Looked at again under the lock: others may have come in while the line was written.
        if own.tabs.len() >= TABS_PER_USER {
            return None;
        }
        let tab = Arc::new(tab);
        own.ended.remove(&tab.app.name);
        own.tabs.push(Arc::clone(&tab));
        Some((tab, 0, false))
    }

    fn event(&self, kind: EventKind, tab: &Tab) -> Event {
        let mut event = self.journal.event(kind, &tab.user);
        event.source = Some(tab.app.name.clone());
        event.tab = Some(tab.document.clone());
        event.with_detail("origin", tab.origin.as_str())
    }

    /// Tells the user's listeners that their lists may have changed.
    pub(crate) fn bump(&self, user: &User) {
        if let Some(own) = self.users().get(user) {
            own.tell();
        }
    }
}
