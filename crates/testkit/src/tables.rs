//! Tables in memory that behave as the ports say, and fail when told.

use crate::pins::PinRows;
use async_trait::async_trait;
use deputy_core::{ApprovalId, CallId, Digest, Event, EventKind, TenantId, Timestamp, User};
use deputy_hub::ports::{
    Appended, ApprovalRecord, ApprovalState, Approvals, AuditLog, Decision, OpenCalls, StoreError,
    TicketRecord, Tickets,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// All tables. A change and its line happen together or not at all.
pub struct Memory {
    events: Arc<Mutex<Vec<Event>>>,
    tickets: Mutex<HashMap<Digest, TicketRecord>>,
    approvals: Mutex<HashMap<ApprovalId, ApprovalRecord>>,
    pub(crate) pins: Mutex<PinRows>,
    broken: Arc<AtomicBool>,
    unreadable: AtomicBool,
    failures: Arc<AtomicUsize>,
    stalled: watch::Sender<bool>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            events: Arc::default(),
            tickets: Mutex::default(),
            approvals: Mutex::default(),
            pins: Mutex::default(),
            broken: Arc::default(),
            unreadable: AtomicBool::default(),
            failures: Arc::default(),
            stalled: watch::Sender::new(false),
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

    /// From now on nothing can be written, or it can again.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
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

    /// From now on pins cannot be read, or they can again.
    pub fn fail_reads(&self, fail: bool) {
        self.unreadable.store(fail, Ordering::SeqCst);
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

impl AuditLog for Memory {
    fn append(&self, events: Vec<Event>) -> Appended {
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
}

#[async_trait]
impl Approvals for Memory {
    async fn ask(&self, approval: ApprovalRecord, event: Event) -> Result<(), StoreError> {
        self.write(vec![event])?;
        self.approvals.lock().unwrap().insert(approval.id.clone(), approval);
        Ok(())
    }

    async fn approval(
        &self,
        tenant: &TenantId,
        id: &ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        let approvals = self.approvals.lock().unwrap();
        Ok(approvals.get(id).filter(|approval| approval.requester.tenant == *tenant).cloned())
    }

    async fn pending(&self, requester: &User, now: Timestamp) -> Result<Vec<ApprovalRecord>, StoreError> {
        let approvals = self.approvals.lock().unwrap();
        let mut pending: Vec<_> = approvals
            .values()
            .filter(|a| a.requester == *requester && a.state == ApprovalState::Pending && a.expires_at > now)
            .cloned()
            .collect();
        pending.sort_by_key(|approval| approval.created_at);
        Ok(pending)
    }

    async fn decide(&self, decision: Decision, event: Event) -> Result<bool, StoreError> {
        let mut approvals = self.approvals.lock().unwrap();
        let Some(approval) = approvals.get_mut(&decision.id) else { return Ok(false) };
        let fits = approval.state == ApprovalState::Pending
            && approval.expires_at > decision.at
            && approval.digest == decision.digest
            && approval.requester.tenant == decision.by.tenant;
        if fits {
            self.write(vec![event])?;
            approval.state = decision.state;
            approval.decided_by = Some(decision.by);
            approval.decided_reason = decision.reason;
            approval.execution_expires_at = Some(decision.execution_expires_at);
        }
        Ok(fits)
    }

    async fn spend(
        &self,
        id: &ApprovalId,
        digest: &Digest,
        requester: &User,
        now: Timestamp,
        event: Event,
    ) -> Result<bool, StoreError> {
        let mut approvals = self.approvals.lock().unwrap();
        let Some(approval) = approvals.get_mut(id) else { return Ok(false) };
        let fits = approval.state == ApprovalState::Approved
            && approval.execution_expires_at.is_some_and(|at| at > now)
            && approval.digest == *digest
            && approval.requester == *requester;
        if fits {
            self.write(vec![event])?;
            approval.state = ApprovalState::Spent;
        }
        Ok(fits)
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<ApprovalId>, StoreError> {
        let mut ended = Vec::new();
        for approval in self.approvals.lock().unwrap().values_mut() {
            let over = match approval.state {
                ApprovalState::Pending => approval.expires_at <= now,
                ApprovalState::Approved => approval.execution_expires_at.is_some_and(|at| at <= now),
                _ => false,
            };
            if over {
                let mut event =
                    Event::new(now, approval.requester.tenant.clone(), EventKind::ApprovalExpired);
                event.user = Some(approval.requester.clone());
                event.approval = Some(approval.id.clone());
                self.write(vec![event])?;
                approval.state = ApprovalState::Expired;
                ended.push(approval.id.clone());
            }
        }
        Ok(ended)
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
