//! `input_required` (modern): a call waits for a person. The client comes back with the state it was given.

use serde_json::{Value, json};

/// The result: no requests to the client, only a state to come back with. Whoever decides does so at the hub, never
/// through the client.
#[must_use]
pub fn required(state: &str) -> Value {
    json!({"resultType": "input_required", "requestState": state})
}
