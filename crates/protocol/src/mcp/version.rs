//! Which revisions are spoken, which one is answered with, and what the older ones do not know.

use crate::jsonrpc::{Fault, code};
use serde_json::json;

/// The modern revision.
pub const MODERN: &str = "2026-07-28";
/// Modern revisions, as `server/discover` and -32022 list them.
pub const MODERN_SPOKEN: &[&str] = &[MODERN];

/// A revision of the legacy era, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// 2025-03-26: batches; no structured results, no titles.
    March2025,
    /// 2025-06-18.
    June2025,
    /// 2025-11-25.
    November2025,
}

impl Revision {
    /// All that are spoken.
    pub const ALL: [Self; 3] = [Self::March2025, Self::June2025, Self::November2025];

    /// As the wire has it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::March2025 => "2025-03-26",
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
        }
    }

    /// One that is spoken, or `None`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.text() == text)
    }

    /// What `initialize` is answered with: the revision asked for, or, where that is not spoken in this era, the newest
    /// that is. So `initialize` never leads into the modern era (gateway rule 6).
    #[must_use]
    pub fn answering(asked: &str) -> Self {
        Self::from_text(asked).unwrap_or(Self::November2025)
    }

    /// What holds where there is no session to ask: what the header says; without one, 2025-03-26, which has no such
    /// header. `None`: the header names none that is spoken in this era.
    #[must_use]
    pub fn without_session(header: Option<&str>) -> Option<Self> {
        header.map_or(Some(Self::March2025), Self::from_text)
    }

    /// Whether several messages may come in one body (gateway rule 24).
    #[must_use]
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::March2025)
    }

    /// Whether it knows `title`, `outputSchema`, `structuredContent` and resource links.
    #[must_use]
    pub fn has_structure(self) -> bool {
        self >= Self::June2025
    }
}

/// The answer to a modern request in a version that we do not speak.
#[must_use]
pub fn unsupported(requested: &str) -> Fault {
    let requested: String = requested.chars().take(64).collect();
    Fault::new(code::UNSUPPORTED_VERSION, "this protocol version is not spoken here")
        .with_data(json!({"supported": MODERN_SPOKEN, "requested": requested}))
}
