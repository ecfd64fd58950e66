//! From a server's own words about a tool to what the hub knows of it.

use super::Server;
use crate::tabs::{self, Offer};
use deputy_core::{Definition, SourceKind, Tool, ToolKind, ToolName, text};
use deputy_protocol::asking::param_headers::ParamHeaders;
use deputy_protocol::relay::Object;
use deputy_protocol::schema::Schema;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::{Arc, OnceLock};

/// A tool as the server says it, and as the hub knows it.
#[derive(Clone)]
pub struct Offered {
    /// The server's own words, with what the hub does not know of.
    pub raw: Arc<RawValue>,
    /// Whether it wants arguments repeated in headers (2026-07-28, transports).
    pub repeats: bool,
    /// What policy and log see.
    pub tool: Arc<Tool>,
    /// What the pins see, and what arguments must fit.
    pub offer: Offer,
}

/// What a server offers to one principal, and counts.
#[derive(Clone, Default)]
pub struct ServerTools {
    /// In the server's order.
    pub tools: Vec<Offered>,
    /// The list result's other members.
    pub rest: Object,
    /// Names of tools that wait for somebody to look at them, and whether agents knew one of that name before.
    pub held: Vec<(ToolName, bool)>,
    /// What is wrong with the tools that were left out.
    pub refused: Vec<String>,
    /// The one page of them all as a door wrote it, where many are given the same.
    pub(crate) whole: Option<Arc<OnceLock<Arc<RawValue>>>>,
}

/// Reads one tool of a list.
///
/// # Errors
/// Why it is of no use, with its name.
pub(super) fn read(server: &Server, raw: Box<RawValue>) -> Result<Offered, String> {
    let members = Object::parse(&raw).map_err(|error| format!("a tool that is no object: {error}"))?;
    let said: String = members.read("name").unwrap_or_default();
    let wrong = |why: String| format!("`{}`: {why}", said.chars().take(128).collect::<String>());
    let name = ToolName::new(said.clone()).map_err(|error| wrong(error.to_string()))?;
    if name.is_method() {
        return Err(wrong("a tool's name has no `/`".to_owned()));
    }
    let value = |member: &str| members.read::<Value>(member).filter(|value| !value.is_null());
    let definition = Definition {
        name,
        title: members.read("title"),
        description: members.read("description").unwrap_or_default(),
        input_schema: value("inputSchema"),
        output_schema: value("outputSchema"),
        annotations: value("annotations"),
        kind: ToolKind::Server,
    };
    let words = serde_json::to_value(&definition).map_err(|error| wrong(error.to_string()))?;
    if let Some(hidden) = text::hidden(&words) {
        return Err(wrong(format!("it holds the invisible character U+{:04X}", u32::from(hidden))));
    }
    let hash = definition.hash(&server.origin).map_err(|error| wrong(error.to_string()))?;
    let compile = |schema: &Value| Schema::compile(schema).map_err(|error| wrong(error.to_string()));
    let input = definition.input_schema.as_ref().map(compile).transpose()?;
    let definition = Arc::new(definition);
    let tool = Tool {
        source: server.name.clone(),
        source_kind: SourceKind::Server,
        origin: server.origin.clone(),
        class: definition.class(server.classes.get(&definition.name).copied()),
        definition: Arc::clone(&definition),
        hash,
        owner: None,
    };
    let offer = tabs::Offered {
        source: tool.source.clone(),
        origin: tool.origin.clone(),
        hash,
        class: tool.class,
        name: tool.public_name(),
        definition,
        input: input.map_or_else(super::anything, Arc::new),
        output: None,
    };
    let repeats = !ParamHeaders::of_tool(&raw).is_empty();
    Ok(Offered { raw: raw.into(), repeats, tool: Arc::new(tool), offer: Arc::new(offer) })
}
