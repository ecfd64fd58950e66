//! Carries one call from a door to its effect: decide → (ask a person) → record intent → perform → record outcome →
//! release. There is no other way to a lane.

mod asking;
mod gates;
mod servers;
mod traced;

pub(crate) use servers::Telling;

use crate::answers::{Answers, Paging};
use crate::approvals::{Approvals, Slot};
use crate::caller::Caller;
use crate::catalog::{Catalog, Resolution};
use crate::continuing::Continuing;
use crate::events::{CallEvent, Events, Refused, ToolAnswer};
use crate::intent::{Reach, Ready};
use crate::journal::Journal;
use crate::lanes::{PageLane, Passing, Performed, ServerLane, SessionLane};
use crate::limits::RateLimits;
use crate::meter;
use crate::ports::upstream::Reply;
use crate::ports::{Clock, StoreError};
use crate::relay::Relay;
use crate::servers::Servers;
use crate::supervisor::Supervisor;
use crate::switches::Thrown;
use crate::tabs::Tabs;
use crate::taint::Taint;
use crate::traces::Trace;
use deputy_core::{
    ApprovalId, Arguments, Call, CallId, DocumentId, Facts as _, PublicName, Reason, SourceName, ToolName,
    Verdict,
};
use deputy_policy::{Authorized, Engine};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a wish names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `{source}__{tool}`, as `/mcp` shows it.
    Public(PublicName),
    /// A tool of one source by its own name; of a server, perhaps another method than `tools/call`.
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
    /// The client's request as it came, if it can go on to a server.
    pub relay: Option<Box<Relay>>,
    /// The trace that it belongs to.
    pub trace: Trace,
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
    pub(crate) server_lane: ServerLane,
    pub(crate) servers: Arc<Servers>,
    pub(crate) continuing: Continuing,
    pub(crate) answers: Arc<Answers>,
    pub(crate) taint: Arc<Taint>,
    pub(crate) tabs: Arc<Tabs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) supervisor: Supervisor,
    pub(crate) limits: CallLimits,
    pub(crate) rate_limits: Arc<RateLimits>,
    pub(crate) thrown: Arc<Thrown>,
}

/// Who hears of a call while it runs, and how they stop it.
type Listener<'a> = (&'a mpsc::Sender<CallEvent>, &'a CancellationToken);

/// Why a call is not performed: already in the log, or still to be put there.
enum Stop {
    Logged(Refused),
    Faulted(Reply),
    Parked(CallEvent),
}

impl Corridor {
    /// Runs a call in a task of its own: when the client goes away the corridor gets a cancel and still records the
    /// outcome.
    #[must_use]
    pub fn run(self: &Arc<Self>, caller: Caller, wish: Wish) -> Events {
        let mut events = self.carried(caller, wish);
        events.let_go();
        events
    }

    /// The same, in the task of whoever hears of it, for as long as they do: see [`Events::next`] and [`Events::let_go`].
    #[must_use]
    pub fn carried(self: &Arc<Self>, caller: Caller, wish: Wish) -> Events {
        let (sender, cancel, events) = Events::channel();
        let corridor = Arc::clone(self);
        // Boxed where it is made: on its way into a task a future is moved a dozen times, and this one is large.
        let call = Box::pin(async move {
            let began = corridor.clock.elapsed();
            let trace = wish.trace.clone();
            let last = corridor.carry(caller, wish, &sender, &cancel).await;
            traced::ended(&trace, &last);
            drop(trace);
            corridor.journal.meter().took(corridor.clock.elapsed().saturating_sub(began));
            // The client may have gone; the log has it all the same.
            let _ = sender.send(last).await;
        });
        events.carrying(call, self.supervisor.clone())
    }

    /// The smaller decision: this caller may look at what it could call.
    #[must_use]
    pub fn reach(&self, caller: Caller) -> Reach {
        Reach::new(caller)
    }

