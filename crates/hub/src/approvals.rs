//! Questions to people: asked, waited for, spent (APR-01 to APR-05). Deciding is in [`deciding`], batches in [`batch`],
//! a yes that stands in [`standing`].

pub mod alarm;
pub mod batch;
pub mod deciding;
pub mod places;
pub mod standing;

pub use batch::{Batch, Slot};
pub use deciding::{DecisionError, May, Say, Seen, Word};

use crate::caller::Caller;
use crate::journal::Journal;
use crate::ports::{ApprovalRecord, ApprovalState, Approvals as Table, Clock, Spending, StoreError};
use alarm::Alarm;
use deputy_core::{ApprovalId, Call, Digest, EventKind, Facts as _, Reason, Timestamp};
use deputy_policy::{Engine, Refusal};
use standing::Standings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a person may think, how long a yes may be used, and how much they may be asked.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalLimits {
    /// Until it is decided (APR-04), where policy does not say.
    pub decide_within: Duration,
    /// From the decision until it is used (APR-04), where policy does not say.
    pub execute_within: Duration,
    /// More questions to one person within an hour are an alarm (APR-09).
    pub asked_per_hour: usize,
}

impl Default for ApprovalLimits {
    fn default() -> Self {
        Self {
            decide_within: Duration::from_secs(600),
            execute_within: Duration::from_secs(120),
            asked_per_hour: 30,
        }
    }
}

/// Where a wish with an approval stands.
pub(crate) enum Standing {
    /// Nobody decided yet; come again.
    Pending { expires_at: Timestamp },
    /// Approved, and used up by this very call.
    Spent,
    /// A person said no, and perhaps why: data for the agent, not an order (APR-14).
    Refused { said: Option<String> },
    /// A person approved other arguments (APR-13).
    Changed { arguments: Option<String> },
    /// It is of no use.
    Unusable(Reason),
    /// The table does not answer.
    Failed(StoreError),
}

/// What came of asking.
pub(crate) enum Asked {
    /// A person is asked.
    Waiting { id: ApprovalId, expires_at: Timestamp },
    /// A person approved exactly this already, in place of something else (APR-13).
    Already(ApprovalId),
    /// A person refused exactly this a moment ago (APR-14).
    Refused { said: Option<String> },
}

/// Why nobody was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AskError {
    /// The person has enough questions.
    #[error("too many questions wait for this person already")]
    TooMany,
    /// The table does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Questions that may wait for one person.
pub const PENDING_PER_USER: usize = 50;
/// For so long after a no the same question gets the same no (APR-14).
pub const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Questions to people.
pub struct Approvals {
    table: Arc<dyn Table>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    engine: Arc<Engine>,
    standing: Arc<Standings>,
    limits: ApprovalLimits,
    alarm: Alarm,
    decided: watch::Sender<u64>,
}

/// What people decide about (APR-01): the call, under this policy, in this question, until then. There are no runs and no
/// leases yet; they go in here when there are.
#[must_use]
pub fn binding(call: &Digest, policy_version: &Digest, nonce: &ApprovalId, until: Timestamp) -> Digest {
    Digest::of_parts(&[
        b"deputy-approval-v2",
        call.as_bytes(),
        policy_version.as_bytes(),
        nonce.as_str().as_bytes(),
        &until.millis().to_be_bytes(),
    ])
}

impl Approvals {
    /// Kept in `table`.
    #[must_use]
    pub fn new(
        table: Arc<dyn Table>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        engine: Arc<Engine>,
        standing: Arc<Standings>,
        limits: ApprovalLimits,
    ) -> Self {
        let alarm = Alarm::new(limits.asked_per_hour);
        Self { table, journal, clock, engine, standing, limits, alarm, decided: watch::Sender::new(0) }
    }

    /// What stands.
    #[must_use]
    pub const fn standing(&self) -> &Arc<Standings> {
        &self.standing
    }

