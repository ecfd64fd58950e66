//! `tools/list` and `tools/call`: what goes in, what comes out.

use super::HUB;
use super::combined;
use super::content;
use super::labels::Labels;
use super::meta::{self, Params};
use super::older;
use super::version::Revision;
use crate::jsonrpc::{Fault, code};
use crate::relay::{Object, raw};
use deputy_core::{Arguments, DocumentId, PublicName, Reason, Tool};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A tool in a list.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// What agents call it.
    pub name: &'a PublicName,
    /// What it is.
    pub tool: &'a Tool,
    /// A server's own words about it.
    pub raw: Option<&'a RawValue>,
    /// The tabs that offer it; told where there is a choice.
    pub tabs: Vec<Tab<'a>>,
}

/// A tab that offers a tool.
#[derive(Debug, Clone, Serialize)]
pub struct Tab<'a> {
    /// What [`meta::TAB`] takes.
    pub id: &'a str,
    /// The page's title, as the page says.
    pub title: &'a str,
    /// When it last had the focus (RFC 3339). The first tab of a list is the one that is used if none is chosen.
    #[serde(rename = "lastFocused", skip_serializing_if = "Option::is_none")]
    pub last_focused: Option<String>,
}

/// The list, in the modern era. It differs from user to user, so it is `private`; and tabs come and go, so it is fresh
/// for no time: who wants to keep it listens.
#[must_use]
pub fn modern_list(entries: &[Entry<'_>], missing: &[Missing]) -> Box<RawValue> {
    let mut meta = Map::new();
    meta.insert(meta::SERVER_INFO.to_owned(), HUB.to_value());
    say_missing(&mut meta, missing);
    let mut list = Object::default();
    list.set("resultType", raw("complete"));
    list.set("tools", raw(&entries.iter().map(|entry| of(entry, Value::is_object)).collect::<Vec<_>>()));
    list.set("ttlMs", raw(&0));
    list.set("cacheScope", raw("private"));
    list.set("_meta", raw(&meta));
    list.to_raw()
}

/// A source that does not answer, so that its tools are missing from a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name.
    pub source: String,
    /// The stable reason.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Where the person can do something about it, if they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

fn say_missing(meta: &mut Map<String, Value>, missing: &[Missing]) {
    if !missing.is_empty() {
        meta.insert(meta::MISSING.to_owned(), json!(missing));
    }
}

/// A tool as the wire has it: a server's own words, but for its name and what the hub says of it; or the hub's words for a
/// tab's.
fn of(entry: &Entry<'_>, takes_output_schema: impl Fn(&Value) -> bool) -> Box<RawValue> {
    let Some(mut members) = entry.raw.and_then(|said| Object::parse(said).ok()) else {
        return raw(&described(entry, takes_output_schema));
    };
    members.set("name", raw(entry.name));
    combined::interface(&mut members, &entry.tool.source);
    let mut own = members.get("_meta").and_then(|own| Object::parse(own).ok()).unwrap_or_default();
    own.set(meta::SOURCE, raw(&entry.tool.source));
    own.set(meta::CLASS, raw(&entry.tool.class.words()));
    members.set("_meta", own.to_raw());
    members.to_raw()
}

/// The list, in a legacy revision: nothing that it does not know.
#[must_use]
pub fn legacy_list(entries: &[Entry<'_>], revision: Revision, missing: &[Missing]) -> Box<RawValue> {
    let fits = |schema: &Value| revision.has_structure() && schema.get("type") == Some(&json!("object"));
    let tool = |entry: &Entry<'_>| match entry.raw {
        Some(_) => {
            let tool = of(entry, fits);
            older::tool(&tool).unwrap_or(tool)
        }
        None => {
            let mut tool = described(entry, fits);
            if let Some(members) = tool.as_object_mut().filter(|_| !revision.has_structure()) {
                older(members);
            }
            raw(&tool)
        }
    };
    let mut list = Object::default();
    list.set("tools", raw(&entries.iter().map(tool).collect::<Vec<_>>()));
    let mut meta = Map::new();
    say_missing(&mut meta, missing);
    if !meta.is_empty() {
        list.set("_meta", raw(&meta));
    }
    list.to_raw()
}

/// A title has its place among the annotations in revisions that know no other.
fn older(tool: &mut Map<String, Value>) {
    let Some(title) = tool.remove("title") else { return };
    let annotations = tool.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.entry("title").or_insert(title);
    }
}

fn described(entry: &Entry<'_>, takes_output_schema: impl Fn(&Value) -> bool) -> Value {
    let definition = &entry.tool.definition;
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(entry.name));
    if let Some(title) = &definition.title {
        object.insert("title".to_owned(), json!(title));
    }
    object.insert("description".to_owned(), json!(definition.description));
    object.insert("inputSchema".to_owned(), input_schema(definition.input_schema.as_ref()));
    if let Some(schema) = definition.output_schema.as_ref().filter(|schema| takes_output_schema(schema)) {
        object.insert("outputSchema".to_owned(), schema.clone());
    }
    if let Some(annotations) = definition.annotations.as_ref().filter(|annotations| annotations.is_object()) {
        object.insert("annotations".to_owned(), annotations.clone());
    }
    let mut meta = Map::new();
    meta.insert(meta::SOURCE.to_owned(), json!(entry.tool.source));
    meta.insert(meta::CLASS.to_owned(), json!(entry.tool.class.words()));
    if entry.tabs.len() > 1 {
        meta.insert(meta::TABS.to_owned(), json!(entry.tabs));
    }
    object.insert("_meta".to_owned(), Value::Object(meta));
    Value::Object(object)
}

