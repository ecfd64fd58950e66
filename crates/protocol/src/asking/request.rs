//! What we send to servers, as text: requests under our own ids (gateway rule 13), notifications, and our answers.

use crate::mcp::{HUB, meta};
use crate::relay::{Borrowed, NotAnObject, Object, push_quoted, raw};
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a client said of itself on one request.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What it can do, an object.
    pub capabilities: &'a RawValue,
    /// Who it says it is.
    pub implementation: Option<&'a RawValue>,
    /// Wants log messages from this level on.
    pub log_level: Option<&'a str>,
    /// Wants progress.
    pub progress: bool,
}

/// The members of `_meta` that belong to one hop, and are made anew for the next.
const OF_ONE_HOP: [&str; 6] = [
    meta::PROTOCOL_VERSION,
    meta::CLIENT_CAPABILITIES,
    meta::CLIENT_INFO,
    LOG_LEVEL,
    meta::SUBSCRIPTION_ID,
    meta::PROGRESS_TOKEN,
];
/// Asks for log messages (modern).
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// A modern request. Its id is its progress token.
///
/// # Errors
/// `params` or its `_meta` is no object.
pub fn modern(
    id: u64,
    method: &str,
    params: Option<&RawValue>,
    side: &Side<'_>,
    version: &str,
) -> Result<String, NotAnObject> {
    let (mut params, mut meta) = taken_apart(params)?;
    meta.set(meta::PROTOCOL_VERSION, Cow::Owned(quoted(version)));
    meta.set(meta::CLIENT_CAPABILITIES, Cow::Borrowed(side.capabilities.get()));
    // Who does not say who it is, is asked for by the hub.
    let implementation = side.implementation.map(|own| Cow::Borrowed(own.get()));
    let implementation = implementation.unwrap_or_else(|| Cow::Owned(raw(&HUB.to_value()).get().to_owned()));
    meta.set(meta::CLIENT_INFO, implementation);
    if let Some(level) = side.log_level {
        meta.set(LOG_LEVEL, Cow::Owned(quoted(level)));
    }
    if side.progress {
        meta.set(meta::PROGRESS_TOKEN, Cow::Owned(id.to_string()));
    }
    params.set("_meta", Cow::Owned(meta.to_text()));
    Ok(written(id, method, Some(&params.to_text())))
}

/// A legacy request: without what only the modern era has.
///
/// # Errors
/// `params` or its `_meta` is no object.
pub fn legacy(
    id: u64,
    method: &str,
    params: Option<&RawValue>,
    side: &Side<'_>,
) -> Result<String, NotAnObject> {
    let there_were_params = params.is_some();
    let (mut params, mut meta) = taken_apart(params)?;
    params.remove("inputResponses");
    params.remove("requestState");
    if side.progress {
        meta.set(meta::PROGRESS_TOKEN, Cow::Owned(id.to_string()));
    }
    if meta.is_empty() {
        params.remove("_meta");
    } else {
        params.set("_meta", Cow::Owned(meta.to_text()));
    }
    let params = (there_were_params || !params.is_empty()).then(|| params.to_text());
    Ok(written(id, method, params.as_deref()))
}

/// `initialize`, in the newest legacy revision, with what this client can do and who it is (gateway rule 3).
#[must_use]
pub fn initialize(id: u64, side: &Side<'_>, revision: &str) -> String {
    let mut params = Object::default();
    params.set("protocolVersion", raw(revision));
    params.set("capabilities", side.capabilities.to_owned());
    let own = raw(&HUB.to_value());
    params.set("clientInfo", side.implementation.unwrap_or(&own).to_owned());
    text(id, "initialize", Some(&params.to_raw()))
}

/// A request with these parameters as they are.
#[must_use]
pub fn text(id: u64, method: &str, params: Option<&RawValue>) -> String {
    written(id, method, params.map(RawValue::get))
}

fn written(id: u64, method: &str, params: Option<&str>) -> String {
    let mut text = String::with_capacity(64 + method.len() + params.map_or(0, str::len));
    text.push_str(r#"{"jsonrpc":"2.0","id":"#);
    text.push_str(&id.to_string());
    text.push_str(r#","method":"#);
    push_quoted(&mut text, method);
    if let Some(params) = params {
        text.push_str(r#","params":"#);
        text.push_str(params);
    }
    text.push('}');
    text
}

fn quoted(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    push_quoted(&mut text, word);
    text
}

/// A notification.
#[must_use]
pub fn notification(method: &str, params: Option<&RawValue>) -> String {
    match params {
        Some(params) => {
            format!(r#"{{"jsonrpc":"2.0","method":{},"params":{}}}"#, raw(method).get(), params.get())
        }
        None => format!(r#"{{"jsonrpc":"2.0","method":{}}}"#, raw(method).get()),
    }
}

/// We no longer want the answer to our request.
#[must_use]
pub fn cancelled(id: u64, reason: &str) -> String {
    let params = raw(&json!({"requestId": id, "reason": reason}));
    notification("notifications/cancelled", Some(&params))
}

/// Our answer to a server's request; its id as it was written.
#[must_use]
pub fn answer(id: &RawValue, result: &RawValue) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#, id.get(), result.get())
}

/// Our refusal of a server's request.
#[must_use]
pub fn refusal(id: &RawValue, code: i64, message: &str) -> String {
    let message = raw(message);
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":{}}}}}"#, id.get(), message.get())
}

/// The parameters and their `_meta`, without what belongs to one hop. `traceparent` and what we do not know stay.
fn taken_apart(params: Option<&RawValue>) -> Result<(Borrowed<'_>, Borrowed<'_>), NotAnObject> {
    let Some(params) = params else { return Ok(Default::default()) };
    let params = Borrowed::parse(params)?;
    let mut meta = params.object("_meta")?.unwrap_or_default();
    meta.retain(|name| !OF_ONE_HOP.contains(&name));
    Ok((params, meta))
}

#[cfg(test)]
mod tests;