    /// Asks. The question is kept and its line written before the agent hears of it.
    pub(crate) async fn ask(
        &self,
        refusal: &Refusal<Caller>,
        batch: Option<&Slot>,
    ) -> Result<Asked, AskError> {
        let (caller, call) = (&refusal.caller, &refusal.call);
        let call_digest = call.digest(caller.user(), &caller.client().0);
        let now = self.clock.now();
        if let Some(last) = self.table.latest(caller.user(), &call_digest).await?
            && let Some(asked) = self.again(last, refusal, now)
        {
            return Ok(asked);
        }
        // A person is not buried in questions.
        if self.table.pending(caller.user(), now).await?.len() >= PENDING_PER_USER {
            return Err(AskError::TooMany);
        }
        let record = self.question(refusal, call_digest, batch, now)?;
        let (id, expires_at) = (record.id.clone(), record.expires_at);
        let mut event =
            self.journal.approval_event(EventKind::ApprovalRequested, caller, call, &refusal.policies);
        event.approval = Some(id.clone());
        event.policy_version = Some(refusal.version);
        self.table.ask(record, event).await?;
        self.alarm.asked(&self.journal, caller.user(), now).await;
        Ok(Asked::Waiting { id, expires_at })
    }

    /// The same question again is the same question while it waits, the same no for a while, and a yes that was given to
    /// exactly this in place of something else; it is never an earlier yes once more.
    fn again(&self, last: ApprovalRecord, refusal: &Refusal<Caller>, now: Timestamp) -> Option<Asked> {
        let bound = binding(&last.call_digest, &refusal.version, &last.id, last.bound_until);
        if bound != last.digest || last.rule != refusal.rule && last.state != ApprovalState::Pending {
            return None;
        }
        match last.state {
            ApprovalState::Pending if last.expires_at > now => {
                Some(Asked::Waiting { id: last.id, expires_at: last.expires_at })
            }
            ApprovalState::Approved
                if last.replaces.is_some() && last.execution_expires_at.is_some_and(|at| at > now) =>
            {
                Some(Asked::Already(last.id))
            }
            ApprovalState::Refused => {
                let at = last.cast.last().map(|cast| cast.at)?;
                (now.since(at) < REFUSED_FOR).then_some(Asked::Refused { said: last.decided_reason })
            }
            _ => None,
        }
    }

    fn question(
        &self,
        refusal: &Refusal<Caller>,
        call_digest: Digest,
        batch: Option<&Slot>,
        now: Timestamp,
    ) -> Result<ApprovalRecord, StoreError> {
        let (caller, call) = (&refusal.caller, &refusal.call);
        let id = ApprovalId::fresh().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let expires_at = now.plus(refusal.rule.decide_within.unwrap_or(self.limits.decide_within));
        let definition = &call.tool.definition;
        Ok(ApprovalRecord {
            digest: binding(&call_digest, &refusal.version, &id, expires_at),
            id,
            call_digest,
            requester: caller.user().clone(),
            client: caller.client().clone(),
            agent_name: caller.agent().name.clone(),
            source: call.tool.source.clone(),
            origin: call.tool.origin.clone(),
            tool: definition.name.to_string(),
            title: definition.title.clone().unwrap_or_else(|| definition.name.to_string()),
            class: call.tool.class.words().into_iter().map(ToOwned::to_owned).collect(),
            definition: call.tool.hash,
            arguments: canonical(call.arguments.value())?,
            policies: refusal.policies.clone(),
            policy_version: refusal.version,
            rule: refusal.rule.clone(),
            batch: batch.map(|slot| slot.batch().to_owned()),
            replaces: None,
            created_at: now,
            expires_at,
            bound_until: expires_at,
            execution_expires_at: None,
            state: ApprovalState::Pending,
            decided_by: None,
            decided_reason: None,
            broke_glass: false,
            replaced_by: None,
            cast: Vec::new(),
        })
    }

