//! What a request carries in `_meta`.

use crate::jsonrpc::{Fault, Id, Members, code};
use crate::trace::TraceContext;
use deputy_core::canonical::parse_strict;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The revision of this request. Required in the modern era.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do. Required in the modern era.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Who the client says it is.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Wants log messages of this request, from this level on.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// On everything of a listen stream: the id of the listen request.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// Who the server says it is.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Asks for progress.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// The trace that the request belongs to (W3C Trace Context, SEP-414).
pub const TRACE_PARENT: &str = "traceparent";
/// What other systems keep beside the trace.
pub const TRACE_STATE: &str = "tracestate";
/// Ours: which tab is meant, where several offer the tool.
pub const TAB: &str = "dev.deputy/tab";
/// Ours, in lists: the tabs that offer a tool.
pub const TABS: &str = "dev.deputy/tabs";
/// Ours: the stable code of a refusal.
pub const REASON: &str = "dev.deputy/reason";
/// Ours: the source of a tool.
pub const SOURCE: &str = "dev.deputy/source";
/// Ours, in lists: sources that do not answer, so that what they offer is missing.
pub const MISSING: &str = "dev.deputy/missing";
/// Ours: the class of a tool.
pub const CLASS: &str = "dev.deputy/class";

/// Ours, on answers: the origin behind the source.
pub const ORIGIN: &str = "dev.deputy/origin";
/// Ours, on answers: the source's own name for the tool.
pub const TOOL: &str = "dev.deputy/tool";
/// Ours, on answers: the pin of the tool's definition.
pub const DEFINITION: &str = "dev.deputy/definition";
/// Ours, on answers: how far to believe it.
pub const TRUST: &str = "dev.deputy/trust";
/// Ours, on answers: how many hidden characters were taken out.
pub const REMOVED: &str = "dev.deputy/removed";
/// Ours, on answers that were cut: how to read on.
pub const MORE: &str = "dev.deputy/more";

/// Members of `params` that we read, in any method; a variant in another case is refused (R9).
const PARAMS: &[&str] = &[
    "_meta",
    "name",
    "arguments",
    "cursor",
    "requestState",
    "inputResponses",
    "notifications",
    "requestId",
    "protocolVersion",
    "clientInfo",
    "capabilities",
    "uri",
    "taskId",
    "task",
];

/// The parameters of a request: the members that we read, and `_meta`.
#[derive(Debug, Default)]
pub struct Params<'a> {
    members: Members<'a>,
    meta: Map<String, Value>,
}

impl<'a> Params<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// -32602: not an object, a member twice or in another case, a `_meta` that is no object.
    pub fn parse(raw: Option<&'a RawValue>) -> Result<Self, Fault> {
        let Some(raw) = raw else { return Ok(Self::default()) };
        let wrong = |why: String| Fault::new(code::INVALID_PARAMS, why);
        let members = Members::parse(raw, PARAMS).map_err(|why| wrong(format!("`params`: {why}")))?;
        let meta = match members.raw("_meta") {
            None => Map::new(),
            Some(raw) => match parse_strict(raw.get().as_bytes()) {
                Ok(Value::Object(meta)) => meta,
                Ok(_) => return Err(wrong("`_meta` must be an object".to_owned())),
                Err(why) => return Err(wrong(format!("`_meta`: {why}"))),
            },
        };
        Ok(Self { members, meta })
    }

    /// The members other than `_meta`.
    #[must_use]
    pub const fn members(&self) -> &Members<'a> {
        &self.members
    }

    /// Whether the modern envelope is there.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.meta.contains_key(PROTOCOL_VERSION)
    }

    /// Whether a part of the modern envelope is there.
    #[must_use]
    pub fn is_partly_modern(&self) -> bool {
        [PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO].iter().any(|key| self.meta.contains_key(*key))
    }

    /// The modern envelope, checked.
    ///
    /// # Errors
    /// -32602 naming what is missing.
    pub fn envelope(&self) -> Result<Envelope<'_>, Fault> {
        let missing = |key: &str, kind: &str| {
            Fault::new(code::INVALID_PARAMS, format!("`_meta` must have `{key}`, {kind}"))
        };
        let version = self.meta.get(PROTOCOL_VERSION).and_then(Value::as_str);
        let version = version.ok_or_else(|| missing(PROTOCOL_VERSION, "a string"))?;
        let capabilities = self.meta.get(CLIENT_CAPABILITIES).and_then(Value::as_object);
        let capabilities = capabilities.ok_or_else(|| missing(CLIENT_CAPABILITIES, "an object"))?;
        Ok(Envelope { version, capabilities })
    }

    /// What the client calls itself: name and version.
    #[must_use]
    pub fn client_label(&self) -> Option<String> {
        label(self.meta.get(CLIENT_INFO)?)
    }

    /// The token under which progress is wanted; a string or an integer, else it counts as absent.
    #[must_use]
    pub fn progress_token(&self) -> Option<Id> {
        Id::from_value(self.meta.get(PROGRESS_TOKEN)?)
    }

    /// The trace that the request belongs to, if it says so in good form.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::of_meta(&self.meta)
    }

    /// The tab that the agent chose.
    #[must_use]
    pub fn tab(&self) -> Option<&Value> {
        self.meta.get(TAB)
    }
}

/// The part of `_meta` that every modern request has.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The revision.
    pub version: &'a str,
    /// What the client can do, on this request.
    pub capabilities: &'a Map<String, Value>,
}

/// Name and version of an implementation object.
#[must_use]
pub fn label(implementation: &Value) -> Option<String> {
    let name = implementation.get("name")?.as_str()?;
    let version = implementation.get("version").and_then(Value::as_str).unwrap_or_default();
    Some(format!("{name} {version}").trim().to_owned())
}
