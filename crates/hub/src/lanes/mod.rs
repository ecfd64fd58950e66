//! Lanes: by which right an effect happens. Each performs only against a [`crate::Ready`].

mod answer;
mod content;
mod pages;
mod session;

pub use pages::PageLane;
pub use session::SessionLane;

use crate::events::{Refused, ToolAnswer};
use deputy_core::Outcome;

/// What came of a call: for the log, and for the client once the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Performed {
    /// For the log.
    pub outcome: Outcome,
    /// For the client.
    pub answer: Result<ToolAnswer, Refused>,
}
