//! Calls that a server interrupted to ask the client something: the state that the client comes back with (gateway rule
//! 20; R3 of the keys reference).
//!
//! A state holds the server's own, unread. It is sealed by this process for one principal and exactly this call, works
//! once, and ends soon. After a restart none opens: whether the call before went on is then unknown, and it is not made
//! twice. It is looked at first and used up last, when policy and limits have let the call through; and it is given back if
//! nothing was sent after all. So a client that was refused for a reason that passes can come again.

use crate::caller::{By, Caller};
use deputy_core::{ApprovalId, Call, Digest, Facts as _, GrantId, Timestamp, id::random_hex};
use deputy_identity::seal::Sealer;
use deputy_policy::Authorized;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a state is sealed for.
const PURPOSE: &str = "mcp-input-required";
/// How long the client may take to answer.
const LIFE: Duration = Duration::from_secs(600);

/// Seals states, and lets each be used once.
pub struct Continuing {
    sealer: Arc<Sealer>,
    /// Of this process; `None`: there was no randomness, so nothing is sealed and nothing opens.
    process: Option<String>,
    used: Mutex<HashMap<String, Timestamp>>,
}

/// What a state holds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Interrupted {
    /// Names it among those that were used.
    pub(crate) once: String,
    /// The server's own state.
    pub(crate) state: Option<String>,
    yes: Option<Yes>,
}

/// The yes of a person by which the call runs: spent already, and not to be spent again.
#[derive(Serialize, Deserialize)]
struct Yes {
    by: YesBy,
    /// The policy that it was enough for: another may want more.
    policy: String,
}

#[derive(Serialize, Deserialize)]
enum YesBy {
    Question(String),
    Grant { id: String, until: Timestamp },
}

impl Interrupted {
    /// The caller, with the yes by which the call ran before, if it still holds.
    pub(crate) fn caller(
        &self,
        caller: Caller,
        call: &Call,
        policy: Digest,
        now: Timestamp,
        has_ended: impl Fn(&GrantId) -> bool,
    ) -> Caller {
        match self.yes.as_ref().and_then(|yes| yes.by(policy, now, has_ended)) {
            Some(by) => {
                let digest = call.digest(caller.user(), &caller.client().0);
                caller.with_approval(digest, by)
            }
            None => caller,
        }
    }
}

impl Yes {
    fn of(authorized: &Authorized<Caller>) -> Option<Self> {
        let by = match authorized.caller().approval()? {
            By::Question(id) => YesBy::Question(id.as_str().to_owned()),
            By::Grant { id, until } => YesBy::Grant { id: id.as_str().to_owned(), until: *until },
        };
        Some(Self { by, policy: authorized.version().to_string() })
    }

    /// If it still holds: the policy is the same, and a grant neither ended nor was taken back.
    fn by(&self, policy: Digest, now: Timestamp, has_ended: impl Fn(&GrantId) -> bool) -> Option<By> {
        if self.policy != policy.to_string() {
            return None;
        }
        match &self.by {
            YesBy::Question(id) => ApprovalId::new(id.clone()).ok().map(By::Question),
            YesBy::Grant { id, until } => {
                let id = GrantId::new(id.clone()).ok().filter(|id| *until > now && !has_ended(id))?;
                Some(By::Grant { id, until: *until })
            }
        }
    }
}

impl Continuing {
    /// Nothing is interrupted yet.
    #[must_use]
    pub fn new(sealer: Arc<Sealer>) -> Self {
        Self { sealer, process: random_hex().ok(), used: Mutex::default() }
    }

    /// The state to come back with. `None`: it cannot be sealed.
    pub(crate) fn seal(
        &self,
        authorized: &Authorized<Caller>,
        state: Option<String>,
        now: Timestamp,
    ) -> Option<String> {
        let interrupted = Interrupted { once: random_hex().ok()?, state, yes: Yes::of(authorized) };
        let payload = serde_json::to_vec(&interrupted).ok()?;
        let binding = self.binding(authorized.caller(), authorized.call())?;
        self.sealer.seal(PURPOSE, &[binding.as_bytes()], &payload, now.plus(LIFE)).ok()
    }

    /// Looks into a state, and uses up nothing. `None`: it is not this call's, not of this process, too old, or was used.
    pub(crate) fn open(
        &self,
        caller: &Caller,
        call: &Call,
        text: &str,
        now: Timestamp,
    ) -> Option<Interrupted> {
        let binding = self.binding(caller, call)?;
        let payload = self.sealer.open(PURPOSE, &[binding.as_bytes()], text, now).ok()?;
        let interrupted: Interrupted = serde_json::from_slice(&payload).ok()?;
        let is_new = !self.used().contains_key(&interrupted.once);
        is_new.then_some(interrupted)
    }

    /// Uses a state up: of two that come at once, one. `false`: it was used meanwhile.
    pub(crate) fn spend(&self, once: &str, now: Timestamp) -> bool {
        let mut used = self.used();
        used.retain(|_, until| *until > now);
        used.insert(once.to_owned(), now.plus(LIFE)).is_none()
    }

    /// Nothing was sent: the state is as good as before.
    pub(crate) fn give_back(&self, once: &str) {
        self.used().remove(once);
    }

    fn used(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn binding(&self, caller: &Caller, call: &Call) -> Option<Digest> {
        let digest = call.digest(caller.user(), &caller.client().0);
        let parts = [self.process.as_ref()?.as_bytes(), digest.as_bytes(), caller.principal().as_bytes()]
            .map(<[u8]>::to_vec);
        Some(Digest::of_parts(&parts.each_ref().map(Vec::as_slice)))
    }
}
