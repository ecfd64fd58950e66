//! Writes the lines of the audit log: who, through whom, what, by which right, why.

use crate::caller::{By, Caller};
use crate::intent::{Intent, Line, Ready};
use crate::lanes::SessionLane;
use crate::meter::Meter;
use crate::ports::{AuditLog, Clock, StoreError};
use crate::supervisor::Supervisor;
use deputy_audit::arguments::Recording;
use deputy_core::{Call, Event, EventKind, Facts, Outcome, PolicyId, Reason, TenantId, User};
use deputy_policy::{Authorized, Refusal};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The one writer of lines.
pub struct Journal {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    recording: Recording,
    meter: Meter,
    refused: Mutex<BTreeMap<(TenantId, &'static str, &'static str), u64>>,
}

impl Journal {
    /// Writes to `log`, with the time of `clock`, and of arguments as much as `recording` says.
    #[must_use]
    pub fn new(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>, recording: Recording) -> Self {
        Self { log, clock, recording, meter: Meter::default(), refused: Mutex::new(BTreeMap::new()) }
    }

    /// Why lines cannot be written now; `None` if they can.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.log.fault()
    }

    /// A line about `user`, not yet written.
    #[must_use]
    pub fn event(&self, kind: EventKind, user: &User) -> Event {
        let mut event = Event::new(self.clock.now(), user.tenant.clone(), kind);
        event.user = Some(user.clone());
        event
    }

    /// Writes lines and waits until they are on disk.
    ///
    /// # Errors
    /// They are not on disk, and will not be.
    pub async fn append(&self, events: Vec<Event>) -> Result<(), StoreError> {
        self.append_later(events).await.map(|_| ())
    }

    async fn append_kept(&self, events: &[Event]) -> Result<(), StoreError> {
        events.iter().for_each(|event| self.meter.line(event));
        self.log.append_kept(events).await.map(|_| ())
    }

    /// Hands lines over without waiting: for acts that take rights away, which never wait for the log (invariant 14).
    pub(crate) fn append_later(&self, events: Vec<Event>) -> crate::ports::Appended {
        events.iter().for_each(|event| self.meter.line(event));
        self.log.append(events)
    }

    /// What was counted.
    #[must_use]
    pub const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// No line, no effect: makes the intent's line, and hands it to the log unless it may wait for the outcome's.
    pub(crate) fn submit(self: &Arc<Self>, authorized: Authorized<Caller>, lane: &str) -> Intent {
        let mut event = self.about(EventKind::Intent, authorized.caller(), authorized.call());
        event.policies = authorized.policies().to_vec();
        event.policy_version = Some(*authorized.version());
        event.lane = Some(lane.to_owned());
        // INVARIANT: only a read's line may wait; whoever waits for a risky one's finds it on its way.
        if authorized.call().tool.class.is_risky() {
            return Intent::new(authorized, Line::sent(self, event));
        }
        let line = Line::held(self, event);
        if lane == SessionLane::NAME {
            // What runs in a person's browser is seen there at once: no moment in which the log knows nothing of it.
            drop(line.send());
        }
        Intent::new(authorized, line)
    }

    /// The second line of a call, and with it the first if that has waited, or could not be written (`first` says so). If they
    /// cannot be written now, the answer is held back for good, and they are tried again beside everything else until the hub
    /// stops: what is known of an effect should not be lost.
    pub(crate) async fn close(
        self: &Arc<Self>,
        ready: &Ready,
        first: Result<(), StoreError>,
        (outcome, reason): (Outcome, Option<Reason>),
        supervisor: &Supervisor,
    ) -> Result<(), StoreError> {
        let authorized = ready.intent().authorized();
        let mut event = self.about(EventKind::Outcome, authorized.caller(), authorized.call());
        event.outcome = Some(outcome);
        event.reason = reason;
        let intent = ready.take_line();
        let lines: Vec<Event> = intent.into_iter().chain([event]).collect();
        let written = match first {
            Ok(()) => self.append_kept(&lines).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            let journal = Arc::clone(self);
            supervisor.start_until_shutdown(async move { journal.insist(lines).await });
        }
        written
    }

    /// Tries lines again, ever more slowly, until they are on disk.
    pub(crate) async fn insist(&self, lines: Vec<Event>) {
        let mut wait = Duration::from_millis(200);
        loop {
            tokio::time::sleep(wait).await;
            match self.append_kept(&lines).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "a line still cannot be written"),
            }
            wait = (wait * 2).min(Duration::from_secs(30));
        }
    }

    /// The line of a call that policy did not allow.
    pub(crate) async fn refuse(&self, refusal: &Refusal<Caller>) -> Result<(), StoreError> {
        let mut event = self.about(EventKind::Refusal, &refusal.caller, &refusal.call);
        event.reason = Some(refusal.reason);
        event.policies.clone_from(&refusal.policies);
        event.policy_version = Some(refusal.version);
        if !refusal.errors.is_empty() {
            event = event.with_detail("errors", refusal.errors.clone());
        }
        self.append(vec![event]).await
    }

    /// The line of a call that was refused before or after the decision, for a reason that is not policy's.
    pub(crate) async fn refuse_call(
        &self,
        caller: &Caller,
        call: &Call,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let mut event = self.about(EventKind::Refusal, caller, call);
        event.reason = Some(reason);
        self.append(vec![event]).await
    }

    /// The same, with the fact that says what exactly stood in the way.
    pub(crate) async fn refuse_call_for(
        &self,
        caller: &Caller,
        call: &Call,
        reason: Reason,
        (name, value): (&str, &str),
    ) -> Result<(), StoreError> {
        let mut event = self.about(EventKind::Refusal, caller, call).with_detail(name, value);
        event.reason = Some(reason);
        self.append(vec![event]).await
    }

    /// The line of a wish that never became a call: the tool is unknown, or the arguments are no object.
    pub(crate) async fn refuse_wish(
        &self,
        caller: &Caller,
        name: &str,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let mut event = self.event(EventKind::Refusal, caller.user());
        event.agent = Some(caller.agent().clone());
        event.client = Some(caller.client().clone());
        event.reason = Some(reason);
        let name: String = name.chars().take(200).collect();
        self.append(vec![event.with_personal("name", name)]).await
    }

    /// A question to a person, asked because of `policies`.
    pub(crate) fn approval_event(
        &self,
        kind: EventKind,
        caller: &Caller,
        call: &Call,
        policies: &[PolicyId],
    ) -> Event {
        let mut event = self.about(kind, caller, call);
        event.policies = policies.to_vec();
        event
    }

    /// Counts somebody who was not let in. Strangers are cheap: they get one line per kind and interval, not one each.
    pub fn count_refused(&self, tenant: &TenantId, door: &'static str, code: &'static str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry((tenant.clone(), door, code)).or_insert(0) += 1;
    }

    /// Writes the counted refusals. What cannot be written is counted on.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn flush_refused(&self) -> Result<(), StoreError> {
        let counted = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let mut failure = None;
        for ((tenant, door, code), count) in counted {
            let event = Event::new(self.clock.now(), tenant.clone(), EventKind::SignInRefused)
                .with_detail("door", door)
                .with_detail("code", code)
                .with_detail("count", count);
            if let Err(error) = self.append(vec![event]).await {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                *refused.entry((tenant, door, code)).or_insert(0) += count;
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn about(&self, kind: EventKind, caller: &Caller, call: &Call) -> Event {
        let mut event = self.event(kind, caller.user());
        event.agent = Some(caller.agent().clone());
        event.client = Some(caller.client().clone());
        event.call = Some(call.id.clone());
        event.source = Some(call.tool.source.clone());
        event.tool = Some(call.tool.definition.name.clone());
        event.class = Some(call.tool.class);
        event.definition = Some(call.tool.hash);
        event.arguments = Some(*call.arguments.digest());
        event.tab.clone_from(&call.tab);
        match caller.approval() {
            Some(By::Question(id)) => event.approval = Some(id.clone()),
            Some(By::Grant { id, .. }) => event = event.with_detail("grant", id.as_str()),
            None => {}
        }
        if let Some(trace) = caller.trace() {
            event = event.with_detail("trace", trace.to_string());
        }
        let recording = match (kind, self.recording) {
            // Once is enough: the outcome and the decision have the hash.
            (EventKind::Outcome | EventKind::ApprovalDecided, Recording::Redacted | Recording::Full) => {
                Recording::Hash
            }
            (_, recording) => recording,
        };
        let schema = call.tool.definition.input_schema.as_ref();
        let event = recording.apply(event, call.arguments.value(), schema);
        match caller.acting() {
            Some(acting) => event.with_personal("acting", acting.clone()),
            None => event,
        }
    }
}
