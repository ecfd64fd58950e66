//! An event on its way into the log: everything about it is ready but its number.

use deputy_audit::Draft;
use deputy_core::{CallId, Event, EventKind, TenantId};
use deputy_hub::ports::StoreError;

/// One line to append.
pub(crate) struct Line {
    pub(crate) tenant: TenantId,
    pub(crate) at: u64,
    pub(crate) call: Option<CallId>,
    pub(crate) effect: CallEffect,
    pub(crate) draft: Draft,
}

/// What a line does to the set of open calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallEffect {
    /// An intent: from here on an outcome is owed.
    Opens,
    /// An outcome.
    Closes,
    /// Nothing.
    None,
}

impl Line {
    pub(crate) fn of(event: &Event) -> Result<Self, StoreError> {
        let unwritable = |error: String| StoreError::Unavailable(error);
        let mut salt = [0_u8; 32];
        getrandom::fill(&mut salt).map_err(|error| unwritable(error.to_string()))?;
        let draft = Draft::of(event, salt).map_err(|error| unwritable(error.to_string()))?;
        let effect = match event.kind {
            EventKind::Intent => CallEffect::Opens,
            EventKind::Outcome => CallEffect::Closes,
            _ => CallEffect::None,
        };
        Ok(Self {
            tenant: event.tenant.clone(),
            at: event.at.millis(),
            call: event.call.clone(),
            effect,
            draft,
        })
    }

    pub(crate) fn all(events: &[Event]) -> Result<Vec<Self>, StoreError> {
        events.iter().map(Self::of).collect()
    }
}
