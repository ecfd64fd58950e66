//! What servers answer, put in the words of the modern era. What need not change stays the text that was sent.

use crate::jsonrpc::code;
use crate::mcp::{meta, version};
use crate::relay::{Object, raw, skim};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An old code for an unknown resource; now [`code::INVALID_PARAMS`].
const RESOURCE_NOT_FOUND: i64 = -32002;
/// An old code: the user must open a page first. Now it is an input that is required.
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// The request needs a capability that the client did not declare.
pub const MISSING_CAPABILITY: i64 = -32021;

/// Why a result is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Useless {
    /// Results are objects.
    #[error("the result is no object")]
    NoObject,
    /// Neither ours to read nor an extension's that the client declared.
    #[error("nobody knows what the result type `{0}` is")]
    UnknownType(String),
    /// Only calls, prompts and resources may ask back.
    #[error("`{0}` cannot require an input")]
    NoInputHere(String),
}

/// What a modern server's result is.
///
/// # Errors
/// It is none that the client can understand.
pub fn modern<'a>(
    method: &str,
    result: &'a RawValue,
    has_extensions: bool,
) -> Result<Cow<'a, RawValue>, Useless> {
    let marks = Marks::of(result)?;
    match marks.result_type.as_deref() {
        None | Some("complete") => {}
        Some("input_required") if may_ask_back(method) => return Ok(Cow::Borrowed(result)),
        Some("input_required") => return Err(Useless::NoInputHere(shortened(method))),
        Some(_) if has_extensions => return Ok(Cow::Borrowed(result)),
        Some(other) => return Err(Useless::UnknownType(shortened(other))),
    }
    let mut missing = String::new();
    if marks.result_type.is_none() {
        missing.push_str(r#","resultType":"complete""#);
    }
    if is_cacheable(method) {
        if !marks.has_ttl {
            missing.push_str(r#","ttlMs":0"#);
        }
        if !marks.has_scope {
            missing.push_str(r#","cacheScope":"private""#);
        }
    }
    Ok(with(result, &marks, &missing))
}

/// What a legacy server's result is. Members that only look modern are overwritten: it cannot mean them so.
///
/// # Errors
/// It is no object.
pub fn legacy(method: &str, result: &RawValue) -> Result<Box<RawValue>, Useless> {
    let marks = Marks::of(result)?;
    let is_cached = is_cacheable(method);
    if marks.has_type || (is_cached && (marks.has_ttl || marks.has_scope)) {
        let mut object = Object::parse(result).map_err(|_| Useless::NoObject)?;
        object.set("resultType", raw("complete"));
        if is_cached {
            object.set("ttlMs", raw(&0));
            object.set("cacheScope", raw("private"));
        }
        return Ok(object.to_raw());
    }
    let missing = if is_cached {
        r#","resultType":"complete","ttlMs":0,"cacheScope":"private""#
    } else {
        r#","resultType":"complete""#
    };
    Ok(with(result, &marks, missing).into_owned())
}

/// What `initialize` told, as `server/discover` tells it.
///
/// # Errors
/// It is no object.
pub fn discovered(initialized: &RawValue) -> Result<Box<RawValue>, Useless> {
    let mut result = Object::parse(initialized).map_err(|_| Useless::NoObject)?;
    result.remove("protocolVersion");
    result.set("supportedVersions", raw(version::MODERN_SPOKEN));
    if result.get("capabilities").is_none() {
        result.set("capabilities", raw(&json!({})));
    }
    if let Some(server) = result.remove("serverInfo") {
        let meta = result.get("_meta").and_then(|meta| Object::parse(meta).ok());
        let mut meta = meta.unwrap_or_default();
        meta.set(meta::SERVER_INFO, server);
        result.set("_meta", meta.to_raw());
    }
    legacy("server/discover", &result.to_raw())
}

/// A legacy code in the words of the modern era.
#[must_use]
pub const fn code_of(legacy: i64) -> i64 {
    if legacy == RESOURCE_NOT_FOUND { code::INVALID_PARAMS } else { legacy }
}

/// Whether only a modern server answers so.
#[must_use]
pub const fn is_modern_error(code: i64) -> bool {
    matches!(code, code::HEADER_MISMATCH | MISSING_CAPABILITY | code::UNSUPPORTED_VERSION)
}

/// Whether a result may be `input_required`.
#[must_use]
pub fn may_ask_back(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

/// Whether a complete result says how long it may be kept.
#[must_use]
pub fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}

/// The object with these members (`,"name":value` each) at its end.
fn with<'a>(result: &'a RawValue, marks: &Marks<'_>, members: &str) -> Cow<'a, RawValue> {
    let text = result.get();
    let Some(body) = text.strip_suffix('}').filter(|_| !members.is_empty()) else {
        return Cow::Borrowed(result);
    };
    let members = if marks.is_empty { members.trim_start_matches(',') } else { members };
    let mut whole = String::with_capacity(text.len() + members.len());
    whole.push_str(body.trim_end());
    whole.push_str(members);
    whole.push('}');
    RawValue::from_string(whole).map_or(Cow::Borrowed(result), Cow::Owned)
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// What of a result is looked at, without taking the rest apart.
struct Marks<'a> {
    is_empty: bool,
    has_type: bool,
    result_type: Option<Cow<'a, str>>,
    has_ttl: bool,
    has_scope: bool,
}

impl<'a> Marks<'a> {
    fn of(result: &'a RawValue) -> Result<Self, Useless> {
        let members = skim::members(result).ok_or(Useless::NoObject)?;
        let mut marks = Marks {
            is_empty: members.is_empty(),
            has_type: false,
            result_type: None,
            has_ttl: false,
            has_scope: false,
        };
        for (name, value) in members {
            match name.as_ref() {
                "resultType" => {
                    let Text(text) = serde_json::from_str(value).map_err(|_| Useless::NoObject)?;
                    (marks.has_type, marks.result_type) = (true, Some(text));
                }
                "ttlMs" => marks.has_ttl = true,
                "cacheScope" => marks.has_scope = true,
                _ => {}
            }
        }
        Ok(marks)
    }
}

/// Borrows where it can.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;
