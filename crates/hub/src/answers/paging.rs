//! The hub's one tool of its own, `deputy__more`: reads on where an answer was cut. It is called as any other is, by policy
//! and with two lines in the log, and it is there for whom there is something to read on.

use super::SOURCE;
use deputy_core::{Class, Definition, Issuer, Origin, SourceKind, Tool, ToolKind};
use deputy_protocol::schema::Schema;
use serde_json::{Value, json};
use std::sync::Arc;

/// Its own name.
pub(super) const TOOL: &str = "more";
/// The argument that it takes.
pub(super) const HANDLE: &str = "handle";

/// The tool, with its schema compiled.
#[derive(Clone)]
pub struct Paging {
    /// The tool.
    pub tool: Arc<Tool>,
    /// What its arguments must fit.
    pub input: Arc<Schema>,
}

impl Paging {
    /// Of the hub at this address. `None` if that is no address; then long answers are cut and cannot be read on.
    #[must_use]
    pub fn of(hub: &Issuer) -> Option<Self> {
        let schema = json!({
            "type": "object",
            "properties": { HANDLE: { "type": "string", "description": "The handle from the end of the answer." } },
            "required": [HANDLE],
            "additionalProperties": false,
        });
        let definition = Definition {
            name: TOOL.parse().ok()?,
            title: Some("Read on".to_owned()),
            description: "Reads on where Deputy cut an answer that was too long. The end of that answer has the handle."
                .to_owned(),
            input_schema: Some(schema.clone()),
            output_schema: None,
            annotations: Some(json!({"readOnlyHint": true})),
            kind: ToolKind::Server,
        };
        let origin = origin(hub)?;
        let tool = Tool {
            source: SOURCE.parse().ok()?,
            source_kind: SourceKind::Server,
            hash: definition.hash(&origin).ok()?,
            origin,
            definition: Arc::new(definition),
            class: Class::READ,
            owner: None,
        };
        let input = Schema::compile(&schema).ok()?;
        Some(Self { tool: Arc::new(tool), input: Arc::new(input) })
    }

    /// Whether a tool is this one: its source is the hub's own, which no application or server can have.
    pub(crate) fn is(tool: &Tool) -> bool {
        tool.source.as_str() == SOURCE
    }

    /// The handle among a call's arguments.
    pub(crate) fn handle(arguments: &Value) -> &str {
        arguments.get(HANDLE).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Scheme, host and port of an address.
fn origin(address: &Issuer) -> Option<Origin> {
    let (scheme, rest) = address.as_str().split_once("://")?;
    let host = rest.split('/').next()?;
    Origin::new(format!("{scheme}://{host}")).ok()
}
