//! Tickets: how an application's back end, or its page, gets one tab of one user in.

use crate::authenticate::{Authenticator, Denied, Door};
use crate::catalog::App;
use crate::journal::Journal;
use crate::ports::{Clock, StoreError, TicketRecord, Tickets as Table};
use crate::switches::Thrown;
use crate::tabs::Tabs;
use deputy_core::{EventKind, Origin, Secret, SourceName, Timestamp, User};
use deputy_identity::seal::Sealer;
use deputy_identity::secret_hash::Ticket;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A ticket lives this long (P2).
pub const TICKET_LIFETIME: Duration = Duration::from_secs(60);

/// What somebody who holds a user's token asks for.
#[derive(Debug, Clone)]
pub struct TicketWish {
    /// For which app.
    pub app: SourceName,
    /// For a tab at which origin.
    pub origin: Origin,
    /// When the user's session in the app ends; never later than their token (A8).
    pub session_expires_at: Option<Timestamp>,
    /// What the application calls the session, so that it can tell of its end; at most 200 letters.
    pub session: Option<String>,
}

/// A ticket, to be shown once.
pub struct Issued {
    /// Its text.
    pub text: Secret<String>,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When the tab's session will end.
    pub session_expires_at: Timestamp,
    /// Whoever shows this ends the session: for the application's back end alone.
    pub end: Secret<String>,
}

/// What the end of a session names.
#[derive(Serialize, Deserialize)]
struct Ends {
    user: User,
    app: SourceName,
    session: Option<String>,
}

/// For how long a session's end can be told: longer than sessions last.
const END_LIFETIME: Duration = Duration::from_secs(8 * 24 * 3600);
const END: &str = "session-end";

/// Why no ticket was issued.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TicketError {
    /// The token is not accepted at this door.
    #[error("the user's token is not accepted")]
    Denied(Denied),
    /// The origin is not one of the app's.
    #[error("origin `{0}` is not configured for this app")]
    Origin(Origin),
    /// The session is over already.
    #[error("the session has ended")]
    SessionEnded,
    /// An operator threw the app's switch.
    #[error("an operator has stopped `{0}`")]
    Stopped(SourceName),
    /// It could not be kept or recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues tickets.
pub struct TicketOffice {
    apps: HashMap<SourceName, Arc<App>>,
    authenticator: Arc<Authenticator>,
    table: Arc<dyn Table>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    thrown: Arc<Thrown>,
    tabs: Arc<Tabs>,
    sealer: Arc<Sealer>,
}

impl TicketOffice {
    /// For these apps.
    #[must_use]
    pub fn new(
        apps: HashMap<SourceName, Arc<App>>,
        authenticator: Arc<Authenticator>,
        table: Arc<dyn Table>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        thrown: Arc<Thrown>,
        (tabs, sealer): (Arc<Tabs>, Arc<Sealer>),
    ) -> Self {
        Self { apps, authenticator, table, journal, clock, thrown, tabs, sealer }
    }

    /// The application's back end tells that a user's session there has ended: its tabs close at once, and tickets of before
    /// open none. `false`: what was shown was never given out, or is too old.
    #[must_use]
    pub fn end_session(&self, end: &str) -> bool {
        let opened = self.sealer.open(END, &[], end, self.clock.now()).ok();
        let Some(ends) = opened.and_then(|bytes| serde_json::from_slice::<Ends>(&bytes).ok()) else {
            return false;
        };
        self.tabs.end_session(&ends.user, &ends.app, ends.session.as_deref());
        true
    }

    /// Issues one for the user of `token`, which must be meant for this app.
    ///
    /// # Errors
    /// An unknown app answers like a bad token (invariant 7).
    pub async fn issue(&self, token: &str, wish: TicketWish) -> Result<Issued, TicketError> {
        let door = Door::Tickets(wish.app.clone());
        let verified = self.authenticator.verify(&door, token).await.map_err(TicketError::Denied)?;
        let app = self.apps.get(&wish.app).ok_or(TicketError::Denied(Denied::Refused))?;
        if !app.origins.contains(&wish.origin) {
            return Err(TicketError::Origin(wish.origin));
        }
        let claims = verified.claims();
        if self.thrown.stops_tab(&claims.user, &wish.app) {
            return Err(TicketError::Stopped(wish.app));
        }
        let now = self.clock.now();
        let session_expires_at =
            wish.session_expires_at.map_or(claims.expires_at, |at| at.min(claims.expires_at));
        if session_expires_at <= now {
            return Err(TicketError::SessionEnded);
        }
        let ends = Ends { user: claims.user.clone(), app: wish.app.clone(), session: wish.session.clone() };
        let ends = serde_json::to_vec(&ends).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let end = self.sealer.seal(END, &[], &ends, now.plus(END_LIFETIME));
        let end = Secret::new(end.map_err(|error| StoreError::Unavailable(error.to_string()))?);
        let ticket = Ticket::fresh().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let expires_at = now.plus(TICKET_LIFETIME).min(session_expires_at);
        let record = TicketRecord {
            hash: *ticket.digest(),
            user: claims.user.clone(),
            app: wish.app.clone(),
            origin: wish.origin,
            session_expires_at,
            expires_at,
            issued_at: Some(now),
            provider_session: claims.session.clone(),
            app_session: wish.session,
        };
        let mut event = self.journal.event(EventKind::TicketIssued, &claims.user);
        event.client.clone_from(&claims.client);
        event.source = Some(wish.app);
        for (name, value) in [("act", &claims.act), ("impersonator", &claims.impersonator)] {
            if let Some(value) = value {
                event = event.with_personal(name, value.clone());
            }
        }
        self.table.put_ticket(record, now, event).await?;
        Ok(Issued { text: Secret::new(ticket.text().expose().clone()), expires_at, session_expires_at, end })
    }

    /// Drops tickets as they end, until the hub stops.
    pub(crate) async fn drop_ended(&self) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            if let Err(error) = self.table.drop_ended_tickets(self.clock.now()).await {
                tracing::error!(%error, "ended tickets could not be dropped");
            }
        }
    }
}
