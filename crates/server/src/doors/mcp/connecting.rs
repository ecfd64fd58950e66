//! A call that waits until the person connected a server: whether their client can ask them to, and how it is told.

use deputy_core::id::random_hex;
use deputy_hub::{Refused, Relay};
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

/// The error of 2025-11-25 that says which address; `None`: the client is told in words.
pub(super) fn error(revision: Revision, can_open: bool, refused: &Refused) -> Option<Fault> {
    let page = refused.open.as_ref().filter(|_| can_open && revision >= Revision::November2025)?;
    Some(connect::error(&page.url, &refused.message, &random_hex().ok()?))
}
