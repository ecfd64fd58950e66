//! Taking away at once: a person, one of their sessions, an agent, a permission, a tab. In force before anything is written
//! (invariant 14), on every connection; the deny-list wins over any token and survives a restart (C4).

use crate::access::Access;
use crate::ports::{
    AccessChange, AccessRecord, AccessTable, Clock, Revocation, RevocationOrder, RevocationWish, Revoked,
    StoreError,
};
use crate::supervisor::Supervisor;
use crate::switches::{LOOK, Thrown};
use crate::tabs::Tabs;
use deputy_core::{Digest, Event, EventKind, TenantId, Timestamp, User};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a revocation is kept that shuts nobody out for good: longer than any token or session lives.
const KEPT: Duration = Duration::from_secs(8 * 24 * 3600);

/// Who says so where an identity provider's event does (Shared Signals Framework).
pub(crate) const SHARED_SIGNALS: &str = "shared_signals";
/// Who says so where an identity provider's logout token does.
pub(crate) const BACK_CHANNEL_LOGOUT: &str = "back_channel_logout";
/// How far a provider's clock may be off (A8).
const SKEW: Duration = Duration::from_secs(30);

/// What revocations work upon.
pub(crate) struct Parts {
    pub(crate) table: Arc<dyn AccessTable>,
    pub(crate) access: Arc<Access>,
    pub(crate) thrown: Arc<Thrown>,
    pub(crate) tabs: Arc<Tabs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervisor: Supervisor,
}

/// Takes rights away.
pub struct Revocations {
    parts: Parts,
    /// Up to which wish everything was taken in.
    taken: AtomicU64,
    /// One row is written at a time, as it is in memory then: so the table ends as the memory does.
    writing: tokio::sync::Mutex<()>,
}

