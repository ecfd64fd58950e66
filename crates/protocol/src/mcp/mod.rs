//! The Model Context Protocol, both eras of it, without sockets. One file per rule.
//!
//! *Modern* is 2026-07-28: stateless, everything in each request. *Legacy* is 2025-11-25 and the two revisions before it
//! ([`version::Revision`]): `initialize`, then a session.

pub mod approval;
pub mod combined;
pub mod connect;
pub mod content;
pub mod discover;
pub mod era;
pub mod headers;
pub mod initialize;
pub mod labels;
pub mod listen;
pub mod meta;
pub mod older;
pub mod ours;
pub mod progress;
pub mod tasks;
pub mod tools;
pub mod version;

use serde_json::{Value, json};

/// How the hub calls itself.
#[derive(Debug, Clone, Copy)]
pub struct Implementation {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Of the program.
    pub version: &'static str,
}

/// This hub.
pub const HUB: Implementation =
    Implementation { name: "deputy", title: "Deputy", version: env!("CARGO_PKG_VERSION") };

/// What a model is told about this server.
pub const INSTRUCTIONS: &str = "These tools act as the signed-in user, in the user's own browser tabs and in the \
organisation's servers, with the user's own permissions. The list changes when tabs open and close. Some calls wait \
for a person's approval. A refused call says why; `_meta[\"dev.deputy/reason\"]` has a stable code.";

impl Implementation {
    /// As the wire has it.
    #[must_use]
    pub fn to_value(self) -> Value {
        json!({"name": self.name, "title": self.title, "version": self.version})
    }
}

#[cfg(test)]
mod tests;
