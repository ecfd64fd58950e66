//! Carries one call from a door to its effect: decide → (ask a person) → record intent → perform → record outcome →
//! release. There is no other way to a lane.

use crate::answers::{Answers, Paging};
use crate::approvals::standing::Standings;
use crate::approvals::{Approvals, AskError, Asked, Slot, Standing};
use crate::caller::{By, Caller};
use crate::catalog::{Catalog, Resolution};
use crate::events::{CallEvent, Events, Refused, ToolAnswer};
use crate::intent::{Reach, Ready};
use crate::journal::Journal;
use crate::lanes::{PageLane, Performed, SessionLane};
use crate::ports::{Clock, StoreError};
use crate::supervisor::Supervisor;
use crate::tabs::Tabs;
use crate::taint::Taint;
use deputy_core::{
    ApprovalId, Arguments, Call, CallId, DocumentId, EventKind, Facts as _, Outcome, PublicName, Reason,
    SourceName, ToolName, Verdict,
};
use deputy_policy::{Authorized, Engine, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a wish names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `{source}__{tool}`, as `/mcp` shows it.
    Public(PublicName),
    /// A tool of one source by its own name.
    Own(SourceName, ToolName),
    /// Something that cannot be the name of any tool.
    Unusable(String),
}

impl Target {
    /// From the name that a client sent.
    #[must_use]
    pub fn public(name: &str) -> Self {
        PublicName::new(name).map_or_else(|_| Self::Unusable(name.to_owned()), Self::Public)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Public(name) => write!(f, "{name}"),
            Self::Own(source, tool) => write!(f, "{source}/{tool}"),
            Self::Unusable(name) => f.write_str(name),
        }
    }
}

/// What a door hands over: not yet a call, since nobody has looked whether there is such a tool.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which tool.
    pub target: Target,
    /// With what.
    pub arguments: Arguments,
    /// How long it may take; the corridor bounds it (P12).
    pub timeout: Option<Duration>,
    /// Which tab, if the agent chose one.
    pub tab: Option<DocumentId>,
    /// The question that was asked about this very wish before.
    pub approval: Option<ApprovalId>,
    /// Its place among the wishes that came together with it.
    pub batch: Option<Slot>,
}

/// Bounds that the operator may set.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// When a call does not say.
    pub default_timeout: Duration,
    /// How long a wish that comes back with an undecided approval is held before it is told to come again.
    pub approval_hold: Duration,
}

/// No call may take longer (P12); fixed.
pub const MAXIMUM_TIMEOUT: Duration = Duration::from_secs(600);

/// Bytes of arguments that a call may bring: they are kept while a person thinks, and shown to them.
const ARGUMENTS_BYTES: usize = 1024 * 1024;

impl Default for CallLimits {
    fn default() -> Self {
        Self { default_timeout: Duration::from_secs(60), approval_hold: Duration::from_secs(20) }
    }
}

/// The way from every door to every effect.
pub struct Corridor {
    pub(crate) engine: Arc<Engine>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) approvals: Arc<Approvals>,
    pub(crate) session_lane: SessionLane,
    pub(crate) page_lane: PageLane,
    pub(crate) answers: Arc<Answers>,
    pub(crate) taint: Arc<Taint>,
    pub(crate) tabs: Arc<Tabs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervisor: Supervisor,
    pub(crate) limits: CallLimits,
}

/// Why a call is not performed: already in the log, or still to be put there.
enum Stop {
    Logged(Refused),
    Parked(CallEvent),
}

impl Corridor {
    /// Runs a call in a task of its own: when the client goes away the corridor gets a cancel and still records the
    /// outcome.
    #[must_use]
    pub fn run(self: &Arc<Self>, caller: Caller, wish: Wish) -> Events {
        let (sender, cancel, events) = Events::channel();
        let corridor = Arc::clone(self);
        self.supervisor.start(async move {
            let last = corridor.carry(caller, wish, &sender, &cancel).await;
            // The client may have gone; the log has it all the same.
            let _ = sender.send(last).await;
        });
        events
    }

    /// The smaller decision: this caller may look at what it could call.
    #[must_use]
    pub fn reach(&self, caller: Caller) -> Reach {
        Reach::new(caller)
    }

