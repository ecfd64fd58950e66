//! What a server answered, as the result of a tool call.

use super::operation::Operation;
use super::parameter::is_json;
use crate::mcp::content;
use crate::relay::{Object, raw};
use deputy_core::canonical::parse_strict;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Bytes of the body of a refusal that are told.
const REFUSAL_BYTES: usize = 8 * 1024;

/// What came back.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub media: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
}

/// The result, in the words of the modern era. A JSON object is structured, and text too; other JSON and text is text;
/// what is neither is described. Every status but success is an error that has the status and the beginning of the body.
#[must_use]
pub fn answer(operation: &Operation, answered: Answered<'_>) -> Box<RawValue> {
    let text = text(answered);
    if !(200..300).contains(&answered.status) {
        return failed(&refusal(operation, answered, text));
    }
    let shown = match text {
        None => binary(answered),
        Some("") => format!("Done: status {}, no content.", answered.status),
        Some(text) => text.to_owned(),
    };
    let value = text.filter(|_| is_structured(answered)).and_then(|text| parse_strict(text.as_bytes()).ok());
    match value.filter(Value::is_object) {
        Some(value) => match operation.fits(&value) {
            Ok(()) => {
                result(&shown, text.and_then(|text| RawValue::from_string(text.to_owned()).ok()), false)
            }
            Err(why) => failed(&unexpected(answered, &why, &shown)),
        },
        // What was promised to be structured must be, or be an error.
        None if operation.is_described() => {
            failed(&unexpected(answered, "there is no JSON object in it", &shown))
        }
        None => result(&shown, None, false),
    }
}

fn unexpected(answered: Answered<'_>, why: &str, shown: &str) -> String {
    format!(
        "The server did what was asked (status {}), but its answer is not what its OpenAPI document says ({why}). It \
         answered:\n{shown}",
        answered.status
    )
}

/// A result that says why nothing was sent.
#[must_use]
pub fn refused(why: &impl std::fmt::Display) -> Box<RawValue> {
    failed(&format!("Nothing was sent: {why}."))
}

fn failed(text: &str) -> Box<RawValue> {
    result(text, None, true)
}

fn result(text: &str, structured: Option<Box<RawValue>>, is_error: bool) -> Box<RawValue> {
    let mut result = Object::default();
    result.set("resultType", raw("complete"));
    result.set("content", raw(&json!([content::text(text)])));
    if let Some(structured) = structured {
        result.set("structuredContent", structured);
    }
    result.set("isError", raw(&is_error));
    result.to_raw()
}

fn refusal(operation: &Operation, answered: Answered<'_>, text: Option<&str>) -> String {
    let Answered { status, body, .. } = answered;
    let head =
        format!("`{} {}` was answered with status {status}", operation.method(), operation.path_template());
    let why = if (300..400).contains(&status) { ", a redirect, which is not followed" } else { "" };
    match text {
        Some(text) if text.trim().is_empty() => format!("{head}{why}, without words."),
        Some(text) => {
            let kept = beginning(text, REFUSAL_BYTES);
            let left = text.len() - kept.len();
            let cut = if left > 0 { format!("\n[{left} more bytes are left out]") } else { String::new() };
            format!("{head}{why}:\n{kept}{cut}")
        }
        None => format!("{head}{why}, with {} bytes that are no text.", body.len()),
    }
}

fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

fn binary(answered: Answered<'_>) -> String {
    let media: String = answered.media.unwrap_or("an unknown type").chars().take(100).collect();
    format!(
        "Done: status {}. The answer is binary (`{media}`, {} bytes) and is not passed on.",
        answered.status,
        answered.body.len()
    )
}

/// The body as text: if its type is one of text (or it has none) and its bytes are UTF-8.
fn text(answered: Answered<'_>) -> Option<&str> {
    let kind = answered.media.unwrap_or("text/plain").split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    let is_text = kind.starts_with("text/")
        || is_json(&kind)
        || kind.ends_with("+xml")
        || kind.ends_with("+yaml")
        || matches!(
            kind.as_str(),
            "application/xml"
                | "application/yaml"
                | "application/x-yaml"
                | "application/javascript"
                | "application/x-ndjson"
                | "application/jsonl"
                | "application/x-www-form-urlencoded"
        );
    let text = std::str::from_utf8(answered.body).ok()?;
    (is_text || text.is_empty()).then(|| text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether its type says JSON, or it has none.
fn is_structured(answered: Answered<'_>) -> bool {
    answered.media.is_none_or(is_json)
}

#[cfg(test)]
mod tests;
