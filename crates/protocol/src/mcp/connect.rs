//! A call that has to wait until the person connected a server at the hub's own page: as a question of URL elicitation, in the
//! words of each era.

use crate::jsonrpc::{Fault, notification};
use crate::relay::Object;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The name of the question among `inputRequests`, and of its answer among `inputResponses`. It is the hub's own: no server
/// sees either.
pub const KEY: &str = "dev.deputy/connect";
/// URLElicitationRequired (2025-11-25).
pub const URL_REQUIRED: i64 = -32042;

/// `input_required` (modern): the address, and perhaps a state to come back with.
#[must_use]
pub fn required(url: &str, message: &str, state: Option<&str>) -> Value {
    let params = json!({"mode": "url", "url": url, "message": message});
    let requests = json!({KEY: {"method": "elicitation/create", "params": params}});
    let mut result = json!({"resultType": "input_required", "inputRequests": requests});
    if let (Some(state), Some(members)) = (state, result.as_object_mut()) {
        members.insert("requestState".to_owned(), Value::from(state));
    }
    result
}

/// The error that says the same in 2025-11-25.
#[must_use]
pub fn error(url: &str, message: &str, id: &str) -> Fault {
    let elicitation = json!({"mode": "url", "elicitationId": id, "url": url, "message": message});
    Fault::new(URL_REQUIRED, message).with_data(json!({"elicitations": [elicitation]}))
}

/// Word that what an address was opened for is done (2025-11-25; later revisions have none).
#[must_use]
pub fn completed(id: &str) -> Value {
    notification("notifications/elicitation/complete", json!({"elicitationId": id}))
}

/// Takes the answer to the hub's question out of a request's parameters. `Some(true)`: the person was shown the address.
pub fn take_answer(params: &mut Object) -> Option<bool> {
    let mut answers = Object::parse(params.get("inputResponses")?).ok()?;
    let answer = answers.get(KEY).map(RawValue::to_owned)?;
    answers.remove(KEY);
    if answers.is_empty() {
        params.remove("inputResponses");
    } else {
        params.set("inputResponses", answers.to_raw());
    }
    let action = Object::parse(&answer).ok()?.read::<String>("action");
    Some(action.as_deref() == Some("accept"))
}