    async fn carry(
        &self,
        caller: Caller,
        mut wish: Wish,
        events: &mpsc::Sender<CallEvent>,
        cancel: &CancellationToken,
    ) -> CallEvent {
        let trace = std::mem::take(&mut wish.trace);
        let decides = trace.span(traced::DECIDE);
        let decided = self.decide(caller, wish, &trace.within(&decides), cancel).await;
        drop(decides);
        match decided {
            Ok((authorized, Some(passing))) => {
                self.pass_on(authorized, &passing, (events, cancel), &trace).await
            }
            Ok((authorized, None)) => {
                // Boxed: the other way of a call does not carry it along.
                CallEvent::Done(Box::pin(self.act(authorized, (events, cancel), &trace)).await)
            }
            Err(Stop::Logged(refused)) => CallEvent::Done(Err(refused)),
            Err(Stop::Faulted(reply)) => CallEvent::Replied(reply),
            Err(Stop::Parked(event)) => event,
        }
    }

    /// From a wish to an authorized call, or to the line that says why not.
    async fn decide(
        &self,
        caller: Caller,
        wish: Wish,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<(Authorized<Caller>, Option<Passing>), Stop> {
        let caller = self.informed(caller).in_trace(trace.id());
        let server = self.server_of(&caller, &wish.target);
        let resolution = match &server {
            Some(server) => self.resolve_in(server, &caller, &wish.target).await,
            None => self.catalog.resolve(&caller, &wish.target, wish.tab.as_ref()),
        };
        let resolved = match resolution {
            Resolution::Found(resolved) => *resolved,
            Resolution::Refused(refused) => return Err(self.refuse_wish(&caller, &wish, refused).await),
        };
        let Ok(id) = CallId::fresh() else {
            return Err(self.refuse_wish(&caller, &wish, Refused::new(Reason::Internal)).await);
        };
        let usual = server.as_ref().and_then(|server| server.call_deadline);
        let usual = usual.unwrap_or(self.limits.default_timeout);
        let timeout = wish.timeout.unwrap_or(usual).min(MAXIMUM_TIMEOUT);
        let deadline = self.clock.now().plus(timeout);
        let mut call =
            Call { id, tool: resolved.tool, arguments: wish.arguments, deadline, tab: resolved.tab };
        traced::about(trace, &call);
        self.unless_stopped(&caller, &call).await?;
        self.unless_exceeded(&caller, &call).await?;
        if call.arguments.raw().get().len() > ARGUMENTS_BYTES {
            return Err(self.refuse_call(&caller, &call, Refused::new(Reason::TooLarge)).await);
        }
        if let Err(wrong) = resolved.schema.check(call.arguments.value()) {
            return Err(self
                .refuse_call(&caller, &call, Refused::because(Reason::ArgumentsInvalid, wrong))
                .await);
        }
        let may_ask = !wish.relay.as_ref().is_some_and(|relay| relay.is_unattended());
        let (caller, passing) = match (server, wish.relay) {
            (Some(server), relay) => self.passing(caller, &call, server, relay).await?,
            (None, _) => (caller, None),
        };
        let slot = wish.batch;
        let asked = wish.approval.is_some();
        let caller = match wish.approval {
            Some(approval) => {
                Box::pin(self.with_approval(caller, &call, &approval, slot.as_ref(), trace, cancel)).await?
            }
            None => caller,
        };
        // A person's thinking time is not the tool's.
        call.deadline = self.clock.now().plus(timeout);
        if caller.expires_at() <= self.clock.now() {
            return Err(self.refuse_call(&caller, &call, Refused::new(Reason::GrantExpired)).await);
        }
        let decided = self.authorize(caller, call, (may_ask, slot.as_ref()), trace, cancel).await;
        // Only a call that waits for a person keeps the others of its batch waiting.
        if let Some(slot) = slot.filter(|_| !asked && !matches!(decided, Err(Stop::Parked(_)))) {
            slot.settle();
        }
        let authorized = decided?;
        self.take_up(&authorized, passing.as_ref()).await?;
        Ok((authorized, passing))
    }

    /// Policy's word, a person's where policy wants one, and then room within the limits.
    async fn authorize(
        &self,
        caller: Caller,
        call: Call,
        (may_ask, slot): (bool, Option<&Slot>),
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<Authorized<Caller>, Stop> {
        let authorized = match self.engine.decide(caller, call, self.clock.now()) {
            Ok(authorized) => authorized,
            Err(refusal) if refusal.verdict == Verdict::Ask => {
                Box::pin(self.ask(*refusal, (may_ask, slot), trace, cancel)).await?
            }
            Err(refusal) => return Err(self.stop(&refusal).await),
        };
        self.within_limits(&authorized).await?;
        Ok(authorized)
    }

    /// The caller, with what the hub remembers of it.
    fn informed(&self, caller: Caller) -> Caller {
        let untrusted = self.taint.of(caller.user(), caller.client());
        caller.with_untrusted(untrusted)
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
        (events, cancel): Listener<'_>,
        trace: &Trace,
    ) -> Result<ToolAnswer, Refused> {
        let lane = if Paging::is(&authorized.call().tool) { PageLane::NAME } else { SessionLane::NAME };
        let intent = self.journal.submit(authorized, lane);
        let waits = intent.is_risky().then(|| trace.span(traced::INTENT));
        let ready = match intent.ready().await {
            Ok(ready) => ready,
            Err((_, error)) => {
                tracing::error!(%error, "a call is refused: its intent is not on disk");
                return Err(Refused::new(Reason::AuditUnavailable));
            }
        };
        drop(waits);
        let performs = traced::asking(trace, &ready, lane);
        let performed = if Paging::is(&ready.call().tool) {
            self.page_lane.perform(&ready)
        } else {
            let performs = self.perform(&ready, events, cancel);
            self.answers.bound(ready.caller(), ready.meanwhile(performs).await)
        };
        let reason = performed.answer.as_ref().err().map(|refused| refused.reason);
        traced::came(trace, performs, performed.outcome, reason);
        if let Err(error) = self.recorded(&ready, performed.outcome, reason, trace).await {
            tracing::error!(%error, call = %ready.call().id, "an answer is held back: its lines are not on disk");
            return Err(Refused::because(
                Reason::AuditUnavailable,
                format!("the outcome was `{}` and could not be recorded", meter::word(performed.outcome)),
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

    /// Asked right before the effect: the token may have ended, a switch been thrown, or the policy changed, while the
    /// call waited.
    fn still(&self, ready: &Ready) -> Result<(), Refused> {
        let authorized = ready.intent().authorized();
        if authorized.caller().expires_at() <= self.clock.now() {
            return Err(Refused::new(Reason::GrantExpired));
        }
        if let Some(reason) = self.thrown.ends(authorized.caller()) {
            return Err(Refused::new(reason));
        }
        if self.thrown.stops(authorized.caller(), &authorized.call().tool).is_some() {
            return Err(Refused::new(Reason::Stopped));
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
        let (cancel, ended) = (cancel.child_token(), CancellationToken::new());
        let perform = async {
            let performed = self.session_lane.perform(ready, progress, &cancel, &still).await;
            ended.cancel();
            performed
        };
        let forward = async {
            let mut durable = None;
            while let Some(step) = moving.recv().await {
                let known = match durable {
                    Some(known) => known,
                    None => *durable.insert(ready.on_disk().await.is_ok()),
                };
                if known {
                    self.taint.mark(ready.caller().user(), ready.caller().client());
                    // A slow reader loses steps of progress, never the end.
                    let _ = events.try_send(step);
                }
            }
        };
        let stopped = self.cancel_when_stopped(ready, &cancel, &ended);
        let (performed, (), ()) = tokio::join!(perform, forward, stopped);
        self.explained(ready, performed)
    }
}

/// A failed append is a refusal (invariant 14).
fn unavailable(error: &StoreError) -> Stop {
    tracing::error!(%error, "a call is refused: its line cannot be written");
    Stop::Logged(Refused::new(Reason::AuditUnavailable))
}
