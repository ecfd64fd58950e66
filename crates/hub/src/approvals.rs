//! Questions to a person: asked, decided, waited for, spent (APR-01 to APR-05).

use crate::caller::Caller;
use crate::journal::Journal;
use crate::ports::{ApprovalRecord, ApprovalState, Approvals as Table, Clock, Decision, StoreError};
use deputy_core::{ApprovalId, Call, Digest, EventKind, Facts as _, Reason, Timestamp};
use deputy_policy::Refusal;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a person may think, and how long a yes may be used.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalLimits {
    /// Until it is decided (APR-04).
    pub decide_within: Duration,
    /// From the decision until it is used (APR-04).
    pub execute_within: Duration,
}

impl Default for ApprovalLimits {
    fn default() -> Self {
        Self { decide_within: Duration::from_secs(600), execute_within: Duration::from_secs(120) }
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
    /// It is of no use.
    Unusable(Reason),
    /// The table does not answer.
    Failed(StoreError),
}

/// Why a decision was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecisionError {
    /// No such question of this user's, or it is over.
    #[error("there is no such pending approval of yours")]
    Unknown,
    /// The person saw something else.
    #[error("the digest is not that of the pending approval")]
    Stale,
    /// The table does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
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

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Yes.
    Approve,
    /// No.
    Refuse,
}

/// Questions to people.
pub struct Approvals {
    table: Arc<dyn Table>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    limits: ApprovalLimits,
    decided: watch::Sender<u64>,
}

impl Approvals {
    /// Kept in `table`.
    #[must_use]
    pub fn new(
        table: Arc<dyn Table>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        limits: ApprovalLimits,
    ) -> Self {
        Self { table, journal, clock, limits, decided: watch::Sender::new(0) }
    }

    /// Asks. The question is kept and its line written before the agent hears of it.
    pub(crate) async fn ask(&self, refusal: &Refusal<Caller>) -> Result<(ApprovalId, Timestamp), AskError> {
        let (caller, call) = (&refusal.caller, &refusal.call);
        let digest = call.digest(caller.user(), &caller.client().0);
        let pending = self.table.pending(caller.user(), self.clock.now()).await?;
        // The same question again is the same question (APR-14), and a person is not buried in questions.
        if let Some(asked) = pending.iter().find(|asked| asked.digest == digest) {
            return Ok((asked.id.clone(), asked.expires_at));
        }
        if pending.len() >= PENDING_PER_USER {
            return Err(AskError::TooMany);
        }
        let id = ApprovalId::fresh().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let now = self.clock.now();
        let expires_at = now.plus(self.limits.decide_within);
        let definition = &call.tool.definition;
        let record = ApprovalRecord {
            id: id.clone(),
            digest,
            requester: caller.user().clone(),
            client: caller.client().clone(),
            agent_name: caller.agent().name.clone(),
            source: call.tool.source.clone(),
            tool: definition.name.to_string(),
            title: definition.title.clone().unwrap_or_else(|| definition.name.to_string()),
            class: call.tool.class.words().into_iter().map(ToOwned::to_owned).collect(),
            definition: call.tool.hash,
            arguments: canonical(call)?,
            policies: refusal.policies.clone(),
            policy_version: refusal.version,
            created_at: now,
            expires_at,
            execution_expires_at: None,
            state: ApprovalState::Pending,
            decided_by: None,
            decided_reason: None,
        };
        let mut event =
            self.journal.approval_event(EventKind::ApprovalRequested, caller, call, &refusal.policies);
        event.approval = Some(id.clone());
        event.policy_version = Some(refusal.version);
        self.table.ask(record, event).await?;
        Ok((id, expires_at))
    }

