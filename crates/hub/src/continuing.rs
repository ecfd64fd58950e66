//! Calls that a server interrupted to ask the client something: the state that the client comes back with (gateway rule
//! 20; R3 of the keys reference).
//!
//! A state holds the server's own, unread. It is sealed by this process for one principal and exactly this call, works
//! once, and ends soon. After a restart none opens: whether the call before went on is then unknown, and it is not made
//! twice.

use crate::caller::{By, Caller};
use deputy_core::{ApprovalId, Call, Digest, Facts as _, Timestamp, id::random_hex};
use deputy_identity::seal::Sealer;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a state is sealed for.
const PURPOSE: &str = "mcp-input-required";
/// How long the client may take to answer.
const LIFE: Duration = Duration::from_secs(600);

/// Seals states, and opens each once.
pub struct Continuing {
    sealer: Arc<Sealer>,
    /// Of this process; `None`: there was no randomness, so nothing is sealed and nothing opens.
    process: Option<String>,
    used: Mutex<HashMap<String, Timestamp>>,
}

/// What a state holds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Interrupted {
    once: String,
    /// The server's own state.
    pub(crate) state: Option<String>,
    /// The yes of a person by which the call runs, spent already.
    approval: Option<String>,
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
        caller: &Caller,
        call: &Call,
        state: Option<String>,
        now: Timestamp,
    ) -> Option<String> {
        let approval = match caller.approval() {
            Some(By::Question(id)) => Some(id.as_str().to_owned()),
            Some(By::Grant(_)) | None => None,
        };
        let interrupted = Interrupted { once: random_hex().ok()?, state, approval };
        let payload = serde_json::to_vec(&interrupted).ok()?;
        let binding = self.binding(caller, call)?;
        self.sealer.seal(PURPOSE, &[binding.as_bytes()], &payload, now.plus(LIFE)).ok()
    }

    /// Opens a state, for the last time. `None`: it is not this call's, not of this process, too old, or was used.
    pub(crate) fn open(
        &self,
        caller: Caller,
        call: &Call,
        text: &str,
        now: Timestamp,
    ) -> Result<(Caller, Interrupted), Box<Caller>> {
        let Some(interrupted) = self.opened(&caller, call, text, now) else { return Err(Box::new(caller)) };
        let approval = interrupted.approval.as_ref().and_then(|id| ApprovalId::new(id.clone()).ok());
        let caller = match approval {
            Some(id) => {
                let digest = call.digest(caller.user(), &caller.client().0);
                caller.with_approval(digest, By::Question(id))
            }
            None => caller,
        };
        Ok((caller, interrupted))
    }

    fn opened(&self, caller: &Caller, call: &Call, text: &str, now: Timestamp) -> Option<Interrupted> {
        let binding = self.binding(caller, call)?;
        let payload = self.sealer.open(PURPOSE, &[binding.as_bytes()], text, now).ok()?;
        let interrupted: Interrupted = serde_json::from_slice(&payload).ok()?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until > now);
        used.insert(interrupted.once.clone(), now.plus(LIFE)).is_none().then_some(interrupted)
    }

    fn binding(&self, caller: &Caller, call: &Call) -> Option<Digest> {
        let digest = call.digest(caller.user(), &caller.client().0);
        let parts = [self.process.as_ref()?.as_bytes(), digest.as_bytes(), caller.principal().as_bytes()]
            .map(<[u8]>::to_vec);
        Some(Digest::of_parts(&parts.each_ref().map(Vec::as_slice)))
    }
}
