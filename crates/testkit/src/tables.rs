//! Tables in memory that behave as the ports say, and fail when told.

mod access;
mod approvals;
mod standing;

use crate::pins::PinRows;
use async_trait::async_trait;
use deputy_core::{ApprovalId, CallId, Digest, Event, EventKind, Switch, SwitchTarget, TenantId, Timestamp};
use deputy_hub::ports::{
    AccessKey, AccessRecord, Appended, ApprovalRecord, AuditLog, Delegation, OpenCalls, RevocationWish,
    StandingGrant, StoreError, SwitchWish, TicketRecord, Tickets,
};
use deputy_vault::SealedTenantKey;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Barrier, watch};

/// All tables. A change and its line happen together or not at all.
pub struct Memory {
    events: Arc<Mutex<Vec<Event>>>,
    handed_over: watch::Sender<Vec<Vec<EventKind>>>,
    tickets: Mutex<HashMap<Digest, TicketRecord>>,
    approvals: Mutex<HashMap<ApprovalId, ApprovalRecord>>,
    reviewed: Mutex<Vec<ApprovalId>>,
    delegations: Mutex<Vec<Delegation>>,
    grants: Mutex<Vec<StandingGrant>>,
    pub(crate) switches: Mutex<BTreeMap<(TenantId, SwitchTarget), Switch>>,
    pub(crate) wishes: Mutex<Vec<SwitchWish>>,
    pub(crate) wished: AtomicU64,
    access: Mutex<BTreeMap<AccessKey, AccessRecord>>,
    consent_keys: Mutex<BTreeMap<TenantId, SealedTenantKey>>,
    revocation_wishes: Mutex<Vec<RevocationWish>>,
    pub(crate) pins: Mutex<PinRows>,
    pub(crate) look_together: Mutex<Option<Arc<Barrier>>>,
    broken: Arc<AtomicBool>,
    unreadable: AtomicBool,
    failures: Arc<AtomicUsize>,
    stalled: watch::Sender<bool>,
    /// How many changes of access wait for a commit that does not return.
    held_up: watch::Sender<usize>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            events: Arc::default(),
            handed_over: watch::Sender::default(),
            tickets: Mutex::default(),
            approvals: Mutex::default(),
            reviewed: Mutex::default(),
            delegations: Mutex::default(),
            grants: Mutex::default(),
            switches: Mutex::default(),
            wishes: Mutex::default(),
            wished: AtomicU64::default(),
            access: Mutex::default(),
            consent_keys: Mutex::default(),
            revocation_wishes: Mutex::default(),
            pins: Mutex::default(),
            look_together: Mutex::default(),
            broken: Arc::default(),
            unreadable: AtomicBool::default(),
            failures: Arc::default(),
            stalled: watch::Sender::new(false),
            held_up: watch::Sender::new(0),
        }
    }
}

impl Memory {
    /// Every line so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// The lines of one kind.
    #[must_use]
    pub fn of_kind(&self, kind: EventKind) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.kind == kind).collect()
    }

    /// Waits until lines of these kinds were handed over together, whether they are written yet or not. Gives everything
    /// that was handed over.
    pub async fn until_handed_over(&self, kinds: &[EventKind]) -> Vec<Vec<EventKind>> {
        let mut handed_over = self.handed_over.subscribe();
        handed_over.wait_for(|all| all.iter().any(|one| one == kinds)).await.unwrap().clone()
    }

    /// From now on nothing can be written, or it can again.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// From now on what is stopped, pinned, and what was performed, cannot be read, or it can again.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.unreadable.store(unreadable, Ordering::SeqCst);
    }

    pub(crate) fn read(&self) -> Result<(), StoreError> {
        match self.unreadable.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("the disk does not read".to_owned())),
            false => Ok(()),
        }
    }

    /// How many appends have failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    /// From now on commits do not return, or they do again.
    pub fn set_stalled(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Waits until a login, grant or consent is about to be written and the commit does not return.
    pub async fn until_held_up(&self) {
        self.held_up.subscribe().wait_for(|count| *count > 0).await.unwrap();
    }

    pub(crate) async fn unstalled(&self) {
        let mut stalled = self.stalled.subscribe();
        if *stalled.borrow() {
            self.held_up.send_modify(|count| *count += 1);
            stalled.wait_for(|stalled| !*stalled).await.unwrap();
            self.held_up.send_modify(|count| *count -= 1);
        }
    }

    pub(crate) fn readable(&self) -> Result<(), StoreError> {
        let broken = self.broken.load(Ordering::SeqCst) || self.unreadable.load(Ordering::SeqCst);
        if broken { Err(StoreError::Unavailable("the disk is gone".to_owned())) } else { Ok(()) }
    }

    pub(crate) fn write(&self, events: Vec<Event>) -> Result<u64, StoreError> {
        write(&self.broken, &self.events, events)
    }
}