    /// Where a wish that names an approval stands; waits up to `hold` for the person, or until nobody
    /// waits for us (`let_go`). The approval is used up only by
    /// the same requester, for the same digest (APR-01, APR-02).
    pub(crate) async fn stand(
        &self,
        caller: &Caller,
        call: &Call,
        id: &ApprovalId,
        digest: &Digest,
        hold: Duration,
        let_go: [&CancellationToken; 2],
    ) -> Standing {
        let until = tokio::time::Instant::now() + hold;
        let mut decided = self.decided.subscribe();
        loop {
            let record = match self.table.approval(&caller.user().tenant, id).await {
                Ok(Some(record)) if record.requester == *caller.user() => record,
                Ok(_) => return Standing::Unusable(Reason::ApprovalStale),
                Err(error) => return Standing::Failed(error),
            };
            if record.digest != *digest {
                return Standing::Unusable(Reason::ApprovalStale);
            }
            match record.state {
                ApprovalState::Approved => return self.spend(caller, call, id, digest).await,
                ApprovalState::Refused => return Standing::Refused { said: record.decided_reason },
                ApprovalState::Expired => return Standing::Unusable(Reason::ApprovalExpired),
                ApprovalState::Spent => return Standing::Unusable(Reason::ApprovalStale),
                ApprovalState::Pending if record.expires_at <= self.clock.now() => {
                    return Standing::Unusable(Reason::ApprovalExpired);
                }
                ApprovalState::Pending => {}
            }
            // A hint wakes us at once; looking again every second is what correctness rests on.
            let again = tokio::time::Instant::now() + Duration::from_secs(1);
            let [left, stopping] = let_go;
            let waited = tokio::select! {
                () = left.cancelled() => true,
                () = stopping.cancelled() => true,
                waited = tokio::time::timeout_at(again.min(until), decided.changed()) => waited.is_err(),
            };
            if waited
                && (left.is_cancelled() || stopping.is_cancelled() || tokio::time::Instant::now() >= until)
            {
                return Standing::Pending { expires_at: record.expires_at };
            }
        }
    }

    async fn spend(&self, caller: &Caller, call: &Call, id: &ApprovalId, digest: &Digest) -> Standing {
        let mut event = self.journal.approval_event(EventKind::ApprovalDecided, caller, call, &[]);
        event.approval = Some(id.clone());
        let event = event.with_detail("state", "spent");
        match self.table.spend(id, digest, caller.user(), self.clock.now(), event).await {
            Ok(true) => Standing::Spent,
            Ok(false) => Standing::Unusable(Reason::ApprovalExpired),
            Err(error) => Standing::Failed(error),
        }
    }

    /// What a signed-in person is asked now. They see their own agents' questions.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn pending(&self, person: &Caller) -> Result<Vec<ApprovalRecord>, StoreError> {
        self.table.pending(person.user(), self.clock.now()).await
    }

    /// Takes a signed-in person's decision (APR-03): about their own question, and about what they saw.
    ///
    /// # Errors
    /// It is over, not theirs, not what they saw, or cannot be written.
    pub async fn decide(
        &self,
        person: &Caller,
        id: &ApprovalId,
        digest: Digest,
        say: Say,
        reason: Option<String>,
    ) -> Result<ApprovalState, DecisionError> {
        let user = person.user();
        let record = self.table.approval(&user.tenant, id).await?;
        let record = record.filter(|record| record.requester == *user).ok_or(DecisionError::Unknown)?;
        if record.client == *person.client() {
            // The client that asked is not the one that answers.
            return Err(DecisionError::Unknown);
        }
        if record.digest != digest {
            return Err(DecisionError::Stale);
        }
        let state = match say {
            Say::Approve => ApprovalState::Approved,
            Say::Refuse => ApprovalState::Refused,
        };
        let now = self.clock.now();
        let reason =
            reason.map(|text| text.chars().filter(|c| !c.is_control()).take(500).collect::<String>());
        let mut event = self.journal.event(EventKind::ApprovalDecided, user);
        event.client = Some(person.client().clone());
        event.approval = Some(id.clone());
        event.source = Some(record.source.clone());
        let event = event.with_detail("state", if say == Say::Approve { "approved" } else { "refused" });
        let decision = Decision {
            id: id.clone(),
            digest,
            by: user.clone(),
            state,
            reason,
            execution_expires_at: now.plus(self.limits.execute_within),
            at: now,
        };
        let taken = self.table.decide(decision, event).await?;
        self.decided.send_modify(|count| *count += 1);
        if taken { Ok(state) } else { Err(DecisionError::Unknown) }
    }

    /// Lets questions run out, until the hub stops. Timeout never approves (APR-04).
    pub async fn expire(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            match self.table.expire(self.clock.now()).await {
                Ok(ended) if ended.is_empty() => {}
                Ok(_) => self.decided.send_modify(|count| *count += 1),
                Err(error) => tracing::error!(%error, "approvals could not be let run out"),
            }
        }
    }
}

fn canonical(call: &Call) -> Result<String, StoreError> {
    let bytes = deputy_core::canonical::to_canonical(call.arguments.value())
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| StoreError::Corrupt(error.to_string()))
}
