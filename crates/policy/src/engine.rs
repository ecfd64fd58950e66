//! The live policy set and the decisions it makes.

use crate::answer::Answer;
use crate::known::Asking;
use crate::proof::{Authorized, Refusal};
use crate::set::PolicySet;
use deputy_core::{ApprovalRule, Call, Digest, Facts, Reason, Timestamp, Verdict};
use std::sync::{PoisonError, RwLock};

/// Holds the policy set in force. Shared by reference; every decision is made by one whole set.
#[derive(Debug)]
pub struct Engine {
    live: RwLock<PolicySet>,
}

impl Engine {
    /// An engine that decides by `set`.
    #[must_use]
    pub const fn new(set: PolicySet) -> Self {
        Self { live: RwLock::new(set) }
    }

    /// Puts another set in force. Only a set that parsed can come here, so a bad file leaves the last good set in force.
    pub fn replace(&self, set: PolicySet) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = set;
    }

    /// The version of the set in force.
    #[must_use]
    pub fn version(&self) -> Digest {
        self.set().version()
    }

    /// The set in force.
    #[must_use]
    pub fn set(&self) -> PolicySet {
        // A poisoned lock still holds a whole set: it is replaced by one assignment.
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The own names of tools that some policy is about: what may be asked of a source before any tool of it is known.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.set().parsed().slices.names().map(str::to_owned).collect()
    }

    /// May this caller make this call now?
    ///
    /// Cedar is asked without an approval first. If it says no, it is asked with one: if it then says yes, the caller's
    /// approval of exactly this call decides, and without one the verdict is to ask a person. An approval can therefore
    /// only add a right, never take one away. No rule is a deny, a `forbid` wins, and so does any error.
    ///
    /// # Errors
    /// The refusal: verdict, reason, and the policies that decided.
    pub fn decide<C: Facts>(
        &self,
        caller: C,
        call: Call,
        now: Timestamp,
    ) -> Result<Authorized<C>, Box<Refusal<C>>> {
        let set = self.set();
        let decided = Decided::of(&set, &caller, &call, now);
        let (verdict, reason) = match decided.verdict {
            Verdict::Allow => {
                let (policies, version) = (decided.answer.policies, set.version());
                return Ok(Authorized::new(caller, call, policies, version, decided.approved));
            }
            Verdict::Ask => (Verdict::Ask, Reason::ApprovalRequired),
            Verdict::StepUp => (Verdict::StepUp, Reason::StepUpRequired),
            Verdict::Deny => (Verdict::Deny, Reason::PolicyDenied),
        };
        let (Answer { policies, errors, .. }, rule) = (decided.answer, decided.rule);
        if !errors.is_empty() {
            tracing::warn!(call = %call.id, ?errors, "policy errored, so the call is denied");
        }
        Err(Box::new(Refusal {
            caller,
            call,
            verdict,
            reason,
            policies,
            rule,
            version: set.version(),
            errors,
        }))
    }
}

/// A decision before it becomes a proof or a refusal.
pub(crate) struct Decided {
    pub(crate) verdict: Verdict,
    pub(crate) answer: Answer,
    /// Whether an approval made the difference.
    pub(crate) approved: bool,
    /// If a person is to be asked: what the policies that ask want of the approval.
    pub(crate) rule: ApprovalRule,
}

impl Decided {
    pub(crate) fn of<C: Facts>(set: &PolicySet, caller: &C, call: &Call, now: Timestamp) -> Self {
        let parsed = set.parsed();
        let mut asking = Asking::about(parsed, caller, call, now);
        let unasked = asking.answer(false);
        if unasked.allowed {
            return Self::plain(Verdict::Allow, unasked);
        }
        if !unasked.errors.is_empty() {
            return Self::plain(Verdict::Deny, unasked);
        }
        let asked = asking.answer(true);
        if !asked.errors.is_empty() {
            return Self::plain(Verdict::Deny, asked);
        }
        if !asked.allowed {
            return Self::plain(Verdict::Deny, unasked);
        }
        if caller.approved(&call.digest(caller.user(), &caller.client().0)) {
            return Self { approved: true, ..Self::plain(Verdict::Allow, asked) };
        }
        // Those that permit once approved, and those that forbid until then.
        let rule = parsed.rule(asked.policies.iter().chain(&unasked.policies));
        Self { rule, ..Self::plain(Verdict::Ask, asked) }
    }

    fn plain(verdict: Verdict, answer: Answer) -> Self {
        Self { verdict, answer, approved: false, rule: ApprovalRule::default() }
    }
}

#[cfg(test)]
mod tests;
