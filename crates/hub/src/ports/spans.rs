//! Where spans go when they have ended.

use deputy_protocol::trace::{SpanId, TraceContext, TraceId};
use std::borrow::Cow;

/// What a span is to its neighbours (OpenTelemetry's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Somebody else's request is answered.
    Server,
    /// Somebody else is asked.
    Client,
    /// Neither.
    Internal,
}

/// A fact about a span: words of fixed sets, names of the configuration and of definitions. Never arguments, answers,
/// people, or anything that a client made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, by OpenTelemetry's conventions where there is one.
    pub name: &'static str,
    /// Its value.
    pub value: Cow<'static, str>,
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSpan {
    /// Which one, of which trace, with the state that it was asked with.
    pub own: TraceContext,
    /// The one that it belongs to.
    pub parent: Option<SpanId>,
    /// Whether that one is somebody else's.
    pub parent_is_remote: bool,
    /// What it is to its neighbours.
    pub kind: SpanKind,
    /// What it is about; few different ones.
    pub name: Cow<'static, str>,
    /// Nanoseconds since 1970.
    pub began_ns: u64,
    /// The same.
    pub ended_ns: u64,
    /// Facts.
    pub attributes: Vec<Attribute>,
    /// What went wrong, in a word of a fixed set.
    pub error: Option<Cow<'static, str>>,
}

impl EndedSpan {
    /// The trace.
    #[must_use]
    pub const fn trace(&self) -> TraceId {
        self.own.trace
    }
}

/// How many spans went where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanCounts {
    /// A collector has them.
    pub exported: u64,
    /// Nobody has them: there were too many, or no collector took them.
    pub dropped: u64,
}

/// Takes spans.
pub trait SpanSink: Send + Sync {
    /// Takes one. Never waits and never fails: what there is no room for is counted, and dropped.
    fn take(&self, span: EndedSpan);
    /// What became of them so far.
    fn counts(&self) -> SpanCounts;
}
