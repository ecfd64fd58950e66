//! `initialize` (legacy).

use super::meta::{self, Params};
use super::version::Revision;
use super::{HUB, INSTRUCTIONS, discover};
use crate::jsonrpc::{Fault, code};
use serde_json::{Value, json};

/// What a client says when it opens a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The revision that answers the one it asks for.
    pub revision: Revision,
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
    Ok(Opening { revision: Revision::answering(&asked), label })
}

/// The result.
#[must_use]
pub fn result(opening: &Opening) -> Value {
    let mut server = HUB.to_value();
    if let Some(members) = server.as_object_mut().filter(|_| !opening.revision.has_structure()) {
        members.remove("title");
    }
    json!({
        "protocolVersion": opening.revision.text(),
        "capabilities": discover::capabilities(),
        "serverInfo": server,
        "instructions": INSTRUCTIONS,
    })
}
