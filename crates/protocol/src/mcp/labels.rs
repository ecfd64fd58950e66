//! What the hub says of an answer, in `_meta` beside it (P29): where it comes from, and how far to believe it. The tool has
//! no say in it: a `_meta` of its own is not passed on.

use super::meta;
use deputy_core::{Digest, Origin, SourceName, ToolName};
use serde_json::{Map, Value, json};

/// How far an answer may be believed. There is no class for "internal, so trusted": an application of one's own holds
/// what strangers wrote (tickets, notes, names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Data, never orders.
    Untrusted,
}

impl Trust {
    /// The stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
        }
    }
}

/// What is left of an answer that was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct More {
    /// What to call the paging tool with.
    pub handle: String,
    /// Bytes of text that are left.
    pub left_bytes: usize,
}

/// The labels of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The configured source.
    pub source: SourceName,
    /// The origin behind it.
    pub origin: Origin,
    /// The source's own name for the tool.
    pub tool: ToolName,
    /// The pin of its definition (P26).
    pub definition: Digest,
    /// How far to believe it.
    pub trust: Trust,
    /// Hidden characters that were taken out.
    pub removed: usize,
    /// If text was cut: how to read on.
    pub more: Option<More>,
}

impl Labels {
    /// As `_meta`.
    #[must_use]
    pub fn meta(&self) -> Map<String, Value> {
        let mut meta = Map::new();
        let mut say = |name: &str, value: Value| meta.insert(name.to_owned(), value);
        say(meta::SOURCE, json!(self.source));
        say(meta::ORIGIN, json!(self.origin));
        say(meta::TOOL, json!(self.tool));
        say(meta::DEFINITION, json!(self.definition));
        say(meta::TRUST, json!(self.trust.code()));
        if self.removed > 0 {
            say(meta::REMOVED, json!(self.removed));
        }
        if let Some(More { handle, left_bytes }) = &self.more {
            say(meta::MORE, json!({"handle": handle, "leftBytes": left_bytes}));
        }
        meta
    }
}