    async fn carry(
        &self,
        caller: Caller,
        wish: Wish,
        events: &mpsc::Sender<CallEvent>,
        cancel: &CancellationToken,
    ) -> CallEvent {
        match self.decide(caller, wish, cancel).await {
            Ok(authorized) => CallEvent::Done(self.act(authorized, events, cancel).await),
            Err(Stop::Logged(refused)) => CallEvent::Done(Err(refused)),
            Err(Stop::Parked(event)) => event,
        }
    }

    /// From a wish to an authorized call, or to the line that says why not.
    async fn decide(
        &self,
        caller: Caller,
        wish: Wish,
        cancel: &CancellationToken,
    ) -> Result<Authorized<Caller>, Stop> {
        let caller = self.informed(caller);
        let resolved = match self.catalog.resolve(&caller, &wish.target, wish.tab.as_ref()) {
            Resolution::Found(resolved) => *resolved,
            Resolution::Refused(refused) => return Err(self.refuse_wish(&caller, &wish, refused).await),
        };
        let Ok(id) = CallId::fresh() else {
            return Err(self.refuse_wish(&caller, &wish, Refused::new(Reason::Internal)).await);
        };
        let timeout = wish.timeout.unwrap_or(self.limits.default_timeout).min(MAXIMUM_TIMEOUT);
        let deadline = self.clock.now().plus(timeout);
        let mut call =
            Call { id, tool: resolved.tool, arguments: wish.arguments, deadline, tab: resolved.tab };
        if call.arguments.raw().get().len() > ARGUMENTS_BYTES {
            return Err(self.refuse_call(&caller, &call, Refused::new(Reason::TooLarge)).await);
        }
        if let Err(wrong) = resolved.schema.check(call.arguments.value()) {
            return Err(self
                .refuse_call(&caller, &call, Refused::because(Reason::ArgumentsInvalid, wrong))
                .await);
        }
        let slot = wish.batch;
        let asked = wish.approval.is_some();
        let caller = match wish.approval {
            Some(approval) => self.with_approval(caller, &call, &approval, slot.as_ref(), cancel).await?,
            None => caller,
        };
        // A person's thinking time is not the tool's.
        call.deadline = self.clock.now().plus(timeout);
        if caller.expires_at() <= self.clock.now() {
            return Err(self.refuse_call(&caller, &call, Refused::new(Reason::GrantExpired)).await);
        }
        let decided = match self.engine.decide(caller, call, self.clock.now()) {
            Ok(authorized) => Ok(authorized),
            Err(refusal) if refusal.verdict == Verdict::Ask => {
                self.ask(*refusal, slot.as_ref(), cancel).await
            }
            Err(refusal) => Err(self.stop(&refusal).await),
        };
        // Only a call that waits for a person keeps the others of its batch waiting.
        if let Some(slot) = slot.filter(|_| !asked && !matches!(decided, Err(Stop::Parked(_)))) {
            slot.settle();
        }
        decided
    }

    /// The caller, with what the hub remembers of it.
    fn informed(&self, caller: Caller) -> Caller {
        let untrusted = self.taint.of(caller.user(), caller.client());
        caller.with_untrusted(untrusted)
    }

    /// Spends the approval, if a person gave it for exactly this call and policy still asks for no more than that.
    async fn with_approval(
        &self,
        caller: Caller,
        call: &Call,
        approval: &ApprovalId,
        slot: Option<&Slot>,
        cancel: &CancellationToken,
    ) -> Result<Caller, Stop> {
        let let_go = [cancel, self.supervisor.stopping()];
        let hold = self.limits.approval_hold;
        let standing = self.approvals.stand(&caller, call, approval, slot, hold, let_go).await;
        let refused = match standing {
            Standing::Pending { expires_at } => {
                return Err(Stop::Parked(CallEvent::Parked { approval: approval.clone(), expires_at }));
            }
            Standing::Spent => {
                let digest = call.digest(caller.user(), &caller.client().0);
                return Ok(caller.with_approval(digest, By::Question(approval.clone())));
            }
            Standing::Failed(error) => return Err(unavailable(&error)),
            Standing::Unusable(reason) => {
                // What was approved is not what would run: nothing of the batch runs (APR-07).
                if let Some(slot) = slot {
                    slot.spoil(reason);
                }
                Refused::new(reason)
            }
            Standing::Refused { said } => {
                if let Some(slot) = slot {
                    slot.settle();
                }
                refused_by_a_person(said)
            }
            Standing::Changed { arguments } => {
                if let Some(slot) = slot {
                    slot.settle();
                }
                let arguments = arguments.unwrap_or_else(|| "others".to_owned());
                let words = format!("a person changed the arguments: call again with exactly {arguments}");
                Refused::because(Reason::ApprovalStale, words)
            }
        };
        Err(self.refuse_call(&caller, call, refused).await)
    }

