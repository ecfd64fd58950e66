//! Request bodies: JSON, forms, and plain text. Others are not sent.

use super::parameter::{Place, Style, Writing, is_json, writing};
use super::reference::Root;
use serde_json::Value;
use std::collections::BTreeMap;

/// How a body is written.
#[derive(Debug, Clone)]
pub(super) enum Format {
    /// The argument's own text.
    Json,
    /// `application/x-www-form-urlencoded`, with what the document says of single members.
    Form(BTreeMap<String, Writing>),
    /// A string as it is.
    Text,
}

/// The body of an operation.
#[derive(Debug, Clone)]
pub(super) struct Body {
    /// The argument that it is given by.
    pub(super) argument: String,
    /// Its media type, as the document has it.
    pub(super) media: String,
    pub(super) format: Format,
    pub(super) is_required: bool,
}

/// A body as the document has it.
pub(super) struct Described<'d> {
    pub(super) media: &'d str,
    pub(super) format: Format,
    pub(super) is_required: bool,
    pub(super) schema: Option<&'d Value>,
    pub(super) description: Option<&'d str>,
}

const FORM: &str = "application/x-www-form-urlencoded";

impl<'d> Described<'d> {
    /// Reads it. `None`: there is none, or none that can be sent and none is needed.
    pub(super) fn read(root: Root<'d>, operation: &'d Value) -> Result<Option<Self>, String> {
        let Some(body) = operation.get("requestBody") else { return Ok(None) };
        let body = root.follow(body)?;
        let is_required = body.get("required") == Some(&Value::Bool(true));
        let Some(content) = body.get("content").and_then(Value::as_object) else { return Ok(None) };
        let one = |fits: fn(&str) -> bool| content.iter().find(|(media, _)| fits(media));
        let found = one(is_exactly_json)
            .or_else(|| one(is_json))
            .or_else(|| one(is_form))
            .or_else(|| one(is_text))
            .or_else(|| one(is_anything));
        let Some((media, described)) = found.filter(|(media, _)| can_stand_in_a_field(media)) else {
            let types: Vec<&str> = content.keys().map(String::as_str).take(3).collect();
            let why = || format!("it requires a body of the type `{}`", types.join("`, `"));
            return if is_required && !types.is_empty() { Err(why()) } else { Ok(None) };
        };
        let format = if is_form(media) {
            Format::Form(members(described)?)
        } else if is_text(media) {
            Format::Text
        } else {
            Format::Json
        };
        let media = if is_anything(media) { "application/json" } else { media.as_str() };
        let description = body.get("description").and_then(Value::as_str);
        Ok(Some(Self { media, format, is_required, schema: described.get("schema"), description }))
    }
}

/// What `encoding` says of a form's members.
fn members(described: &Value) -> Result<BTreeMap<String, Writing>, String> {
    let Some(said) = described.get("encoding").and_then(Value::as_object) else { return Ok(BTreeMap::new()) };
    said.iter()
        .map(|(name, said)| {
            let has_a_style = said.get("style").is_some() || said.get("explode").is_some();
            let json = said.get("contentType").and_then(Value::as_str).is_some_and(is_json);
            let writing = match (has_a_style, json) {
                (false, true) => Writing { style: Style::Json, explode: false },
                _ => writing(said, Place::Query, name)?,
            };
            Ok((name.clone(), writing))
        })
        .collect()
}

fn kind(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_exactly_json(media: &str) -> bool {
    kind(media) == "application/json"
}

fn is_form(media: &str) -> bool {
    kind(media) == FORM
}

fn is_text(media: &str) -> bool {
    kind(media) == "text/plain"
}

/// A server that takes anything takes JSON.
fn is_anything(media: &str) -> bool {
    matches!(kind(media).as_str(), "*/*" | "application/*")
}

fn can_stand_in_a_field(media: &str) -> bool {
    media.len() <= 200 && media.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
