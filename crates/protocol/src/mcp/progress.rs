//! `notifications/progress`, in both eras the same.

use crate::jsonrpc::{Id, notification};
use serde_json::{Value, json};

/// The notification. The wire has no number that is not finite: such a step is left out.
#[must_use]
pub fn moved(token: &Id, progress: f64, total: Option<f64>, message: Option<&str>) -> Option<Value> {
    let mut params = json!({"progressToken": token, "progress": finite(progress)?});
    let members = params.as_object_mut()?;
    if let Some(total) = total.and_then(finite) {
        members.insert("total".to_owned(), total);
    }
    if let Some(message) = message {
        members.insert("message".to_owned(), message.into());
    }
    Some(notification("notifications/progress", params))
}

fn finite(number: f64) -> Option<Value> {
    serde_json::Number::from_f64(number).map(Value::Number)
}
