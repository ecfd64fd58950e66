//! Two tools of the hub's own for those who would be given more tools than they can read: `deputy__find_tools` and
//! `deputy__call_tool`.
//!
//! The second one is no way around anything: what it names is called, decided, approved and written down as that tool
//! itself. It is here only as a definition and as the reading of its arguments ([`Named::of`]); it is never performed.

mod found;

pub use found::Finder;

use crate::answers::SOURCE;
use crate::search::MOST_RESULTS;
use deputy_core::{Arguments, Class, Definition, Issuer, Origin, SourceKind, Tool, ToolKind};
use deputy_protocol::mcp::content;
use deputy_protocol::schema::Schema;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The own name of the tool that finds.
pub const FIND: &str = "find_tools";
/// The own name of the tool that calls.
pub const CALL: &str = "call_tool";
/// Results when a search does not say how many.
pub const USUAL_RESULTS: usize = 8;
/// Bytes of all schemas in one result: so many that the result is not cut. The best tools have theirs first.
const SCHEMA_BYTES: usize = 40 * 1024;
/// Characters of one description in a result.
const DESCRIPTION: usize = 1000;

/// What an agent is listed at `/mcp` where its address does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Listing {
    /// All that it could call.
    #[default]
    Whole,
    /// The two tools that find and call the others.
    Short,
}

/// A tool of the hub's own, with its schema compiled.
#[derive(Clone)]
pub struct Own {
    /// The tool.
    pub tool: Arc<Tool>,
    /// What its arguments must fit.
    pub input: Arc<Schema>,
}

/// Both tools.
#[derive(Clone)]
pub struct Finding {
    /// `deputy__find_tools`.
    pub find: Own,
    /// `deputy__call_tool`.
    pub call: Own,
}

impl Finding {
    /// Of the hub at this address. `None` if that is no address; then there are no such tools.
    #[must_use]
    pub fn of(hub: &Issuer) -> Option<Self> {
        let find = own(
            hub,
            FIND,
            "Find tools",
            "Finds tools by what they do. There are more tools than you are shown: search for what you want to do in a \
             few words, or for a tool's exact name. Each result has its name, description and input schema; call it \
             directly, or with deputy__call_tool if it is not among the tools you are shown.",
            json!({
                "type": "object",
                "properties": {
                    "query": {
                        "type": "string", "minLength": 1,
                        "description": "What the tool should do, in a few words, or its exact name.",
                    },
                    "limit": {
                        "type": "integer", "minimum": 1, "maximum": MOST_RESULTS,
                        "description": format!("How many results; {USUAL_RESULTS} if it is left out."),
                    },
                },
                "required": ["query"],
                "additionalProperties": false,
            }),
            Some(output()),
        )?;
        let call = own(
            hub,
            CALL,
            "Call a tool",
            "Calls a tool that deputy__find_tools found, with arguments that fit its input schema. It is the same as \
             calling that tool directly: the same permissions, approvals and log.",
            json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "The name of the tool, as deputy__find_tools gave it." },
                    "arguments": { "type": "object", "description": "What that tool's input schema asks for." },
                },
                "required": ["name"],
                "additionalProperties": false,
            }),
            None,
        )?;
        Some(Self { find, call })
    }
}

fn own(
    hub: &Issuer,
    name: &str,
    title: &str,
    description: &str,
    input_schema: Value,
    output_schema: Option<Value>,
) -> Option<Own> {
    let definition = Definition {
        name: name.parse().ok()?,
        title: Some(title.to_owned()),
        description: description.to_owned(),
        input_schema: Some(input_schema.clone()),
        output_schema,
        annotations: (name == FIND).then(|| json!({"readOnlyHint": true})),
        kind: ToolKind::Server,
    };
    let (scheme, rest) = hub.as_str().split_once("://")?;
    let origin = Origin::new(format!("{scheme}://{}", rest.split('/').next()?)).ok()?;
    let tool = Tool {
        source: SOURCE.parse().ok()?,
        source_kind: SourceKind::Server,
        hash: definition.hash(&origin).ok()?,
        origin,
        definition: Arc::new(definition),
        class: Class::READ,
        owner: None,
    };
    let input = Schema::compile(&input_schema).ok()?;
    Some(Own { tool: Arc::new(tool), input: Arc::new(input) })
}

