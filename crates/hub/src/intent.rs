//! The proofs between a decision and an effect (invariant 4).
//!
//! ```text
//! Authorized<Caller> ──journal──▶ Intent ──┬─ read ─▶ ReadIntent ──────▶ Ready (its answer waits for the line)
//!                                          └─ else ─▶ Durable<Intent> ─▶ Ready
//! ```
//!
//! Nothing outside this crate can make any of them.

use crate::caller::Caller;
use crate::ports::{Appended, StoreError};
use deputy_core::{Call, Facts, User};
use deputy_policy::Authorized;
use futures_util::FutureExt as _;
use futures_util::future::Shared;

/// Decided, and its line handed to the log. Not yet a right to act.
pub struct Intent {
    authorized: Authorized<Caller>,
    line: Shared<Appended>,
}

/// Something whose line is on disk.
pub struct Durable<T>(T);

/// A read whose line is still on its way to the disk: it may be performed, but nothing of its answer may be released
/// before [`Ready::on_disk`].
pub struct ReadIntent(Intent);

/// What a lane performs against.
pub enum Ready {
    /// Its line is on disk: any class.
    Durable(Durable<Intent>),
    /// A read beside its line.
    Read(ReadIntent),
}

impl Intent {
    pub(crate) fn new(authorized: Authorized<Caller>, line: Appended) -> Self {
        Self { authorized, line: line.shared() }
    }

    /// The class decides: a risky call waits here until its line is on disk, a read goes on beside it.
    pub(crate) async fn ready(self) -> Result<Ready, (Self, StoreError)> {
        // INVARIANT: only a class that is not risky becomes a `ReadIntent`.
        if !self.is_risky() {
            return Ok(Ready::Read(ReadIntent(self)));
        }
        match self.line.clone().await {
            Ok(_) => Ok(Ready::Durable(Durable(self))),
            Err(error) => Err((self, error)),
        }
    }

    /// Whether its line has to be on disk before anything is done.
    pub(crate) fn is_risky(&self) -> bool {
        self.authorized.call().tool.class.is_risky()
    }

    pub(crate) const fn authorized(&self) -> &Authorized<Caller> {
        &self.authorized
    }
}

impl Ready {
    /// The call to perform.
    #[must_use]
    pub fn call(&self) -> &Call {
        self.intent().authorized.call()
    }

    /// On whose behalf.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.intent().authorized.caller()
    }

    /// Waits until the intent's line is on disk: the gate that everything released passes.
    pub(crate) async fn on_disk(&self) -> Result<(), StoreError> {
        self.intent().line.clone().await.map(|_| ())
    }

    pub(crate) const fn intent(&self) -> &Intent {
        match self {
            Self::Durable(Durable(intent)) => intent,
            Self::Read(ReadIntent(intent)) => intent,
        }
    }
}

/// The right to look, not to act: lists and subscriptions of this caller.
pub struct Reach(Caller);

impl Reach {
    pub(crate) const fn new(caller: Caller) -> Self {
        Self(caller)
    }

    /// Whose.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }

    /// The person.
    #[must_use]
    pub fn user(&self) -> &User {
        self.0.user()
    }
}
