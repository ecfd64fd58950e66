//! `x-mcp-header`: arguments that are repeated in headers `Mcp-Param-…` (2026-07-28, transports), and the tools that a
//! client over HTTP must drop because theirs are wrong.

use crate::jsonrpc::{Fault, code};
use crate::mcp::headers::{self, Header};
use crate::relay::{Object, raw};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What marks a property.
const MARK: &str = "x-mcp-header";
/// Before each name.
const PREFIX: &str = "Mcp-Param-";
/// The most marked properties of one tool.
const MAXIMUM: usize = 64;
/// The largest integer that every reader keeps.
const SAFE: f64 = 9_007_199_254_740_991.0;

/// Which arguments of a tool are repeated, and under which names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParamHeaders(Vec<(String, Vec<String>)>);

/// Why a tool is dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A header's name is a token (RFC 9110).
    #[error("`x-mcp-header` is no token")]
    NoToken,
    /// Two with one name, or with names that differ in case only.
    #[error("`x-mcp-header: {0}` is there twice")]
    Twice(String),
    /// Only strings, booleans and integers.
    #[error("`x-mcp-header: {0}` marks something else than a string, a boolean or an integer")]
    WrongType(String),
    /// Not reachable by `properties` alone.
    #[error("`x-mcp-header` marks something that `properties` alone do not lead to")]
    Unreachable,
    /// Too many.
    #[error("more than {MAXIMUM} properties are marked")]
    TooMany,
}

impl ParamHeaders {
    /// From an `inputSchema`.
    ///
    /// # Errors
    /// The tool must be dropped.
    pub fn of(schema: &RawValue) -> Result<Self, Violation> {
        if !may_be_marked(schema.get()) {
            return Ok(Self::default());
        }
        let mut found = Self::default();
        if let Ok(schema) = serde_json::from_str::<Value>(schema.get()) {
            found.walk(&schema, true, &mut Vec::new())?;
        }
        Ok(found)
    }

    /// Whether nothing is repeated.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers for these arguments, values encoded. What is absent or null has none.
    #[must_use]
    pub fn values(&self, arguments: Option<&RawValue>) -> Vec<(String, String)> {
        let Some(arguments) = arguments.filter(|_| !self.is_empty()) else { return Vec::new() };
        let header = |(name, path): &(String, Vec<String>)| {
            let value = value_at(arguments, path)?;
            Some((format!("{PREFIX}{name}"), headers::encode(&value).into_owned()))
        };
        self.0.iter().filter_map(header).collect()
    }

    /// From a tool's definition, as its server sent it. One that is wrong repeats nothing.
    #[must_use]
    pub fn of_tool(tool: &RawValue) -> Self {
        if !may_be_marked(tool.get()) {
            return Self::default();
        }
        let tool = Object::parse(tool).unwrap_or_default();
        tool.get("inputSchema").and_then(|schema| Self::of(schema).ok()).unwrap_or_default()
    }

    /// Compares what arrived in headers with the arguments; integers as numbers. `given` is asked for names in lower
    /// case.
    ///
    /// # Errors
    /// -32020: missing, different, twice, not decodable, or there for an argument that is not.
    pub fn check(&self, arguments: Option<&RawValue>, given: impl Fn(&str) -> Header) -> Result<(), Fault> {
        for (name, path) in &self.0 {
            let said = arguments.and_then(|arguments| value_at(arguments, path));
            let is_same = match (given(&format!("{PREFIX}{name}").to_ascii_lowercase()), &said) {
                (Header::Absent, None) => true,
                (Header::One(header), Some(said)) => header == *said || is_same_number(&header, said),
                _ => false,
            };
            if !is_same {
                let words = format!("the `{PREFIX}{name}` header does not say what the body says");
                return Err(Fault::new(code::HEADER_MISMATCH, words));
            }
        }
        Ok(())
    }

