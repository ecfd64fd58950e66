//! `subscriptions/listen` (modern), and the change notices of both eras.

use super::meta::{self, Params};
use crate::jsonrpc::{Fault, Id, code, notification, response};
use serde_json::{Map, Value, json};

/// What a client wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// Tools come and go.
    pub tools_list_changed: bool,
}

/// Reads what is wanted; of that, only what we offer is kept.
///
/// # Errors
/// -32602: `notifications` is missing or no object.
pub fn filter(params: &Params<'_>) -> Result<Filter, Fault> {
    let wanted = params.members().read::<Map<String, Value>>("notifications");
    let wanted =
        wanted.ok_or_else(|| Fault::new(code::INVALID_PARAMS, "`notifications` must be an object"))?;
    Ok(Filter { tools_list_changed: wanted.get("toolsListChanged") == Some(&Value::Bool(true)) })
}

/// The first message: what of it is granted.
#[must_use]
pub fn acknowledged(subscription: &Id, filter: Filter) -> Value {
    let granted = if filter.tools_list_changed { json!({"toolsListChanged": true}) } else { json!({}) };
    let params = json!({"notifications": granted, "_meta": {meta::SUBSCRIPTION_ID: subscription}});
    notification("notifications/subscriptions/acknowledged", params)
}

/// The user's tools may have changed.
#[must_use]
pub fn tools_changed(subscription: &Id) -> Value {
    notification("notifications/tools/list_changed", json!({"_meta": {meta::SUBSCRIPTION_ID: subscription}}))
}

/// The same in a legacy session.
#[must_use]
pub fn legacy_tools_changed() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
}

/// The graceful end: the answer to the listen request.
#[must_use]
pub fn ended(subscription: &Id) -> Value {
    response(subscription, json!({"resultType": "complete", "_meta": {meta::SUBSCRIPTION_ID: subscription}}))
}
