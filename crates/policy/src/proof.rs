//! What a decision leaves in the hands of who asked: the proof that it was allowed, or the reason why not.

use deputy_core::{ApprovalRule, Call, Digest, PolicyId, Reason, Verdict};

/// A call that policy allowed to this caller. The private fields are the proof: only [`crate::Engine::decide`] makes one.
#[derive(Debug)]
pub struct Authorized<C> {
    caller: C,
    call: Call,
    policies: Vec<PolicyId>,
    version: Digest,
    approved: bool,
}

impl<C> Authorized<C> {
    // INVARIANT: called by `Engine::decide` alone, after Cedar allowed and no policy errored.
    pub(crate) const fn new(
        caller: C,
        call: Call,
        policies: Vec<PolicyId>,
        version: Digest,
        approved: bool,
    ) -> Self {
        Self { caller, call, policies, version, approved }
    }

    /// Who asked.
    #[must_use]
    pub const fn caller(&self) -> &C {
        &self.caller
    }

    /// For what.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The policies that allowed it.
    #[must_use]
    pub fn policies(&self) -> &[PolicyId] {
        &self.policies
    }

    /// The version of the policy set that decided.
    #[must_use]
    pub const fn version(&self) -> &Digest {
        &self.version
    }

    /// Whether it is allowed only because a person approved it.
    #[must_use]
    pub const fn approved(&self) -> bool {
        self.approved
    }

    /// Gives the caller and the call back. The proof is spent.
    #[must_use]
    pub fn into_parts(self) -> (C, Call) {
        (self.caller, self.call)
    }
}

/// A call that may not happen, or not yet.
#[derive(Debug)]
pub struct Refusal<C> {
    /// Who asked.
    pub caller: C,
    /// For what.
    pub call: Call,
    /// `Deny`, `Ask` or `StepUp`; never `Allow`.
    pub verdict: Verdict,
    /// The stable code for it.
    pub reason: Reason,
    /// The policies that refused it, or, where a person is to be asked, those that would allow it then.
    /// Empty where no policy speaks for the call.
    pub policies: Vec<PolicyId>,
    /// Where a person is to be asked: what the policies that ask want of the approval.
    pub rule: ApprovalRule,
    /// The version of the policy set that decided.
    pub version: Digest,
    /// What went wrong in deciding, for the operator. Holds no argument values.
    pub errors: Vec<String>,
}

/// Whether a tool is shown to a caller in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Some arguments could be allowed, at once or after a person approved.
    Visible,
    /// No arguments could be allowed, or deciding failed.
    Hidden,
}

impl Visibility {
    /// Whether it is [`Visibility::Visible`].
    #[must_use]
    pub const fn is_visible(self) -> bool {
        matches!(self, Self::Visible)
    }
}
