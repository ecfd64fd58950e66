//! Lanes: by which right an effect happens. Each performs only against a [`crate::Ready`].

mod answer;
mod content;
mod pages;
mod server;
mod session;

pub use pages::PageLane;
pub use server::ServerLane;
pub(crate) use server::{Passing, Relayed};
pub use session::SessionLane;
pub(crate) use session::Still;

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