/// The root is always an object schema: both eras demand it, and a page may leave the schema or its type out.
fn input_schema(schema: Option<&Value>) -> Value {
    let Some(Value::Object(schema)) = schema else { return json!({"type": "object"}) };
    let mut schema = Value::Object(schema.clone());
    remove_header_wishes(&mut schema);
    if let Some(members) = schema.as_object_mut() {
        members.entry("type").or_insert_with(|| json!("object"));
    }
    schema
}

/// A tab has no use for `Mcp-Param-…` headers, and a page shall not decide what clients send to the hub. A property that
/// happens to have the name of the annotation stays: it is a schema, not a string.
fn remove_header_wishes(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|name, value| name != "x-mcp-header" || value.is_object());
            members.values_mut().for_each(remove_header_wishes);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_header_wishes),
        _ => {}
    }
}

/// What a `tools/call` asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The name that was called.
    pub name: String,
    /// With what.
    pub arguments: Arguments,
    /// In which tab.
    pub tab: Option<DocumentId>,
    /// The state that an earlier answer gave (modern).
    pub state: Option<String>,
}

/// Reads the parameters of a call.
///
/// # Errors
/// -32602: no name, arguments that are no object or have a member twice (R9), a tab that cannot be one.
pub fn asked(params: &Params<'_>) -> Result<Asked, Fault> {
    let wrong = |words: String| Fault::new(code::INVALID_PARAMS, words);
    let members = params.members();
    let name = members.text("name").ok_or_else(|| wrong("`name` must be a string".to_owned()))?;
    let arguments = match members.raw("arguments").filter(|raw| raw.get() != "null") {
        Some(raw) => Arguments::parse(raw),
        None => Arguments::none(),
    };
    let arguments = arguments.map_err(|error| wrong(format!("`arguments`: {error}")))?;
    let tab = params.tab().map(|tab| {
        let words = format!("`_meta[\"{}\"]` must be the id of a tab from the list", meta::TAB);
        tab.as_str().and_then(|tab| DocumentId::new(tab).ok()).ok_or_else(|| wrong(words))
    });
    let state = match members.raw("requestState").filter(|raw| raw.get() != "null") {
        None => None,
        Some(_) => Some(
            members
                .text("requestState")
                .ok_or_else(|| wrong("`requestState` must be a string".to_owned()))?,
        ),
    };
    Ok(Asked { name, arguments, tab: tab.transpose()?, state })
}

/// How a call ended, in the words of the wire.
#[derive(Debug, Clone)]
pub enum Ending {
    /// The tool answered.
    Answered {
        /// Content blocks.
        content: Vec<Value>,
        /// The structured result, whole.
        structured_content: Option<Value>,
        /// Whether the tool says that it failed.
        is_error: bool,
        /// What the hub says of it.
        labels: Box<Labels>,
    },
    /// It was refused, or did not end well.
    Refused {
        /// The stable reason.
        reason: Reason,
        /// Words that a model can act on.
        message: String,
    },
}

impl Ending {
    /// The result in the modern era.
    #[must_use]
    pub fn modern(self) -> Value {
        let mut result = self.members();
        result.insert("resultType".to_owned(), json!("complete"));
        Value::Object(result)
    }

    /// The result in a legacy revision. Structured content is an object there, or unknown altogether: then it is said as
    /// text, so that nothing is lost.
    #[must_use]
    pub fn legacy(self, revision: Revision) -> Value {
        let mut result = self.members();
        let fits = |structured: &Value| revision.has_structure() && structured.is_object();
        let unfit = match result.get("structuredContent") {
            Some(structured) if !fits(structured) => result.remove("structuredContent"),
            _ => None,
        };
        if let Some(Value::Array(blocks)) = result.get_mut("content") {
            if let Some(unfit) = unfit.filter(|_| !blocks.iter().any(content::is_text)) {
                blocks.push(content::text(&unfit.to_string()));
            }
            if !revision.has_structure() {
                blocks.iter_mut().for_each(content::make_older);
            }
        }
        Value::Object(result)
    }

    fn members(self) -> Map<String, Value> {
        let mut result = Map::new();
        match self {
            Self::Answered { content, structured_content, is_error, labels } => {
                result.insert("content".to_owned(), Value::Array(content));
                if let Some(structured) = structured_content {
                    result.insert("structuredContent".to_owned(), structured);
                }
                result.insert("isError".to_owned(), Value::Bool(is_error));
                result.insert("_meta".to_owned(), Value::Object(labels.meta()));
            }
            Self::Refused { reason, message } => {
                result.insert("content".to_owned(), json!([{"type": "text", "text": message}]));
                result.insert("isError".to_owned(), Value::Bool(true));
                result.insert("_meta".to_owned(), json!({meta::REASON: reason.code()}));
            }
        }
        result
    }
}
