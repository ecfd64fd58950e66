//! The tab protocol `deputy.tab.v1`; see `docs/reference/tab-protocol.md`.

mod conversation;
mod frame;
mod manifest;
mod outgoing;

pub use conversation::{Close, Conversation, HELLO_BYTES};
pub use frame::{ByeReason, FrameError, Hello, Page, TabFrame, ToolResult};
pub use manifest::{Manifest, ManifestError, Pinned};
pub use outgoing::{CallFrame, HubFrame, ToolReference, Welcome, WelcomeUser};

use deputy_core::canonical::JsonError;
use deputy_core::{DefinitionHash, Digest};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "deputy.tab.v1";
/// The version of the envelope.
pub const VERSION: u64 = 1;

/// Why a socket is closed (RFC 6455 section 7.4, private range 4000 to 4999).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// Done.
    Normal = 1000,
    /// The hub goes away.
    Leaving = 1001,
    /// Larger than a frame may be.
    TooBig = 1009,
    /// The hub restarts.
    Restart = 1012,
    /// The page went into the back-forward cache.
    Frozen = 4001,
    /// A frame that breaks the protocol.
    BadFrame = 4400,
    /// The ticket is not accepted, or the session ran out.
    AuthFailed = 4401,
    /// Origin or policy.
    Forbidden = 4403,
    /// No `hello` in time.
    NoHello = 4408,
    /// A newer socket of the same document took over.
    Superseded = 4409,
    /// The user's access was taken away.
    Revoked = 4410,
    /// A version that the hub does not speak.
    Version = 4426,
    /// Too many frames.
    RateLimited = 4429,
}

impl CloseCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// What a tab may do, told to it in `welcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Bytes in one frame (P17).
    pub frame_bytes: usize,
    /// Tools in one document (P18).
    pub tools: usize,
    /// Bytes in one definition (P18).
    pub definition_bytes: usize,
    /// Calls running at once (P14).
    pub calls_in_flight: usize,
    /// Calls waiting (P14).
    pub queue: usize,
    /// Frames per second (P18).
    pub frames_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 10_000_000,
            tools: 256,
            definition_bytes: 16_384,
            calls_in_flight: 32,
            queue: 64,
            frames_per_second: 50,
        }
    }
}

/// How often the hub pings and when a silent peer is dead (P6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// Milliseconds between pings.
    pub interval_ms: u64,
    /// Milliseconds of silence after which a peer is dead.
    pub dead_ms: u64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval_ms: 15_000, dead_ms: 40_000 }
    }
}

/// The hash of a set of tools, by which a tab and the hub know that they mean the same one (P9): SHA-256 over the
/// RFC 8785 array of the definitions' hashes, sorted.
///
/// # Errors
/// Never in practice: hashes are plain text.
pub fn tools_hash<'a>(hashes: impl IntoIterator<Item = &'a DefinitionHash>) -> Result<Digest, JsonError> {
    let mut hashes: Vec<String> = hashes.into_iter().map(Digest::to_string).collect();
    hashes.sort();
    Digest::of_json(&hashes.into())
}

#[cfg(test)]
mod tests;