    /// A person has to say yes: one may have, to calls of this kind or to exactly this; else one is asked.
    async fn ask(
        &self,
        refusal: Refusal<Caller>,
        slot: Option<&Slot>,
        cancel: &CancellationToken,
    ) -> Result<Authorized<Caller>, Stop> {
        let refusal = match self.by_standing_grant(refusal).await? {
            Ok(authorized) => return Ok(authorized),
            Err(refusal) => refusal,
        };
        match self.approvals.ask(&refusal, slot).await {
            Ok(Asked::Waiting { id, expires_at }) => {
                Err(Stop::Parked(CallEvent::Parked { approval: id, expires_at }))
            }
            Ok(Asked::Already(id)) => {
                let Refusal { caller, call, .. } = refusal;
                let caller = self.with_approval(caller, &call, &id, slot, cancel).await?;
                match self.engine.decide(caller, call, self.clock.now()) {
                    Ok(authorized) => Ok(authorized),
                    Err(refusal) => Err(self.stop(&refusal).await),
                }
            }
            Ok(Asked::Refused { said }) => {
                Err(self.refuse_call(&refusal.caller, &refusal.call, refused_by_a_person(said)).await)
            }
            Err(AskError::TooMany) => {
                let refused = Refused::because(Reason::RateLimited, AskError::TooMany);
                Err(self.refuse_call(&refusal.caller, &refusal.call, refused).await)
            }
            Err(AskError::Store(error)) => Err(unavailable(&error)),
        }
    }

    /// Policy is asked again with the grant in hand, and only then is it used; whoever is too late asks a person.
    async fn by_standing_grant(
        &self,
        refusal: Refusal<Caller>,
    ) -> Result<Result<Authorized<Caller>, Refusal<Caller>>, Stop> {
        let standing = self.approvals.standing();
        let grant = match standing.covering(&refusal).await {
            Ok(Some(grant)) => grant,
            Ok(None) => return Ok(Err(refusal)),
            Err(error) => return Err(unavailable(&error)),
        };
        let Refusal { caller, call, verdict, reason, policies, rule, version, errors } = refusal;
        let digest = call.digest(caller.user(), &caller.client().0);
        let lent = Standings::lend(&grant, caller, digest);
        let (caller, call) = match self.engine.decide(lent, call, self.clock.now()) {
            Ok(authorized) => {
                let event = self.journal.approval_event(
                    EventKind::GrantUsed,
                    authorized.caller(),
                    authorized.call(),
                    &policies,
                );
                match standing.spend(&grant, authorized.caller(), event).await {
                    Ok(true) => return Ok(Ok(authorized)),
                    Ok(false) => authorized.into_parts(),
                    Err(error) => return Err(unavailable(&error)),
                }
            }
            Err(refusal) => (refusal.caller, refusal.call),
        };
        let caller = caller.without_approval();
        Ok(Err(Refusal { caller, call, verdict, reason, policies, rule, version, errors }))
    }

    async fn stop(&self, refusal: &Refusal<Caller>) -> Stop {
        match self.journal.refuse(refusal).await {
            Ok(()) => Stop::Logged(Refused::new(refusal.reason)),
            Err(error) => unavailable(&error),
        }
    }

    async fn refuse_wish(&self, caller: &Caller, wish: &Wish, refused: Refused) -> Stop {
        let logged = self.journal.refuse_wish(caller, &wish.target.to_string(), refused.reason).await;
        logged.map_or_else(|error| unavailable(&error), |()| Stop::Logged(refused))
    }