    fn walk(&mut self, schema: &Value, reachable: bool, path: &mut Vec<String>) -> Result<(), Violation> {
        let Value::Object(members) = schema else { return Ok(()) };
        if let Some(mark) = members.get(MARK) {
            self.add(mark, members.get("type"), reachable, path)?;
        }
        for (keyword, value) in members {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        path.push(name.clone());
                        self.walk(property, reachable, path)?;
                        path.pop();
                    }
                }
                (
                    "$defs" | "definitions" | "patternProperties" | "dependentSchemas",
                    Value::Object(schemas),
                ) => {
                    schemas.values().try_for_each(|schema| self.walk(schema, false, path))?;
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                    schemas.iter().try_for_each(|schema| self.walk(schema, false, path))?;
                }
                (
                    "items"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contains"
                    | "propertyNames"
                    | "additionalProperties"
                    | "additionalItems"
                    | "unevaluatedItems"
                    | "unevaluatedProperties"
                    | "contentSchema",
                    schema,
                ) => self.walk(schema, false, path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        mark: &Value,
        kind: Option<&Value>,
        reachable: bool,
        path: &[String],
    ) -> Result<(), Violation> {
        let name = mark.as_str().filter(|name| is_token(name)).ok_or(Violation::NoToken)?;
        if !reachable {
            return Err(Violation::Unreachable);
        }
        if path.is_empty() || !kind.is_some_and(is_primitive) {
            return Err(Violation::WrongType(name.to_owned()));
        }
        if self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(Violation::Twice(name.to_owned()));
        }
        if self.0.len() >= MAXIMUM {
            return Err(Violation::TooMany);
        }
        self.0.push((name.to_owned(), path.to_vec()));
        Ok(())
    }
}

/// A result of `tools/list` without the tools that must be dropped; the tools that repeat arguments, with their names;
/// and why tools were dropped. Without marks, the text that was sent.
#[must_use]
pub fn sifted(result: &RawValue) -> Sifted<'_> {
    let untouched = || Sifted { result: Cow::Borrowed(result), marked: Vec::new(), dropped: Vec::new() };
    if !may_be_marked(result.get()) {
        return untouched();
    }
    let Ok(mut object) = Object::parse(result) else { return untouched() };
    let Some(tools) = object.read::<Vec<Box<RawValue>>>("tools") else { return untouched() };
    let (mut marked, mut dropped, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for text in tools {
        let tool = Object::parse(&text).unwrap_or_default();
        let name = tool.read::<String>("name").unwrap_or_default();
        match tool.get("inputSchema").map(ParamHeaders::of).transpose() {
            Err(why) => {
                dropped.push((name, why));
                continue;
            }
            Ok(Some(headers)) if !headers.is_empty() => marked.push((name, headers)),
            Ok(_) => {}
        }
        kept.push(text);
    }
    if dropped.is_empty() {
        return Sifted { marked, ..untouched() };
    }
    object.set("tools", raw(&kept));
    Sifted { result: Cow::Owned(object.to_raw()), marked, dropped }
}

/// What is left of a list of tools.
#[derive(Debug)]
pub struct Sifted<'a> {
    /// The result.
    pub result: Cow<'a, RawValue>,
    /// The tools that repeat arguments in headers.
    pub marked: Vec<(String, ParamHeaders)>,
    /// The tools that are gone, and why.
    pub dropped: Vec<(String, Violation)>,
}

/// Whether the mark can be in there; it can be written with escapes, too.
fn may_be_marked(text: &str) -> bool {
    text.contains(MARK) || text.contains("\\u")
}

fn is_token(text: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(of_token)
}

/// One primitive type, perhaps or null.
fn is_primitive(kind: &Value) -> bool {
    let primitive = |kind: &Value| matches!(kind.as_str(), Some("string" | "boolean" | "integer"));
    match kind {
        Value::Array(kinds) => {
            kinds.iter().filter(|kind| primitive(kind)).count() == 1
                && kinds.iter().all(|kind| primitive(kind) || kind == "null")
        }
        kind => primitive(kind),
    }
}

fn value_at(arguments: &RawValue, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let object = Object::parse(arguments).ok()?;
    let value = object.get(first)?;
    if !rest.is_empty() {
        return value_at(value, rest);
    }
    match serde_json::from_str::<Value>(value.get()).ok()? {
        Value::String(text) => Some(text),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => whole(&number),
        _ => None,
    }
}

fn is_same_number(one: &str, other: &str) -> bool {
    let number =
        |text: &str| serde_json::from_str::<serde_json::Number>(text).ok().and_then(|number| whole(&number));
    number(one).is_some_and(|one| number(other) == Some(one))
}

/// An integer in digits, whatever way it was written.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn whole(number: &serde_json::Number) -> Option<String> {
    let value = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() <= SAFE)?;
    Some(number.as_i64().unwrap_or(value as i64).to_string())
}

#[cfg(test)]
mod tests;
