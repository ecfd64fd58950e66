//! `server/discover` (modern).

use super::{HUB, INSTRUCTIONS, meta, version};
use serde_json::{Value, json};

/// What the hub offers: tools, and word of their changes. The same to every client: nothing is inferred from the
/// connection.
#[must_use]
pub fn capabilities() -> Value {
    json!({"tools": {"listChanged": true}})
}

/// The result.
#[must_use]
pub fn result() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": version::MODERN_SPOKEN,
        "capabilities": capabilities(),
        "instructions": INSTRUCTIONS,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {meta::SERVER_INFO: HUB.to_value()},
    })
}
