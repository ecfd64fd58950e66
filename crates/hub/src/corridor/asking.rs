//! A call that needs a person's yes: one that was given, one that stands, or one to ask for.

use super::traced::WAIT;
use super::{Corridor, Stop, unavailable};
use crate::approvals::standing::Standings;
use crate::approvals::{AskError, Asked, Slot, Standing};
use crate::caller::{By, Caller};
use crate::events::{CallEvent, Refused};
use crate::traces::Trace;
use deputy_core::{ApprovalId, Call, EventKind, Facts as _, Reason};
use deputy_policy::{Authorized, Refusal};
use tokio_util::sync::CancellationToken;

impl Corridor {
    /// Spends the approval, if a person gave it for exactly this call and policy still asks for no more than that.
    pub(super) async fn with_approval(
        &self,
        caller: Caller,
        call: &Call,
        approval: &ApprovalId,
        slot: Option<&Slot>,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<Caller, Stop> {
        let waits = trace.span(WAIT);
        let standing = self.stand(&caller, call, approval, slot, cancel).await?;
        drop(waits);
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

    /// A person has to say yes: one may have, to calls of this kind or to exactly this; else one is asked, if somebody waits for
    /// the answer.
    pub(super) async fn ask(
        &self,
        refusal: Refusal<Caller>,
        (may_ask, slot): (bool, Option<&Slot>),
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<Authorized<Caller>, Stop> {
        let refusal = match self.by_standing_grant(refusal).await? {
            Ok(authorized) => return Ok(authorized),
            Err(refusal) => refusal,
        };
        if !may_ask {
            return Err(self.stop(&refusal).await);
        }
        match self.approvals.ask(&refusal, slot).await {
            Ok(Asked::Waiting { id, expires_at }) => {
                Err(Stop::Parked(CallEvent::Parked { approval: id, expires_at }))
            }
            Ok(Asked::Already(id)) => {
                let Refusal { caller, call, .. } = refusal;
                let caller = self.with_approval(caller, &call, &id, slot, trace, cancel).await?;
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
        self.unless_full(&refusal.caller, &refusal.call).await?;
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

    pub(super) async fn stop(&self, refusal: &Refusal<Caller>) -> Stop {
        match self.journal.refuse(refusal).await {
            Ok(()) => Stop::Logged(Refused::new(refusal.reason)),
            Err(error) => unavailable(&error),
        }
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