fn output() -> Value {
    json!({
        "type": "object",
        "properties": {"tools": {"type": "array", "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "title": {"type": "string"},
                "description": {"type": "string"},
                "inputSchema": {"type": "object"},
                "schemaLeftOut": {"type": "boolean"},
            },
            "required": ["name", "description"],
        }}},
        "required": ["tools"],
    })
}

/// What `deputy__find_tools` was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// In words.
    pub query: String,
    /// How many results.
    pub limit: usize,
}

impl Sought {
    /// From arguments that fit the tool's schema.
    #[must_use]
    pub fn of(arguments: &Value) -> Self {
        let query = arguments.get("query").and_then(Value::as_str).unwrap_or_default().to_owned();
        let limit = arguments.get("limit").and_then(Value::as_f64).unwrap_or(0.0);
        let most =
            (1..=MOST_RESULTS).rev().find(|most| f64::from(u32::try_from(*most).unwrap_or(0)) <= limit);
        Self { query, limit: most.unwrap_or(USUAL_RESULTS) }
    }
}

/// What `deputy__call_tool` was asked: the call that is meant. It is carried instead of the one that named it.
#[derive(Debug, Clone)]
pub struct Named {
    /// The public name of the tool.
    pub name: String,
    /// Its arguments, as they came.
    pub arguments: Arguments,
}

impl Named {
    /// From the arguments of `deputy__call_tool`.
    ///
    /// # Errors
    /// A sentence for a model: what is missing, or that this tool does not call itself.
    pub fn of(arguments: &Arguments) -> Result<Self, String> {
        let object = deputy_protocol::relay::Object::parse(arguments.raw())
            .map_err(|error| format!("the arguments: {error}"))?;
        let name: String = object.read("name").ok_or("`name` must be the name of a tool")?;
        if name == format!("{SOURCE}__{CALL}") {
            return Err(format!("`name` must be another tool than `{name}`"));
        }
        let inner = match object.get("arguments").filter(|raw| raw.get() != "null") {
            Some(raw) => Arguments::parse(raw),
            None => Arguments::none(),
        };
        let arguments = inner.map_err(|error| format!("`arguments`: {error}"))?;
        Ok(Self { name, arguments })
    }
}

/// A tool that was found, as the caller may see it.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Its public name.
    pub name: &'a str,
    /// What it is.
    pub definition: &'a Definition,
}

/// What a search answers: content blocks, and the same as a structured result. The schemas of the best are whole; where
/// there is no room left they are left out, and the exact name brings them.
#[must_use]
pub fn rendered(found: &[Found<'_>]) -> (Vec<Value>, Value) {
    let mut left = SCHEMA_BYTES;
    let tools: Vec<Value> = found.iter().map(|one| rendered_one(one, &mut left)).collect();
    let structured = json!({"tools": tools});
    let text = if found.is_empty() {
        "No tool that you may use fits. Try other words, or fewer.".to_owned()
    } else {
        structured.to_string()
    };
    (vec![content::text(&text)], structured)
}

fn rendered_one(found: &Found<'_>, left: &mut usize) -> Value {
    let mut tool = Map::new();
    tool.insert("name".to_owned(), json!(found.name));
    if let Some(title) = &found.definition.title {
        tool.insert("title".to_owned(), json!(title));
    }
    tool.insert("description".to_owned(), json!(shortened(&found.definition.description)));
    let any = json!({"type": "object"});
    let schema = found.definition.input_schema.as_ref().filter(|schema| schema.is_object()).unwrap_or(&any);
    let bytes = schema.to_string().len();
    // A tool that is asked for by name is alone or first: it always has its schema.
    if bytes <= *left || *left == SCHEMA_BYTES {
        *left = left.saturating_sub(bytes.max(1));
        tool.insert("inputSchema".to_owned(), schema.clone());
    } else {
        tool.insert("schemaLeftOut".to_owned(), json!(true));
    }
    Value::Object(tool)
}

fn shortened(words: &str) -> String {
    if words.chars().count() <= DESCRIPTION {
        return words.to_owned();
    }
    let mut short: String = words.chars().take(DESCRIPTION - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