    /// Where a wish that names an approval stands; waits up to `hold` for people, or until nobody waits for us
    /// (`let_go`). The approval is used up only by the same requester, for the same call under the same policy (APR-01,
    /// APR-02), and with the rest of its batch (APR-07).
    pub(crate) async fn stand(
        &self,
        caller: &Caller,
        call: &Call,
        id: &ApprovalId,
        batch: Option<&Slot>,
        hold: Duration,
        let_go: [&CancellationToken; 2],
    ) -> Standing {
        let until = tokio::time::Instant::now() + hold;
        let mut decided = self.decided.subscribe();
        loop {
            if let Some(standing) = batch.and_then(|slot| slot.came_of(id)) {
                return standing;
            }
            let record = match self.table.approval(&caller.user().tenant, id).await {
                Ok(Some(record)) if record.requester == *caller.user() => record,
                Ok(_) => return Standing::Unusable(Reason::ApprovalStale),
                Err(error) => return Standing::Failed(error),
            };
            let expires_at = record.expires_at;
            match self.fits(record, caller, call).await {
                Fits::Now(spending) => match batch {
                    None => return self.spend(vec![*spending]).await,
                    Some(slot) => {
                        if let Some(standing) = slot.arrive(self, *spending).await {
                            return standing;
                        }
                    }
                },
                Fits::Never(standing) => return standing,
                Fits::NotYet => {}
            }
            // A hint wakes us at once; looking again every second is what correctness rests on.
            let again = tokio::time::Instant::now() + Duration::from_secs(1);
            let [left, stopping] = let_go;
            let others = async {
                match batch {
                    Some(slot) => slot.moved().await,
                    None => std::future::pending().await,
                }
            };
            let waited = tokio::select! {
                () = left.cancelled() => true,
                () = stopping.cancelled() => true,
                () = others => false,
                waited = tokio::time::timeout_at(again.min(until), decided.changed()) => waited.is_err(),
            };
            if waited
                && (left.is_cancelled() || stopping.is_cancelled() || tokio::time::Instant::now() >= until)
            {
                return Standing::Pending { expires_at };
            }
        }
    }

    /// Whether this question is about exactly this call now, and what became of it.
    async fn fits(&self, record: ApprovalRecord, caller: &Caller, call: &Call) -> Fits {
        // INVARIANT: computed anew from what would run now, never taken from the record.
        let call_digest = call.digest(caller.user(), &caller.client().0);
        let bound = binding(&call_digest, &self.engine.version(), &record.id, record.bound_until);
        if bound != record.digest {
            return Fits::Never(Standing::Unusable(Reason::ApprovalStale));
        }
        Fits::Never(match record.state {
            ApprovalState::Approved => return Fits::Now(Box::new(self.spending(record, caller, call))),
            ApprovalState::Pending if record.expires_at > self.clock.now() => return Fits::NotYet,
            // It may yet pause or escalate: the table says so within a second.
            ApprovalState::Pending if record.rule.on_timeout.unwrap_or_default() != Default::default() => {
                return Fits::NotYet;
            }
            ApprovalState::Refused => Standing::Refused { said: record.decided_reason },
            ApprovalState::Changed => Standing::Changed { arguments: self.changed_to(&record).await },
            ApprovalState::Expired | ApprovalState::Pending => Standing::Unusable(Reason::ApprovalExpired),
            ApprovalState::Spent => Standing::Unusable(Reason::ApprovalStale),
        })
    }

    fn spending(&self, record: ApprovalRecord, caller: &Caller, call: &Call) -> Spending {
        let mut event = self.journal.approval_event(EventKind::ApprovalDecided, caller, call, &[]);
        event.approval = Some(record.id.clone());
        let event = event.with_detail("state", "spent");
        Spending { id: record.id, digest: record.digest, requester: caller.user().clone(), event }
    }

    pub(crate) async fn spend(&self, spendings: Vec<Spending>) -> Standing {
        match self.table.spend(spendings, self.clock.now()).await {
            Ok(true) => Standing::Spent,
            Ok(false) => Standing::Unusable(Reason::ApprovalExpired),
            Err(error) => Standing::Failed(error),
        }
    }

    async fn changed_to(&self, record: &ApprovalRecord) -> Option<String> {
        let id = record.replaced_by.as_ref()?;
        let found = self.table.approval(&record.requester.tenant, id).await.ok().flatten();
        found.map(|record| record.arguments)
    }

    /// Lets questions run out, until the hub stops. Timeout never approves (APR-04).
    pub async fn expire(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            self.standing.insist().await;
            match self.table.expire(self.clock.now()).await {
                Ok(ended) if ended.is_empty() => {}
                Ok(_) => self.decided.send_modify(|count| *count += 1),
                Err(error) => tracing::error!(%error, "approvals could not be let run out"),
            }
        }
    }
}

enum Fits {
    Now(Box<Spending>),
    NotYet,
    Never(Standing),
}

/// Arguments as the card shows them.
pub(crate) fn canonical(arguments: &serde_json::Value) -> Result<String, StoreError> {
    let bytes = deputy_core::canonical::to_canonical(arguments)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| StoreError::Corrupt(error.to_string()))
}
