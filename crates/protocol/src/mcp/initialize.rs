//! `initialize` (legacy).

use super::meta::{self, Params};
use super::version::Revision;
use super::{HUB, INSTRUCTIONS, discover, tasks};
use crate::jsonrpc::{Fault, code};
use crate::relay::{NotAnObject, Object, raw};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a client says when it opens a session.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The revision that answers the one it asks for.
    pub revision: Revision,
    /// What it calls itself: name and version.
    pub label: Option<String>,
    /// `capabilities`, as it said them.
    pub capabilities: Arc<RawValue>,
    /// `clientInfo`, as it said it.
    pub implementation: Option<Arc<RawValue>>,
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
    let object = |name: &str| params.members().raw(name).filter(|raw| raw.get().starts_with('{'));
    Ok(Opening {
        revision: Revision::answering(&asked),
        label,
        capabilities: object("capabilities").map_or_else(|| raw(&json!({})), without_tasks).into(),
        implementation: object("clientInfo").map(|own| own.to_owned().into()),
    })
}

/// What a client of the legacy era can do, told to a server of the modern one: a task would be nothing that it understands.
fn without_tasks(capabilities: &RawValue) -> Box<RawValue> {
    let Ok(mut members) = Object::parse(capabilities) else { return capabilities.to_owned() };
    let named = members.replace("extensions", |extensions| {
        let mut extensions = Object::parse(extensions).ok()?;
        extensions.remove(tasks::EXTENSION)?;
        Some(extensions.to_raw())
    });
    if named { members.to_raw() } else { capabilities.to_owned() }
}

/// The result for a session with one server: what `server/discover` says of it, in the words of the legacy era. Tasks of
/// the modern extension have none there.
///
/// # Errors
/// What it says is no object.
pub fn relayed(opening: &Opening, discovered: &RawValue) -> Result<Box<RawValue>, NotAnObject> {
    let discovered = Object::parse(discovered)?;
    let meta = discovered.get("_meta").and_then(|meta| Object::parse(meta).ok()).unwrap_or_default();
    let mut capabilities = discovered.get("capabilities").map(Object::parse).transpose()?.unwrap_or_default();
    capabilities.remove("extensions");
    let mut result = Object::default();
    result.set("protocolVersion", raw(opening.revision.text()));
    result.set("capabilities", capabilities.to_raw());
    let server = meta.get(meta::SERVER_INFO).map_or_else(|| raw(&HUB.to_value()), ToOwned::to_owned);
    result.set("serverInfo", server);
    if let Some(instructions) = discovered.get("instructions") {
        result.set("instructions", instructions.to_owned());
    }
    Ok(result.to_raw())
}

/// The result.
#[must_use]
pub fn result(opening: &Opening, has_servers: bool) -> Value {
    let mut server = HUB.to_value();
    if let Some(members) = server.as_object_mut().filter(|_| !opening.revision.has_structure()) {
        members.remove("title");
    }
    json!({
        "protocolVersion": opening.revision.text(),
        "capabilities": discover::capabilities(has_servers),
        "serverInfo": server,
        "instructions": INSTRUCTIONS,
    })
}
