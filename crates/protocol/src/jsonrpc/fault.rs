//! Error objects.

use super::Id;
use serde_json::{Value, json};

/// Codes of JSON-RPC 2.0 and MCP 2026-07-28 (reference, section 2.2). Our own lie outside -32768..-32000.
pub mod code {
    /// The body is not JSON.
    pub const PARSE: i64 = -32700;
    /// Not a JSON-RPC message that is accepted here.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Bad parameters, cursor or state; unknown tool.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Our fault.
    pub const INTERNAL: i64 = -32603;
    /// A header says something else than the body.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The client did not declare what it needs.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// A version that we do not speak.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// The client cancelled it.
    pub const CANCELLED: i64 = -32800;
}

/// An error to answer with.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// To which request; `null` on the wire if it could not be read.
    pub id: Option<Id>,
    /// One of [`code`].
    pub code: i64,
    /// A sentence.
    pub message: String,
    /// What programs may read.
    pub data: Option<Box<Value>>,
}

impl Fault {
    /// Without id and data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { id: None, code, message: message.into(), data: None }
    }

    /// The same, in answer to a request.
    #[must_use]
    pub fn answering(mut self, id: Option<&Id>) -> Self {
        self.id = id.cloned();
        self
    }

    /// The same, with data.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }

    /// The whole response.
    #[must_use]
    pub fn response(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(data), Some(members)) = (&self.data, error.as_object_mut()) {
            members.insert("data".to_owned(), data.as_ref().clone());
        }
        json!({"jsonrpc": "2.0", "id": self.id, "error": error})
    }
}