fn write(broken: &AtomicBool, log: &Mutex<Vec<Event>>, events: Vec<Event>) -> Result<u64, StoreError> {
    if broken.load(Ordering::SeqCst) {
        return Err(StoreError::Unavailable("the disk is full".to_owned()));
    }
    let mut log = log.lock().unwrap();
    let first = log.len() as u64;
    log.extend(events);
    Ok(first)
}

/// A log that keeps nothing, and says at once that it did: for measuring what a hub costs without one. Nothing that ships
/// can see it.
#[derive(Debug, Default)]
pub struct NullLog;

impl AuditLog for NullLog {
    fn append(&self, _: Vec<Event>) -> Appended {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn append_kept(&self, _: &[Event]) -> Appended {
        Box::pin(std::future::ready(Ok(0)))
    }
}

impl AuditLog for Memory {
    fn append(&self, events: Vec<Event>) -> Appended {
        self.handed_over.send_modify(|all| all.push(events.iter().map(|event| event.kind).collect()));
        let (broken, log) = (Arc::clone(&self.broken), Arc::clone(&self.events));
        let (failures, mut stalled) = (Arc::clone(&self.failures), self.stalled.subscribe());
        Box::pin(async move {
            let _ = stalled.wait_for(|stalled| !stalled).await;
            let written = write(&broken, &log, events);
            if written.is_err() {
                failures.fetch_add(1, Ordering::SeqCst);
            }
            written
        })
    }

    fn fault(&self) -> Option<String> {
        self.broken.load(Ordering::SeqCst).then(|| "the disk is full".to_owned())
    }
}

#[async_trait]
impl Tickets for Memory {
    async fn put_ticket(&self, ticket: TicketRecord, now: Timestamp, event: Event) -> Result<(), StoreError> {
        self.write(vec![event])?;
        let mut tickets = self.tickets.lock().unwrap();
        tickets.retain(|_, ticket| ticket.expires_at > now);
        tickets.insert(ticket.hash, ticket);
        Ok(())
    }

    async fn take_ticket(&self, hash: &Digest) -> Result<Option<TicketRecord>, StoreError> {
        Ok(self.tickets.lock().unwrap().remove(hash))
    }

    async fn drop_ended_tickets(&self, now: Timestamp) -> Result<(), StoreError> {
        self.tickets.lock().unwrap().retain(|_, ticket| ticket.expires_at > now);
        Ok(())
    }
}

#[async_trait]
impl OpenCalls for Memory {
    async fn open_calls(&self) -> Result<Vec<(CallId, Event)>, StoreError> {
        let events = self.events();
        let closed =
            |id: &CallId| events.iter().any(|e| e.kind == EventKind::Outcome && e.call.as_ref() == Some(id));
        let intents = events.iter().filter(|event| event.kind == EventKind::Intent);
        Ok(intents.filter_map(|e| Some((e.call.clone().filter(|id| !closed(id))?, e.clone()))).collect())
    }
}
