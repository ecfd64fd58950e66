//! What may still stop a call that policy allows: a thrown switch, a used-up limit.

use super::{Corridor, Stop, unavailable};
use crate::approvals::{Slot, Standing};
use crate::caller::Caller;
use crate::events::Refused;
use crate::intent::Ready;
use crate::lanes::Performed;
use crate::limits::{Counted, UsedUp};
use deputy_core::{ApprovalId, Call, Outcome, Reason};
use deputy_policy::Authorized;
use tokio_util::sync::CancellationToken;

impl Corridor {
    /// Refuses what a switch stops.
    pub(super) async fn unless_stopped(&self, caller: &Caller, call: &Call) -> Result<(), Stop> {
        if let Some(reason) = self.thrown.ends(caller) {
            return Err(self
                .refuse_for(caller, call, Refused::new(reason), ("taken_away", reason.code()))
                .await);
        }
        let Some(target) = self.thrown.stops(caller, &call.tool) else { return Ok(()) };
        let fact = ("switch", target.code());
        Err(self.refuse_for(caller, call, Refused::new(Reason::Stopped), fact).await)
    }

    /// Refuses what the agent's permission does not cover. What it does not reach is as unknown as what is not there.
    pub(super) async fn unless_exceeded(&self, caller: &Caller, call: &Call) -> Result<(), Stop> {
        if caller.covers(&call.tool) {
            return Ok(());
        }
        let effect = call.tool.class.effect.code();
        let refused = match caller.reaches(&call.tool.source) {
            true => Refused {
                needs: Some(call.tool.class.effect),
                ..Refused::because(Reason::GrantExceeded, format!("it takes a permission to {effect}"))
            },
            false => Refused::new(Reason::GrantExceeded),
        };
        Err(self.refuse_for(caller, call, refused, ("needs", effect)).await)
    }

    /// Takes the call from every limit that counts it: the last thing before its intent.
    pub(super) async fn within_limits(&self, authorized: &Authorized<Caller>) -> Result<(), Stop> {
        let (caller, call) = (authorized.caller(), authorized.call());
        let taken = self.rate_limits.take(Counted::of(caller, call), self.clock.now());
        self.unless_used_up(caller, call, taken).await
    }

    /// Refuses what no limit leaves room for, and takes nothing.
    pub(super) async fn unless_full(&self, caller: &Caller, call: &Call) -> Result<(), Stop> {
        let room = self.rate_limits.look(Counted::of(caller, call), self.clock.now());
        self.unless_used_up(caller, call, room).await
    }

    /// Waits for a person, if limits leave room at all (a yes is not to be spent in vain), and only while no switch is
    /// thrown.
    pub(super) async fn stand(
        &self,
        caller: &Caller,
        call: &Call,
        approval: &ApprovalId,
        slot: Option<&Slot>,
        cancel: &CancellationToken,
    ) -> Result<Standing, Stop> {
        self.unless_full(caller, call).await?;
        let let_go = [cancel, self.supervisor.stopping()];
        let hold = self.limits.approval_hold;
        let standing = tokio::select! {
            standing = self.approvals.stand(caller, call, approval, slot, hold, let_go) => standing,
            () = self.thrown.until_stopped(caller, &call.tool) => {
                Standing::Unusable(self.thrown.ends(caller).unwrap_or(Reason::Stopped))
            }
        };
        self.unless_stopped(caller, call).await?;
        Ok(standing)
    }

    /// Cancels a running call as soon as a switch stops it, until it has ended by itself.
    pub(super) async fn cancel_when_stopped(
        &self,
        ready: &Ready,
        cancel: &CancellationToken,
        ended: &CancellationToken,
    ) {
        tokio::select! {
            () = self.thrown.until_stopped(ready.caller(), &ready.call().tool) => cancel.cancel(),
            () = ended.cancelled() => {}
        }
    }

    /// Says that it was an operator who ended a call, and never that it did not run if it may have.
    pub(super) fn explained(&self, ready: &Ready, mut performed: Performed) -> Performed {
        let Some(why) = self.why_stopped(ready) else { return performed };
        let outcome = performed.outcome;
        performed.answer = performed.answer.map_err(|refused| stopped(outcome, why, refused));
        performed
    }

    /// The same for a server's call.
    pub(super) fn said_by_whom(&self, ready: &Ready, outcome: Outcome, refused: Refused) -> Refused {
        match self.why_stopped(ready) {
            Some(why) => stopped(outcome, why, refused),
            None => refused,
        }
    }

    /// Why a running call had to end, if anybody ended it.
    fn why_stopped(&self, ready: &Ready) -> Option<Reason> {
        let stopped = || self.thrown.stops(ready.caller(), &ready.call().tool).map(|_| Reason::Stopped);
        self.thrown.ends(ready.caller()).or_else(stopped)
    }

    async fn unless_used_up(
        &self,
        caller: &Caller,
        call: &Call,
        taken: Result<(), UsedUp>,
    ) -> Result<(), Stop> {
        let Err(used_up) = taken else { return Ok(()) };
        let refused = Refused::because(Reason::RateLimited, &used_up.words);
        Err(self.refuse_for(caller, call, refused, ("limit", &used_up.name)).await)
    }

    async fn refuse_for(&self, caller: &Caller, call: &Call, refused: Refused, fact: (&str, &str)) -> Stop {
        let logged = self.journal.refuse_call_for(caller, call, refused.reason, fact).await;
        logged.map_or_else(|error| unavailable(&error), |()| Stop::Logged(refused))
    }
}

fn stopped(outcome: Outcome, why: Reason, refused: Refused) -> Refused {
    match (outcome, refused.reason) {
        (Outcome::NotStarted, _) => Refused::new(why),
        (_, reason @ Reason::OutcomeUnknown) if why == Reason::Stopped => {
            Refused::because(reason, "an operator has stopped it; do not retry it, tell the user")
        }
        (_, reason @ Reason::OutcomeUnknown) => {
            Refused::because(reason, "the user was signed out meanwhile; do not retry it, tell the user")
        }
        _ => refused,
    }
}
