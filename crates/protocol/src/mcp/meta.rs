//! What a request carries in `_meta`.

use crate::jsonrpc::{Fault, Id, Members, code};
use crate::trace::TraceContext;
use deputy_core::canonical::parse_strict;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

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
    meta: Members<'a>,
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
        let meta = members.raw("_meta").map(strict).transpose()?.unwrap_or_default();
        Ok(Self { members, meta })
    }

    /// The members of `_meta`: none is there twice, at any depth.
    #[must_use]
    pub const fn meta(&self) -> &Members<'a> {
        &self.meta
    }

    /// The members other than `_meta`.
    #[must_use]
    pub const fn members(&self) -> &Members<'a> {
        &self.members
    }

    /// Whether the modern envelope is there.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.meta.has(PROTOCOL_VERSION)
    }

    /// Whether a part of the modern envelope is there.
    #[must_use]
    pub fn is_partly_modern(&self) -> bool {
        [PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO].iter().any(|key| self.meta.has(key))
    }

    /// The modern envelope, checked.
    ///
    /// # Errors
    /// -32602 naming what is missing.
    pub fn envelope(&self) -> Result<Envelope<'a>, Fault> {
        let missing = |key: &str, kind: &str| {
            Fault::new(code::INVALID_PARAMS, format!("`_meta` must have `{key}`, {kind}"))
        };
        let version = self.meta.borrowed(PROTOCOL_VERSION);
        let version = version.ok_or_else(|| missing(PROTOCOL_VERSION, "a string"))?;
        let capabilities = self.meta.raw(CLIENT_CAPABILITIES).filter(|raw| raw.get().starts_with('{'));
        let capabilities = capabilities.ok_or_else(|| missing(CLIENT_CAPABILITIES, "an object"))?;
        Ok(Envelope { version, capabilities })
    }

    /// What the client calls itself: name and version.
    #[must_use]
    pub fn client_label(&self) -> Option<String> {
        let own = Members::parse(self.meta.raw(CLIENT_INFO)?, &[]).ok()?;
        let version = own.borrowed("version").unwrap_or_default();
        Some(named(&own.borrowed("name")?, &version))
    }

    /// The token under which progress is wanted; a string or an integer, else it counts as absent.
    #[must_use]
    pub fn progress_token(&self) -> Option<Id> {
        self.meta.raw(PROGRESS_TOKEN)?.get().parse().ok()
    }

    /// The trace that the request belongs to, if it says so in good form.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        let state = self.meta.borrowed(TRACE_STATE);
        TraceContext::parse(&self.meta.borrowed(TRACE_PARENT)?, state.as_deref())
    }

    /// The tab that the agent chose.
    #[must_use]
    pub fn tab(&self) -> Option<Value> {
        self.meta.read(TAB)
    }
}

/// The members of `_meta`, which has none twice, however deep.
fn strict(raw: &RawValue) -> Result<Members<'_>, Fault> {
    let wrong = |why: String| Fault::new(code::INVALID_PARAMS, why);
    let strictly =
        |raw: &RawValue| parse_strict(raw.get().as_bytes()).map_err(|why| wrong(format!("`_meta`: {why}")));
    if !raw.get().starts_with('{') {
        strictly(raw)?;
        return Err(wrong("`_meta` must be an object".to_owned()));
    }
    let members = match Members::parse(raw, &[]) {
        Ok(members) => members,
        Err(why) => {
            strictly(raw)?;
            return Err(wrong(format!("`_meta`: {why}")));
        }
    };
    for (_, value) in members.iter().filter(|(_, value)| !is_plain(value.get())) {
        strictly(value)?;
    }
    Ok(members)
}

/// Whether there is nothing in it that a strict reader could stumble over: most of `_meta` is short words and empty objects.
fn is_plain(value: &str) -> bool {
    let is_text = || value.starts_with('"') && !value.contains('\\');
    let is_count = || value.len() <= 15 && value.bytes().all(|byte| byte.is_ascii_digit());
    matches!(value, "{}" | "[]" | "true" | "false" | "null") || is_text() || is_count()
}

/// The part of `_meta` that every modern request has.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// The revision.
    pub version: Cow<'a, str>,
    /// What the client can do, on this request: an object.
    pub capabilities: &'a RawValue,
}

/// Name and version of an implementation object.
#[must_use]
pub fn label(implementation: &Value) -> Option<String> {
    let name = implementation.get("name")?.as_str()?;
    let version = implementation.get("version").and_then(Value::as_str).unwrap_or_default();
    Some(named(name, version))
}

fn named(name: &str, version: &str) -> String {
    format!("{name} {version}").trim().to_owned()
}
