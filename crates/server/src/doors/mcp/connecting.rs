//! A call that waits until the person connected a server: whether their client can ask them to, and how it is told.

use super::sessions::Session;
use deputy_core::{Facts as _, SourceName, Timestamp};
use deputy_hub::{Caller, Hub, Refused, Relay};
use deputy_protocol::asking::needs::Declared;
use deputy_protocol::jsonrpc::Fault;
use deputy_protocol::mcp::connect;
use deputy_protocol::mcp::version::Revision;

/// Methods whose answer may ask the client something (2026-07-28).
const MAY_ASK: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// Whether the answer to a request may be a question that has the person open an address. Who declined is not asked again.
pub(super) fn can_ask(relay: &Relay) -> bool {
    MAY_ASK.contains(&relay.method()) && relay.connects() != Some(false) && can_open(relay)
}

/// Whether the client says that it can have the person open an address.
pub(super) fn can_open(relay: &Relay) -> bool {
    Declared::of(&relay.client().capabilities).url
}

/// The error of 2025-11-25 that says which address; `None`: the client is told in words. The session hears when the person
/// has connected the server: since `began`, for they may have done so while the call was on its way.
pub(super) fn error(
    hub: &Hub,
    caller: &Caller,
    session: &Session,
    (server, began): (&SourceName, Timestamp),
    refused: &Refused,
) -> Option<Fault> {
    let page = refused.open.as_ref().filter(|_| session.revision() >= Revision::November2025)?;
    let before = hub.connected_at(caller.user(), server).filter(|at| *at < began);
    let id = session.elicited.begin(server.clone(), before)?;
    Some(connect::error(&page.url, &refused.message, &id))
}
