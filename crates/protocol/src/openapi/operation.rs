//! One operation: what its tool is, and what its requests need.

use super::body::Body;
use super::exchange::Method;
use super::parameter::Parameter;
use super::path::Template;
use crate::schema::Schema;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// An operation that is offered as a tool.
#[derive(Debug, Clone)]
pub struct Operation {
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) description: String,
    pub(super) method: Method,
    /// As the document has it.
    pub(super) path: String,
    pub(super) template: Template,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    /// What is accepted as an answer.
    pub(super) accept: String,
    pub(super) input: Value,
    pub(super) output: Option<(Value, Arc<Schema>)>,
}

impl Operation {
    /// The tool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The HTTP method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The path as the document has it, with its variables.
    #[must_use]
    pub fn path_template(&self) -> &str {
        &self.path
    }

    /// How many segments the path has.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.template.0.len()
    }

    /// The tool as `tools/list` has it.
    #[must_use]
    pub fn tool(&self) -> Value {
        let mut tool = Map::new();
        tool.insert("name".to_owned(), json!(self.name));
        if let Some(title) = &self.title {
            tool.insert("title".to_owned(), json!(title));
        }
        tool.insert("description".to_owned(), json!(self.description));
        tool.insert("inputSchema".to_owned(), self.input.clone());
        if let Some((schema, _)) = &self.output {
            tool.insert("outputSchema".to_owned(), schema.clone());
        }
        tool.insert("annotations".to_owned(), annotations(self.method));
        Value::Object(tool)
    }

    /// Checks a structured answer against what the document says of it.
    ///
    /// # Errors
    /// One sentence: where, and what was expected.
    pub(super) fn fits(&self, structured: &Value) -> Result<(), String> {
        self.output.as_ref().map_or(Ok(()), |(_, schema)| schema.check(structured))
    }

    /// Whether it says that its answer is structured.
    pub(super) const fn is_described(&self) -> bool {
        self.output.is_some()
    }
}

/// What a method says of itself (RFC 9110 section 9.2). Hints: the hub hears them only where they raise a class.
fn annotations(method: Method) -> Value {
    match method {
        Method::Get | Method::Head => json!({"readOnlyHint": true}),
        Method::Delete => json!({"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true}),
        Method::Put => json!({"readOnlyHint": false, "idempotentHint": true}),
        Method::Post | Method::Patch => json!({"readOnlyHint": false}),
    }
}
