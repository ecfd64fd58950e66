//! Who is signed in at the hub itself, and which agents may act for whom: grants of access, given on the consent page or by
//! an administrator for everyone.
//!
//! All of it stands in memory, so that a request asks without any wait, and in a table, so that it survives a restart.
//! INVARIANT (14): what gives a right is written first and in force then; what takes one away is in force first.

mod clients;
mod consents;
pub(crate) mod state;

use crate::journal::Journal;
use crate::ports::{
    AccessChange, AccessGrant, AccessRecord, AccessTable, Clock, Consent, Login, RegisteredClient,
    Revocation, StoreError,
};
use crate::supervisor::Supervisor;
use crate::switches::Thrown;
use deputy_core::{Client, Digest, Event, EventKind, GrantId, Issuer, TenantId, Timestamp, User};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// People who are signed in at once.
pub const MOST_LOGINS: usize = 100_000;
/// Permissions at once.
pub const MOST_GRANTS: usize = 200_000;
/// Permissions of one person at once; the oldest ends when there is one more.
pub const GRANTS_PER_USER: usize = 64;
/// Clients that registered themselves.
pub const MOST_CLIENTS: usize = 10_000;

/// Why a right is not given.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// There is no room for more.
    #[error("there are too many {0} already")]
    Full(&'static str),
    /// What it would stand on has ended.
    #[error("it ended meanwhile")]
    Ended,
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logins, grants and registered clients.
pub struct Access {
    table: Arc<dyn AccessTable>,
    thrown: Arc<Thrown>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    state: Mutex<State>,
    /// One write at a time, so that the table ends as the memory does.
    writing: tokio::sync::Mutex<()>,
    /// Who gives back the tokens of consents that ended.
    ended: Mutex<Option<mpsc::Sender<Arc<Consent>>>>,
}

impl Access {
    /// Nobody is signed in.
    #[must_use]
    pub(crate) fn new(
        table: Arc<dyn AccessTable>,
        thrown: Arc<Thrown>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        supervisor: Supervisor,
    ) -> Self {
        let (state, writing) = (Mutex::default(), tokio::sync::Mutex::default());
        let ended = Mutex::default();
        Self { table, thrown, journal, clock, supervisor, state, writing, ended }
    }

    /// Takes in what is kept. Revocations come first: whom they shut out is not let in even for a moment.
    ///
    /// # Errors
    /// The table cannot be read: nobody knows who is shut out, so the hub must not start.
    pub(crate) async fn load(&self) -> Result<(), StoreError> {
        let rows = self.table.access().await?;
        let mut revocations = Vec::new();
        for row in &rows {
            if let AccessRecord::Revocation(revocation) = row {
                self.thrown.revoke(revocation);
                revocations.push(revocation.clone());
            }
        }
        let now = self.clock.now();
        let mut state = self.state();
        // A login that was being taken away when the hub stopped is not taken up again, with what it holds.
        let is_gone = |row: &AccessRecord| match row {
            AccessRecord::Login(login) => self.thrown.ends_login(login),
            AccessRecord::Consent(consent) => {
                revocations.iter().any(|revocation| consents::ends(revocation, consent))
            }
            _ => false,
        };
        for row in rows.into_iter().filter(|row| row.ends_at().is_none_or(|at| at > now) && !is_gone(row)) {
            state.put(row);
        }
        Ok(())
    }

    /// The person who is signed in with this cookie, if they still are.
    #[must_use]
    pub fn login(&self, id: &Digest) -> Option<Arc<Login>> {
        let now = self.clock.now();
        self.state().login(id).filter(|login| login.ends_at > now)
    }

    /// The logins of whom it is time to ask their provider again, a few at a time.
    pub(crate) fn logins_due(&self, now: Timestamp, after: Duration) -> Vec<Arc<Login>> {
        let state = self.state();
        let due = state.logins().filter(|login| {
            crate::sign_in::is_due(login, now, after) && !state.was_asked(&login.id, now, after)
        });
        due.take(64).collect()
    }

    /// A person's provider was asked, with whatever answer: not again before it is time.
    pub(crate) fn asked(&self, id: &Digest, now: Timestamp) {
        self.state().note_asked(*id, now);
    }

    /// The people who are signed in in one of a provider's sessions.
    #[must_use]
    pub(crate) fn people_in(&self, tenant: &TenantId, issuer: &Issuer, session: &str) -> Vec<User> {
        let state = self.state();
        let users = state.logins_in(tenant, session).map(|login| login.user.clone());
        let mut users: Vec<User> = users.filter(|user| user.issuer == *issuer).collect();
        users.dedup();
        users
    }

    /// All of a person's logins.
    #[must_use]
    pub fn logins_of(&self, user: &User) -> Vec<Arc<Login>> {
        let now = self.clock.now();
        self.state().logins_of(user).filter(|login| login.ends_at > now).collect()
    }

    /// A permission that is in force: not ended, and its login neither.
    #[must_use]
    pub fn grant(&self, id: &GrantId) -> Option<(Arc<AccessGrant>, Arc<Login>)> {
        let now = self.clock.now();
        let state = self.state();
        let grant = state.grant(id).filter(|grant| grant.ends_at > now)?;
        let login = state.login(&grant.login).filter(|login| login.ends_at > now)?;
        Some((grant, login))
    }

    /// A person's permissions that are in force, the newest first.
    #[must_use]
    pub fn grants_of(&self, user: &User) -> Vec<Arc<AccessGrant>> {
        let now = self.clock.now();
        let mut own: Vec<_> = self.state().grants_of(user).filter(|grant| grant.ends_at > now).collect();
        own.sort_by_key(|grant| std::cmp::Reverse(grant.given_at));
        own
    }

    /// A tenant's permissions that are in force.
    #[must_use]
    pub fn grants_in(&self, tenant: &TenantId) -> Vec<Arc<AccessGrant>> {
        let now = self.clock.now();
        let mut all: Vec<_> = self
            .state()
            .grants()
            .filter(|grant| grant.user.tenant == *tenant && grant.ends_at > now)
            .collect();
        all.sort_by_key(|grant| std::cmp::Reverse(grant.given_at));
        all
    }

    /// Whether anybody has let this client act here.
    #[must_use]
    pub(crate) fn acts(&self, client: &Client) -> bool {
        self.state().acts(client)
    }

    /// A client that registered itself.
    #[must_use]
    pub fn client(&self, id: &Client) -> Option<Arc<RegisteredClient>> {
        self.state().client(id)
    }

    /// Somebody signed in: written, then in force.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub(crate) async fn begin(self: &Arc<Self>, login: Login) -> Result<Arc<Login>, AccessError> {
        if self.state().logins_count() >= MOST_LOGINS {
            return Err(AccessError::Full("people signed in"));
        }
        let event = self
            .journal
            .event(EventKind::LoginBegan, &login.user)
            .with_detail("provider", login.provider.as_str());
        self.write(vec![AccessRecord::Login(login.clone())], event).await?;
        let login = Arc::new(login);
        self.state().put_login(Arc::clone(&login));
        // Whoever was shut out while it was written does not come in, and what they hold is not kept.
        if self.thrown.ends_login(&login) {
            self.end_login(&login.id, "revoked");
            return Err(AccessError::Ended);
        }
        Ok(login)
    }

    /// What is known of a person was asked anew: groups, tokens, how long it is good. In force at once; a failed write is
    /// told and the next asking makes up for it.
    pub(crate) async fn refresh(&self, login: Login) -> Result<Arc<Login>, AccessError> {
        let _alone = self.writing.lock().await;
        // Whoever was signed out meanwhile stays out.
        if self.state().login(&login.id).is_none() {
            return Err(AccessError::Ended);
        }
        let change =
            AccessChange { put: vec![AccessRecord::Login(login.clone())], ..AccessChange::default() };
        self.table.change_access(change).await?;
        let login = Arc::new(login);
        let mut state = self.state();
        if state.login(&login.id).is_none() {
            return Err(AccessError::Ended);
        }
        state.put_login(Arc::clone(&login));
        Ok(login)
    }

    /// An agent may act: written, then in force. An earlier permission of the same agent for the same address is replaced.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub(crate) async fn give(&self, grant: AccessGrant) -> Result<Arc<AccessGrant>, AccessError> {
        let _alone = self.writing.lock().await;
        let (earlier, is_full) = {
            let state = self.state();
            (state.replaced_by(&grant), state.grants_count() >= MOST_GRANTS)
        };
        if is_full {
            return Err(AccessError::Full("permissions"));
        }
        if self.login(&grant.login).is_none() {
            return Err(AccessError::Ended);
        }
        let remove = earlier.iter().map(|earlier| earlier.key()).collect();
        let events = vec![self.about(EventKind::AccessGranted, &grant)];
        let put = vec![AccessRecord::Grant(grant.clone())];
        self.table.change_access(AccessChange { put, remove, events, ..AccessChange::default() }).await?;
        let grant = Arc::new(grant);
        let is_in = {
            let mut state = self.state();
            for earlier in &earlier {
                state.remove(&earlier.key());
            }
            let is_in = state.login(&grant.login).is_some();
            if is_in {
                state.put_grant(Arc::clone(&grant));
            }
            is_in
        };
        // Signed out while it was written: not in force, and nothing is kept.
        if !is_in {
            let gone = AccessChange { remove: vec![grant.key()], ..AccessChange::default() };
            self.table.change_access(gone).await?;
            return Err(AccessError::Ended);
        }
        Ok(grant)
    }

    /// A refresh token was exchanged: the next generation, and a new end. Only whoever holds the newest gets here.
    ///
    /// # Errors
    /// [`AccessError::Ended`] if somebody else was faster, or it ended.
    pub(crate) async fn renew(
        &self,
        grant: &AccessGrant,
        ends_at: Timestamp,
    ) -> Result<Arc<AccessGrant>, AccessError> {
        let _alone = self.writing.lock().await;
        let current = self.state().grant(&grant.id).filter(|now| now.generation == grant.generation);
        let Some(current) = current else { return Err(AccessError::Ended) };
        let next = AccessGrant { generation: current.generation + 1, ends_at, ..(*current).clone() };
        let change = AccessChange { put: vec![AccessRecord::Grant(next.clone())], ..AccessChange::default() };
        self.table.change_access(change).await?;
        let next = Arc::new(next);
        let mut state = self.state();
        if state.grant(&next.id).is_none() {
            return Err(AccessError::Ended);
        }
        state.put_grant(Arc::clone(&next));
        Ok(next)
    }

    /// One login ends, and with it every permission that lives of it.
    pub(crate) fn end_login(self: &Arc<Self>, id: &Digest, why: &str) -> bool {
        let Some((login, grants)) = self.state().take_login(id) else { return false };
        self.gone(&login, &grants, why);
        true
    }

    /// Whatever a revocation takes away ends at once. Gives how many logins and permissions that were.
    pub(crate) fn end_revoked(self: &Arc<Self>, revocation: &Revocation) -> (usize, usize) {
        let (logins, grants) = self.state().take_revoked(revocation);
        self.end_revoked_consents(revocation);
        let counts = (logins.len(), logins.iter().map(|(_, own)| own.len()).sum::<usize>() + grants.len());
        for (login, own) in &logins {
            self.gone(login, own, &revocation.by);
        }
        for grant in &grants {
            let event = self.about(EventKind::AccessEnded, grant).with_detail("why", revocation.by.as_str());
            self.remove_later(vec![grant.key()], vec![event]);
        }
        counts
    }

    /// Forgets what has ended, until the hub stops.
    pub(crate) async fn forget_ended(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            let keys = self.state().take_ended(self.clock.now());
            if !keys.is_empty() {
                self.remove_later(keys, Vec::new());
            }
        }
    }

    fn gone(self: &Arc<Self>, login: &Login, grants: &[Arc<AccessGrant>], why: &str) {
        let mut events = vec![self.journal.event(EventKind::LoginEnded, &login.user).with_detail("why", why)];
        let mut keys = vec![login.key()];
        for grant in grants {
            events.push(self.about(EventKind::AccessEnded, grant).with_detail("why", why));
            keys.push(grant.key());
        }
        self.remove_later(keys, events);
    }

    /// The line about a permission.
    fn about(&self, kind: EventKind, grant: &AccessGrant) -> Event {
        let mut event = self
            .journal
            .event(kind, &grant.user)
            .with_detail("grant", grant.id.as_str())
            .with_detail("resource", grant.resource.as_str())
            .with_detail("most", grant.most.code());
        event.client = Some(grant.client.clone());
        if kind == EventKind::AccessGranted {
            let sources = serde_json::to_value(&grant.sources).unwrap_or_default();
            let by = serde_json::to_value(grant.by).unwrap_or_default();
            event = event.with_detail("sources", sources).with_detail("by", by);
            event = event.with_detail("until", grant.ends_at.to_string());
        }
        event
    }

    /// What is gone from memory goes from the table as soon as that can be written.
    fn remove_later(self: &Arc<Self>, remove: Vec<crate::ports::AccessKey>, events: Vec<Event>) {
        let own = Arc::clone(self);
        self.supervisor.start_until_shutdown(async move {
            let mut wait = Duration::from_millis(200);
            loop {
                let change =
                    AccessChange { remove: remove.clone(), events: events.clone(), ..AccessChange::default() };
                let alone = own.writing.lock().await;
                match own.table.change_access(change).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::error!(%error, "what ended could not be recorded yet; it has ended all the same");
                    }
                }
                drop(alone);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
            }
        });
    }

    async fn write(&self, put: Vec<AccessRecord>, event: Event) -> Result<(), StoreError> {
        let _alone = self.writing.lock().await;
        self.table.change_access(AccessChange { put, events: vec![event], ..AccessChange::default() }).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
