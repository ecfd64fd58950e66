//! Messages from a server, parsed once. `params`, `result` and `data` stay the text that was sent.

use crate::jsonrpc::{Id, code};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One message.
#[derive(Debug)]
pub enum Message<'a> {
    /// An answer; without an id where the server could not read ours.
    Response {
        /// To which request.
        id: Option<Id>,
        /// What it says.
        outcome: Outcome<'a>,
    },
    /// The server asks something.
    Request {
        /// Its id, to be given back as it was written.
        id: &'a RawValue,
        /// What it wants.
        method: Cow<'a, str>,
        /// With what.
        params: Option<&'a RawValue>,
    },
    /// The server tells something.
    Notification {
        /// What happened.
        method: Cow<'a, str>,
        /// With what.
        params: Option<&'a RawValue>,
    },
}

/// The two kinds of answer.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// It worked.
    Result(&'a RawValue),
    /// It did not.
    Error(Error<'a>),
}

/// An error object.
#[derive(Debug, Clone)]
pub struct Error<'a> {
    /// Its code.
    pub code: i64,
    /// For people.
    pub message: String,
    /// As it was sent.
    pub data: Option<&'a RawValue>,
}

/// Not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMessage {
    /// Not JSON.
    #[error("it is not JSON")]
    NotJson,
    /// JSON, and no message of JSON-RPC 2.0.
    #[error("it is no JSON-RPC message")]
    NotJsonRpc,
}

/// Reads a body, a line or an event: one message or, as 2025-03-26 has it, a batch of them (gateway rule 24). What is no
/// message in a batch is left out.
///
/// # Errors
/// Not JSON, or no message at all.
pub fn read(bytes: &[u8]) -> Result<Vec<Message<'_>>, NoMessage> {
    // Looked through once, where it is one good message.
    if let Some(message) = serde_json::from_slice(bytes).ok().and_then(of_parts) {
        return Ok(vec![message]);
    }
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(|_| NoMessage::NotJson)?;
    if !raw.get().starts_with('[') {
        return one(raw).map(|message| vec![message]).ok_or(NoMessage::NotJsonRpc);
    }
    let batch: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| NoMessage::NotJson)?;
    let messages: Vec<_> = batch.into_iter().filter_map(one).collect();
    if messages.is_empty() { Err(NoMessage::NotJsonRpc) } else { Ok(messages) }
}

fn one(raw: &RawValue) -> Option<Message<'_>> {
    serde_json::from_str(raw.get()).ok().and_then(of_parts)
}

fn of_parts(parts: Parts<'_>) -> Option<Message<'_>> {
    if parts.version.as_deref() != Some("2.0") {
        return None;
    }
    let outcome = match (parts.result, parts.error) {
        (_, Some(error)) if error.get() != "null" => Some(Outcome::Error(error_of(error))),
        (Some(result), _) => Some(Outcome::Result(result)),
        _ => None,
    };
    match (parts.method, outcome) {
        (Some(method), None) => Some(match parts.id {
            Some(id) if id.get().parse::<Id>().is_ok() => {
                Message::Request { id, method, params: parts.params }
            }
            Some(_) => return None,
            None => Message::Notification { method, params: parts.params },
        }),
        (None, Some(outcome)) => {
            let id = match parts.id.map(RawValue::get) {
                None | Some("null") => None,
                Some(text) => Some(text.parse::<Id>().ok()?),
            };
            Some(Message::Response { id, outcome })
        }
        _ => None,
    }
}

fn error_of(raw: &RawValue) -> Error<'_> {
    let odd = || Error { code: code::INTERNAL, message: "an error without a code".to_owned(), data: None };
    serde_json::from_str::<ErrorParts<'_>>(raw.get()).map_or_else(
        |_| odd(),
        |parts| {
            let code = parts.code.and_then(|code| match code.get().parse::<Id>() {
                Ok(Id::Integer(code)) => Some(code),
                _ => None,
            });
            let message = parts.message.and_then(read_as::<String>).unwrap_or_default();
            match code {
                Some(code) => Error { code, message, data: parts.data },
                None => Error { data: parts.data, ..odd() },
            }
        },
    )
}

fn read_as<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[derive(Deserialize)]
struct ErrorParts<'a> {
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// The members of an envelope, borrowed. `null` is there, too: a result that is null is one.
#[derive(Default)]
struct Parts<'a> {
    version: Option<Cow<'a, str>>,
    id: Option<&'a RawValue>,
    method: Option<Cow<'a, str>>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

/// Borrows where it can.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    /// A member that is there twice makes it no message: two readers could see two different ones.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
        let mut parts = Parts::default();
        while let Some(Text(name)) = map.next_key()? {
            let twice = match name.as_ref() {
                "jsonrpc" => parts.version.replace(map.next_value::<Text<'de>>()?.0).is_some(),
                "method" => parts.method.replace(map.next_value::<Text<'de>>()?.0).is_some(),
                "id" => parts.id.replace(map.next_value()?).is_some(),
                "params" => parts.params.replace(map.next_value()?).is_some(),
                "result" => parts.result.replace(map.next_value()?).is_some(),
                "error" => parts.error.replace(map.next_value()?).is_some(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
            if twice {
                return Err(A::Error::custom("a message has a member twice"));
            }
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests;
