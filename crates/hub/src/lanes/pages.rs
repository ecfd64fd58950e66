//! The open lane's one upstream: the hub itself. Reads on where an answer was cut, by no right but the caller's own.

use super::Performed;
use crate::answers::{Answers, Paging};
use crate::events::Refused;
use crate::intent::Ready;
use deputy_core::{Outcome, Reason};
use std::sync::Arc;

/// Reads pages of answers that were cut.
pub struct PageLane(Arc<Answers>);

impl PageLane {
    /// What the log calls it.
    pub const NAME: &'static str = "open";

    /// Over what is kept.
    #[must_use]
    pub const fn new(answers: Arc<Answers>) -> Self {
        Self(answers)
    }

    /// Reads one page. A handle of somebody else, or one that is over, is as unknown as none (R3).
    pub(crate) fn perform(&self, ready: &Ready) -> Performed {
        let handle = Paging::handle(ready.call().arguments.value());
        match self.0.page(ready.caller(), handle) {
            Some(answer) => Performed { outcome: Outcome::Succeeded, answer: Ok(answer) },
            None => {
                let why = "there is no such handle, or not any more; call the tool that gave it again";
                let refused = Refused::because(Reason::ArgumentsInvalid, why);
                Performed { outcome: Outcome::NotStarted, answer: Err(refused) }
            }
        }
    }
}
