//! Which revisions are spoken, and which one is answered with.

use crate::jsonrpc::{Fault, code};
use serde_json::json;

/// The modern revision.
pub const MODERN: &str = "2026-07-28";
/// The legacy revision.
pub const LEGACY: &str = "2025-11-25";
/// Modern revisions, as `server/discover` and -32022 list them.
pub const MODERN_SPOKEN: &[&str] = &[MODERN];

/// What `initialize` is answered with, whatever was asked: a server that does not speak the version asked for answers
/// with another that it speaks, and `initialize` never leads into the modern era.
#[must_use]
pub const fn initialized(_asked: &str) -> &'static str {
    LEGACY
}

/// Whether the `MCP-Protocol-Version` header of a request in a legacy session is acceptable: older revisions are what
/// clients send that never read the answer to `initialize`.
#[must_use]
pub fn fits_a_session(header: &str) -> bool {
    matches!(header, LEGACY | "2025-06-18" | "2025-03-26")
}

/// The answer to a modern request in a version that we do not speak.
#[must_use]
pub fn unsupported(requested: &str) -> Fault {
    let requested: String = requested.chars().take(64).collect();
    Fault::new(code::UNSUPPORTED_VERSION, "this protocol version is not spoken here")
        .with_data(json!({"supported": MODERN_SPOKEN, "requested": requested}))
}
