//! Tasks of many servers behind one address (extension `io.modelcontextprotocol/tasks`, modern era alone): what servers
//! answer, under another id than their own. Whose task an id is, the door decides.

use super::combined;
use crate::relay::{Object, raw};
use deputy_core::SourceName;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;

/// The extension, among `extensions`.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Whether a method is one of the extension's.
#[must_use]
pub fn is_method(method: &str) -> bool {
    matches!(method, "tasks/get" | "tasks/update" | "tasks/cancel")
}

/// Whether a client that says this of itself (`clientCapabilities`) knows tasks.
#[must_use]
pub fn known_by(capabilities: &RawValue) -> bool {
    let extensions =
        Object::parse(capabilities).ok().and_then(|all| all.read::<Map<String, Value>>("extensions"));
    extensions.is_some_and(|extensions| extensions.contains_key(EXTENSION))
}

/// Whether nothing more becomes of a task that stands so.
#[must_use]
pub fn is_over(task: &RawValue) -> bool {
    let status = Object::parse(task).ok().and_then(|task| task.read::<String>("status"));
    status.is_some_and(|status| matches!(status.as_str(), "completed" | "failed" | "cancelled"))
}

/// What a tool's call is answered with where it became a task (`CreateTaskResult`).
#[derive(Debug, Clone)]
pub struct Created {
    members: Object,
    /// The server's own id.
    pub own: String,
    /// How long the server keeps the task; `None`: it does not say, or without a limit.
    pub life: Option<Duration>,
}

impl Created {
    /// `None`: the call did not become a task.
    #[must_use]
    pub fn of(result: &RawValue) -> Option<Self> {
        if !result.get().contains("taskId") {
            return None;
        }
        let members = Object::parse(result).ok()?;
        if members.read::<String>("resultType").as_deref() != Some("task") {
            return None;
        }
        let (own, life) = (members.read("taskId")?, members.read("ttlMs").map(Duration::from_millis));
        Some(Self { members, own, life })
    }

    /// The same under this id.
    #[must_use]
    pub fn under(mut self, id: &str) -> Box<RawValue> {
        self.members.set("taskId", raw(id));
        self.members.to_raw()
    }
}

/// The parameters of a request about a task, under the server's own id.
#[must_use]
pub fn owned(params: Option<&RawValue>, own: &str) -> Option<Box<RawValue>> {
    let mut params = Object::parse(params?).ok()?;
    params.set("taskId", raw(own));
    Some(params.to_raw())
}

/// What a server says of a task, under the id that the client knows; what the call came to, with the public form of the
/// URIs in it.
#[must_use]
pub fn answered(source: &SourceName, id: &str, result: &RawValue) -> Box<RawValue> {
    let Ok(mut members) = Object::parse(result) else { return result.to_owned() };
    members.replace("taskId", |_| Some(raw(id)));
    members.replace("result", |result| Some(combined::result("tools/call", source, result)));
    members.to_raw()
}
