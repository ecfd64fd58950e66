//! `server/discover` (modern).

use super::{HUB, INSTRUCTIONS, meta, version};
use serde_json::{Value, json};

/// What the hub offers: tools, and word of their changes; where it has servers, their prompts, resources and completions.
/// The same to every client: nothing is inferred from the connection.
#[must_use]
pub fn capabilities(has_servers: bool) -> Value {
    if has_servers {
        json!({"tools": {"listChanged": true}, "prompts": {}, "resources": {"subscribe": true}, "completions": {}})
    } else {
        json!({"tools": {"listChanged": true}})
    }
}

/// The result.
#[must_use]
pub fn result(has_servers: bool) -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": version::MODERN_SPOKEN,
        "capabilities": capabilities(has_servers),
        "instructions": INSTRUCTIONS,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {meta::SERVER_INFO: HUB.to_value()},
    })
}