impl Revocations {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, taken: AtomicU64::new(0), writing: tokio::sync::Mutex::default() }
    }

    /// Whatever `target` had until now is worth nothing; it may be had anew.
    pub fn end(self: &Arc<Self>, tenant: TenantId, target: Revoked, by: &str) -> oneshot::Receiver<()> {
        let at = self.parts.clock.now();
        let revocation = Revocation { tenant, target, before: Some(at), by: by.to_owned(), at };
        self.revoke(revocation, None)
    }

    /// The same for what was had before a provider says that something happened, by its own clock. Word of it may come late:
    /// what is had anew since then stays.
    pub fn end_since(
        self: &Arc<Self>,
        tenant: TenantId,
        target: Revoked,
        happened_at: Timestamp,
        by: &str,
    ) -> oneshot::Receiver<()> {
        let now = self.parts.clock.now();
        let happened_at = happened_at.min(now.plus(SKEW));
        // Tokens say when they were issued in whole seconds, so the whole second of the event counts. A provider's clock may
        // be behind ours: then a little more ends than has to.
        let whole = Timestamp::from_millis(happened_at.seconds() * 1000).plus(Duration::from_secs(1));
        let before = whole.max(now.min(happened_at.plus(SKEW)));
        let revocation = Revocation { tenant, target, before: Some(before), by: by.to_owned(), at: now };
        self.revoke(revocation, None)
    }

    /// One login ends: its permissions, and what runs by them. `false`: there is none.
    pub fn end_login(self: &Arc<Self>, id: &Digest, by: &str) -> bool {
        let Some(login) = self.parts.access.login(id) else { return false };
        for grant in self.parts.access.grants_of(&login.user).iter().filter(|grant| grant.login == *id) {
            drop(self.end(login.user.tenant.clone(), Revoked::Grant { id: grant.id.clone() }, by));
        }
        self.parts.access.end_login(id, by)
    }

    /// Shuts a person out until somebody lets them in again.
    pub fn shut_out(self: &Arc<Self>, user: &User, by: &str) -> oneshot::Receiver<()> {
        self.shut_out_since(user, self.parts.clock.now(), by)
    }

    /// The same since a moment that somebody else names, never later than now.
    pub fn shut_out_since(
        self: &Arc<Self>,
        user: &User,
        since: Timestamp,
        by: &str,
    ) -> oneshot::Receiver<()> {
        let target = Revoked::User { issuer: user.issuer.clone(), subject: user.subject.clone() };
        let at = since.min(self.parts.clock.now());
        let revocation =
            Revocation { tenant: user.tenant.clone(), target, before: None, by: by.to_owned(), at };
        self.revoke(revocation, None)
    }

    /// Lets a person in again who was shut out; what they had before stays worth nothing. `false`: they were not.
    ///
    /// # Errors
    /// It cannot be recorded, so they stay out.
    pub async fn readmit(
        self: &Arc<Self>,
        tenant: &TenantId,
        target: &Revoked,
        by: &str,
    ) -> Result<bool, StoreError> {
        let at = self.parts.clock.now();
        let revocation = Revocation {
            tenant: tenant.clone(),
            target: target.clone(),
            before: Some(at),
            by: by.to_owned(),
            at,
        };
        self.let_in(revocation, None, |_| true).await
    }

    /// Lets a person in again at their provider's word: only if it was the provider that shut them out, and before it says
    /// that they may come. What an operator did stays. `false`: they are not let in, or were not out.
    ///
    /// # Errors
    /// It cannot be recorded, so they stay out.
    pub async fn readmit_since(
        self: &Arc<Self>,
        user: &User,
        happened_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let target = Revoked::User { issuer: user.issuer.clone(), subject: user.subject.clone() };
        let (at, by) = (self.parts.clock.now(), SHARED_SIGNALS.to_owned());
        let revocation = Revocation { tenant: user.tenant.clone(), target, before: Some(at), by, at };
        let is_theirs =
            |one: &Revocation| one.before.is_none() && one.by == SHARED_SIGNALS && one.at <= happened_at;
        self.let_in(revocation, None, is_theirs).await
    }

    /// Looks for wishes until the hub stops.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        let mut every = tokio::time::interval(LOOK);
        let mut readable = true;
        loop {
            every.tick().await;
            match self.parts.table.revocation_wishes().await {
                Ok(wishes) => {
                    readable = true;
                    self.take_in(wishes);
                }
                Err(error) if std::mem::take(&mut readable) => {
                    tracing::error!(%error, "wishes to revoke cannot be read; it is tried again");
                }
                Err(_) => {}
            }
        }
    }

    /// Drops revocations that can concern nothing any more: every token and tab of before them has ended by itself. Those
    /// that shut somebody out stay until somebody lets them in.
    pub(crate) async fn forget_old(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(600));
        loop {
            every.tick().await;
            let Ok(rows) = self.parts.table.access().await else { continue };
            let now = self.parts.clock.now();
            let is_old = |one: &Revocation| one.before.is_some() && now.since(one.at) > KEPT;
            let old: Vec<Revocation> = rows
                .into_iter()
                .filter_map(|row| match row {
                    AccessRecord::Revocation(one) if is_old(&one) => Some(one),
                    _ => None,
                })
                .collect();
            if old.is_empty() {
                continue;
            }
            let remove = old.iter().map(Revocation::key).collect();
            if self
                .parts
                .table
                .change_access(AccessChange { remove, ..AccessChange::default() })
                .await
                .is_ok()
            {
                let gone: Vec<_> = old.into_iter().map(|one| (one.tenant, one.target)).collect();
                self.parts.thrown.forget_revoked(&gone);
            }
        }
    }

    /// What was wished before this process.
    pub(crate) async fn load(self: &Arc<Self>) -> Result<(), StoreError> {
        let wishes = self.parts.table.revocation_wishes().await?;
        self.take_in(wishes);
        Ok(())
    }

    fn take_in(self: &Arc<Self>, wishes: Vec<RevocationWish>) {
        for wish in wishes {
            if self.taken.fetch_max(wish.id, Ordering::AcqRel) >= wish.id {
                continue;
            }
            match wish.order {
                RevocationOrder::Revoke(revocation) => drop(self.revoke(revocation, Some(wish.id))),
                RevocationOrder::Readmit(revocation) => {
                    let own = Arc::clone(self);
                    self.parts.supervisor.start_until_shutdown(async move {
                        let mut wait = Duration::from_millis(200);
                        while let Err(error) = own.let_in(revocation.clone(), Some(wish.id), |_| true).await {
                            tracing::error!(%error, "somebody cannot be let in again yet");
                            tokio::time::sleep(wait).await;
                            wait = (wait * 2).min(Duration::from_secs(5));
                        }
                    });
                }
            }
        }
    }

    /// INVARIANT (14): in force before anything is written; what cannot be written now is tried until it is.
    fn revoke(self: &Arc<Self>, revocation: Revocation, wish: Option<u64>) -> oneshot::Receiver<()> {
        tracing::warn!(target = revocation.target.code(), by = %revocation.by, "access is taken away");
        self.parts.thrown.revoke(&revocation);
        let (logins, grants) = self.parts.access.end_revoked(&revocation);
        self.parts.tabs.close_revoked();
        self.parts.tabs.everything_changed();
        let event = event(EventKind::Revoked, &revocation, self.parts.clock.now())
            .with_detail("logins", logins as u64)
            .with_detail("grants", grants as u64);
        let (recorded, hears) = oneshot::channel();
        let own = Arc::clone(self);
        self.parts.supervisor.start_until_shutdown(async move {
            let mut wait = Duration::from_millis(200);
            loop {
                let alone = own.writing.lock().await;
                // INVARIANT: a lesser revocation takes no greater one out of the table.
                let now = own.parts.thrown.revoked(&revocation.tenant, &revocation.target);
                let put = vec![AccessRecord::Revocation(now.unwrap_or_else(|| revocation.clone()))];
                let change =
                    AccessChange { put, wish, events: vec![event.clone()], ..AccessChange::default() };
                let Err(error) = own.parts.table.change_access(change).await else { break };
                drop(alone);
                tracing::error!(%error, "a revocation could not be recorded yet; it is in force");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
            }
            // Whoever asked for it may have gone.
            let _ = recorded.send(());
        });
        hears
    }

    /// Recorded first. What was issued before stays worth nothing: only what is had anew counts.
    async fn let_in(
        &self,
        revocation: Revocation,
        wish: Option<u64>,
        may: impl Fn(&Revocation) -> bool,
    ) -> Result<bool, StoreError> {
        let _alone = self.writing.lock().await;
        let earlier = self.parts.thrown.revoked(&revocation.tenant, &revocation.target);
        let was = earlier.as_ref().is_some_and(may);
        let now = self.parts.clock.now();
        let events = if was { vec![event(EventKind::Readmitted, &revocation, now)] } else { Vec::new() };
        let put = if was { vec![AccessRecord::Revocation(revocation.clone())] } else { Vec::new() };
        self.parts.table.change_access(AccessChange { put, remove: Vec::new(), wish, events }).await?;
        // Whoever was shut out again meanwhile stays out: that row is written next.
        Ok(was && self.parts.thrown.readmit(earlier.as_ref(), &revocation))
    }
}

/// The line that says so.
fn event(kind: EventKind, revocation: &Revocation, now: Timestamp) -> Event {
    let mut event = Event::new(now, revocation.tenant.clone(), kind)
        .with_detail("target", revocation.target.code())
        .with_detail("by", revocation.by.as_str());
    match &revocation.target {
        Revoked::User { issuer, subject }
        | Revoked::OutsideSessions { issuer, subject }
        | Revoked::Claims { issuer, subject } => {
            let (tenant, issuer, subject) = (revocation.tenant.clone(), issuer.clone(), subject.clone());
            event.user = Some(User { tenant, issuer, subject });
        }
        Revoked::Session { session, .. } => event = event.with_personal("session", session.clone()),
        Revoked::Agent { client } => event.client = Some(client.clone()),
        Revoked::Grant { id } => event = event.with_detail("grant", id.as_str()),
        Revoked::Tab { document } => event.tab = Some(document.clone()),
    }
    event
}
