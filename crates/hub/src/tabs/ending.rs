//! How tabs end: by a switch, a revocation, the application's word, or of themselves; and what is remembered of it.

use super::{REMEMBERED, REVOKED, STOPPED, Tab, Tabs};
use crate::ports::TicketRecord;
use crate::tickets::TICKET_LIFETIME;
use deputy_core::{EventKind, Reason, SourceName, User};
use deputy_protocol::tab::CloseCode;
use std::sync::{Arc, PoisonError};

impl Tabs {
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
    pub(super) fn was_ended(&self, ticket: &TicketRecord) -> bool {
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
}
