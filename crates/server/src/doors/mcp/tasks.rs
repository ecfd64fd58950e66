//! Tasks at `/mcp`: an id that is given out there is sealed. It says whose the task is and is good for nobody but whom it was
//! given to, so that nothing need be remembered.

use deputy_core::{Reason, SourceName};
use deputy_hub::{Caller, Hub, Refused};
use deputy_protocol::jsonrpc::{Fault, code};
use deputy_protocol::mcp::meta::Params;
use deputy_protocol::mcp::tasks::{self, Created};
use serde_json::value::RawValue;
use std::time::Duration;

/// What an id is sealed for.
const PURPOSE: &str = "mcp-task";
/// For how long after its task's time an id is still read, so that it is the server that says what became of it.
const GRACE: Duration = Duration::from_secs(3600);
/// How long an id is good for at most, and where the server sets no limit.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A call's result; of one that became a task, under an id of ours.
///
/// # Errors
/// No id can be made.
pub(super) fn handed_out(
    hub: &Hub,
    principal: &str,
    source: &SourceName,
    result: Box<RawValue>,
) -> Result<Box<RawValue>, Refused> {
    let Some(created) = Created::of(&result) else { return Ok(result) };
    let payload = serde_json::to_vec(&(source.as_str(), &created.own));
    let until = hub.now().plus(created.life.map_or(LONGEST, |life| life.saturating_add(GRACE).min(LONGEST)));
    let sealed = payload
        .ok()
        .and_then(|payload| hub.sealer().seal(PURPOSE, &[principal.as_bytes()], &payload, until).ok());
    let id = sealed.ok_or_else(|| Refused::because(Reason::Internal, "the task's id could not be sealed"))?;
    Ok(created.under(&id))
}

/// To which server a request about a task goes, and how it says it.
///
/// # Errors
/// -32602: no id of ours, another's, or too old. Which of them, is not said.
pub(super) fn route(
    hub: &Hub,
    caller: &Caller,
    params: &Params<'_>,
    request: Option<&RawValue>,
) -> Result<(SourceName, Box<RawValue>), Fault> {
    let routed = params.members().text("taskId").and_then(|id| {
        let (source, own) = opened(hub, &caller.principal(), &id)?;
        Some((source, tasks::owned(request, &own)?))
    });
    routed.ok_or_else(|| Fault::new(code::INVALID_PARAMS, "there is no such task here"))
}

/// Whose task an id of ours is, and the server's own id of it. `None`: no id of ours, another's, or too old.
pub(super) fn opened(hub: &Hub, principal: &str, id: &str) -> Option<(SourceName, String)> {
    let payload = hub.sealer().open(PURPOSE, &[principal.as_bytes()], id, hub.now()).ok()?;
    let (source, own): (String, String) = serde_json::from_slice(&payload).ok()?;
    Some((SourceName::new(source).ok()?, own))
}
