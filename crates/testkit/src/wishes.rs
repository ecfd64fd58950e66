//! Wishes as doors make them, and a policy that allows them all.

use crate::world::APP;
use deputy_core::Arguments;
use deputy_hub::ports::upstream::ClientSide;
use deputy_hub::traces::Trace;
use deputy_hub::{Relay, Target, Wish};
use deputy_policy::PolicySet;
use serde_json::value::RawValue;

/// A policy that allows everything.
#[must_use]
pub fn permit_all() -> PolicySet {
    let policy = r#"@id("all") permit(principal, action, resource);"#.to_owned();
    PolicySet::parse(&[("all.cedar".to_owned(), policy)]).unwrap()
}

/// A wish for the app's tool `name` with these arguments.
#[must_use]
pub fn wish(name: &str, arguments: &serde_json::Value) -> Wish {
    let raw = RawValue::from_string(arguments.to_string()).unwrap();
    Wish {
        target: Target::public(&format!("{APP}__{name}")),
        arguments: Arguments::parse(&raw).unwrap(),
        timeout: None,
        tab: None,
        approval: None,
        batch: None,
        relay: None,
        trace: Trace::default(),
    }
}

/// A request to a server, as `/s/{server}/mcp` makes it.
#[must_use]
pub fn relayed(server: &str, method: &str, params: &serde_json::Value) -> Wish {
    let raw = RawValue::from_string(params.to_string()).unwrap();
    let relay = Relay::new(method, Some(&raw), ClientSide::default()).unwrap();
    let name = if relay.is_tool_call() { params["name"].as_str().unwrap() } else { method };
    Wish {
        target: Target::Own(server.parse().unwrap(), name.parse().unwrap()),
        arguments: relay.decided().unwrap(),
        timeout: None,
        tab: None,
        approval: None,
        batch: None,
        relay: Some(Box::new(relay)),
        trace: Trace::default(),
    }
}
