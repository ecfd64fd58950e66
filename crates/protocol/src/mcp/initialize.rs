//! `initialize` (legacy).

use super::meta::{self, Params};
use super::{HUB, INSTRUCTIONS, discover, version};
use crate::jsonrpc::{Fault, code};
use serde_json::{Value, json};

/// What a client says when it opens a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The version it asks for.
    pub asked: String,
    /// What it calls itself: name and version.
    pub label: Option<String>,
}

/// Reads the parameters.
///
/// # Errors
/// -32602: `protocolVersion` is missing.
pub fn opening(params: &Params<'_>) -> Result<Opening, Fault> {
    let asked = params.members().text("protocolVersion");
    let asked =
        asked.ok_or_else(|| Fault::new(code::INVALID_PARAMS, "`protocolVersion` must be a string"))?;
    let label = params.members().read::<Value>("clientInfo").as_ref().and_then(meta::label);
    Ok(Opening { asked, label })
}

/// The result.
#[must_use]
pub fn result(opening: &Opening) -> Value {
    json!({
        "protocolVersion": version::initialized(&opening.asked),
        "capabilities": discover::capabilities(),
        "serverInfo": HUB.to_value(),
        "instructions": INSTRUCTIONS,
    })
}