    async fn refuse_call(&self, caller: &Caller, call: &Call, refused: Refused) -> Stop {
        let logged = self.journal.refuse_call(caller, call, refused.reason).await;
        logged.map_or_else(|error| unavailable(&error), |()| Stop::Logged(refused))
    }

    /// Record, act, record, release.
    async fn act(
        &self,
        authorized: Authorized<Caller>,
        events: &mpsc::Sender<CallEvent>,
        cancel: &CancellationToken,
    ) -> Result<ToolAnswer, Refused> {
        let lane = if Paging::is(&authorized.call().tool) { PageLane::NAME } else { SessionLane::NAME };
        let intent = self.journal.submit(authorized, lane);
        let ready = match intent.ready().await {
            Ok(ready) => ready,
            Err((_, error)) => {
                tracing::error!(%error, "a call is refused: its intent is not on disk");
                return Err(Refused::new(Reason::AuditUnavailable));
            }
        };
        let performed = if Paging::is(&ready.call().tool) {
            self.page_lane.perform(&ready)
        } else {
            self.answers.bound(ready.caller(), self.perform(&ready, events, cancel).await)
        };
        let reason = performed.answer.as_ref().err().map(|refused| refused.reason);
        // Nothing is released before both lines are on disk.
        let recorded = async {
            ready.on_disk().await?;
            self.journal.close(&ready, performed.outcome, reason, &self.supervisor).await
        };
        if let Err(error) = recorded.await {
            tracing::error!(%error, call = %ready.call().id, "an answer is held back: its lines are not on disk");
            return Err(Refused::because(
                Reason::AuditUnavailable,
                format!("the outcome was `{}` and could not be recorded", outcome_word(performed.outcome)),
            ));
        }
        self.remember(ready.caller(), &performed);
        performed.answer
    }

    /// What is released now comes from a page, or tells what one said: policy may ask about it from the next call on.
    fn remember(&self, caller: &Caller, performed: &Performed) {
        self.taint.mark(caller.user(), caller.client());
        if performed.answer.as_ref().is_ok_and(|answer| answer.labels.more.is_some()) {
            // There is something to read on, and a tool for it in their list.
            self.tabs.bump(caller.user());
        }
    }

    /// Asked right before the effect: the token may have ended, or the policy changed, while the call waited.
    fn still(&self, ready: &Ready) -> Result<(), Refused> {
        let authorized = ready.intent().authorized();
        if authorized.caller().expires_at() <= self.clock.now() {
            return Err(Refused::new(Reason::GrantExpired));
        }
        if *authorized.version() != self.engine.version() {
            return Err(Refused::because(Reason::NotStarted, "the policy changed while the call waited"));
        }
        Ok(())
    }

    /// Performs, and lets progress out once the intent is on disk.
    async fn perform(
        &self,
        ready: &Ready,
        events: &mpsc::Sender<CallEvent>,
        cancel: &CancellationToken,
    ) -> Performed {
        let (progress, mut moving) = mpsc::channel::<CallEvent>(16);
        let still = || self.still(ready);
        let perform = self.session_lane.perform(ready, progress, cancel, &still);
        let forward = async {
            let durable = ready.on_disk().await.is_ok();
            while let Some(step) = moving.recv().await {
                if durable {
                    self.taint.mark(ready.caller().user(), ready.caller().client());
                    // A slow reader loses steps of progress, never the end.
                    let _ = events.try_send(step);
                }
            }
        };
        let (performed, ()) = tokio::join!(perform, forward);
        performed
    }
}

const fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::NotStarted => "not_started",
        Outcome::Unknown => "unknown",
    }
}

/// What the person said is data for the agent, not an order (APR-14).
fn refused_by_a_person(said: Option<String>) -> Refused {
    let reason = Reason::ApprovalRefused;
    said.map_or_else(
        || Refused::new(reason),
        |said| Refused::because(reason, format!("the person says: {said:?}")),
    )
}

/// A failed append is a refusal (invariant 14).
fn unavailable(error: &StoreError) -> Stop {
    tracing::error!(%error, "a call is refused: its line cannot be written");
    Stop::Logged(Refused::new(Reason::AuditUnavailable))
}
