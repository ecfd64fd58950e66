//! `server/discover` (modern).

use super::{HUB, INSTRUCTIONS, meta, tasks, version};
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
    let mut capabilities = capabilities(has_servers);
    if let Some(members) = capabilities.as_object_mut().filter(|_| has_servers) {
        // A server's tool may become a task; the legacy era has no word for it.
        members.insert("extensions".to_owned(), json!({tasks::EXTENSION: {}}));
    }
    json!({
        "resultType": "complete",
        "supportedVersions": version::MODERN_SPOKEN,
        "capabilities": capabilities,
        "instructions": INSTRUCTIONS,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {meta::SERVER_INFO: HUB.to_value()},
    })
}
