//! Headers that repeat what the body says (2026-07-28, transports), so that what routes by them and what acts on the
//! body cannot disagree.

use crate::jsonrpc::{Fault, code};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// One header, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Header {
    /// Not there.
    #[default]
    Absent,
    /// There once, in visible ASCII, space or tab; trimmed, decoded.
    One(String),
    /// There twice, or not in a form that we decode.
    Unusable,
}

impl Header {
    /// From all values under one name.
    #[must_use]
    pub fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => {
                std::str::from_utf8(value).ok().and_then(decode).map_or(Self::Unusable, Self::One)
            }
            _ => Self::Unusable,
        }
    }

    /// The value, if there is a usable one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::One(value) => Some(value),
            _ => None,
        }
    }
}

/// The headers that a modern request repeats itself in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// `MCP-Protocol-Version`.
    pub version: Header,
    /// `Mcp-Method`.
    pub method: Header,
    /// `Mcp-Name`.
    pub name: Header,
}

impl Routing {
    /// Compares them with the body.
    ///
    /// # Errors
    /// -32020: missing, different, twice, or not decodable.
    pub fn check(&self, version: &str, method: &str, name: Option<&str>) -> Result<(), Fault> {
        let mismatch = |header: &str| {
            Fault::new(
                code::HEADER_MISMATCH,
                format!("the `{header}` header does not say what the body says"),
            )
        };
        if self.version.value() != Some(version) {
            return Err(mismatch("MCP-Protocol-Version"));
        }
        if self.method.value() != Some(method) {
            return Err(mismatch("Mcp-Method"));
        }
        match name {
            Some(name) if self.name.value() != Some(name) => Err(mismatch("Mcp-Name")),
            _ => Ok(()),
        }
    }
}

/// The member of `params` that `Mcp-Name` repeats.
#[must_use]
pub fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// A header value as meant: plain, or `=?base64?…?=` around the base64 of UTF-8. `None`: neither.
#[must_use]
pub fn decode(value: &str) -> Option<String> {
    let value = value.trim_matches([' ', '\t']);
    if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return None;
    }
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(value.to_owned());
    };
    // The engine refuses non-canonical trailing bits.
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// A header value for this text: plain where a header can hold it and no reader takes it for something else.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    let is_visible = text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    let is_trimmed = text.trim_matches([' ', '\t']) == text;
    if is_visible && is_trimmed && !text.starts_with("=?base64?") {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("=?base64?{}?=", STANDARD.encode(text)))
}
