//! Trace context: which trace a request belongs to, and which span of it asked (W3C Trace Context; in `_meta` of MCP since
//! 2026-07-28, SEP-414).
//!
//! What is malformed is as good as absent: it is neither an error nor passed on.

mod state;

use crate::mcp::meta;
use crate::relay::{Object, raw};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// The bit of the flags that says: the caller records.
const SAMPLED: u8 = 1;
/// The bits that version 00 knows: sampled, and that the trace's id is random.
const KNOWN: u8 = 3;
/// The length of a `traceparent` of version 00, and of the part of any later one that is known.
const LENGTH: usize = 55;

/// A trace: never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// From random bytes; `None`: all of them are zero.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes))).filter(|id| id.0 != 0)
    }

    /// As the wire's binary form has it.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The part that sampling goes by: its last eight bytes, which any maker of ids draws at random.
    #[must_use]
    pub const fn low(self) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let low = self.0 as u64;
        low
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A span of a trace: never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl SpanId {
    /// From a random number; zero becomes one.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(if id == 0 { 1 } else { id })
    }

    /// As the wire's binary form has it.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where in which trace a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span that asks.
    pub span: SpanId,
    flags: u8,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// The beginning of a trace that is recorded.
    #[must_use]
    pub const fn recorded(trace: TraceId, span: SpanId) -> Self {
        Self { trace, span, flags: SAMPLED, state: None }
    }

    /// The beginning of a trace that is not.
    #[must_use]
    pub const fn unrecorded(trace: TraceId, span: SpanId) -> Self {
        Self { trace, span, flags: 0, state: None }
    }

    /// Reads `traceparent` and, beside a good one, `tracestate`. `None`: there is none, or it is malformed. A malformed
    /// `tracestate` alone is left out. Of a version after 00 the known part is read.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let (known, rest) = parent.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let (version, trace) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
        let (span, flags) = (hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let span = u64::try_from(span).ok()?;
        if !fits || trace == 0 || span == 0 {
            return None;
        }
        let flags = u8::try_from(flags).ok()?;
        Some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            flags: if version == 0 { flags } else { flags & KNOWN },
            state: state.and_then(state::checked).map(Arc::from),
        })
    }

    /// The same from a request's `_meta`.
    #[must_use]
    pub fn of_meta(meta: &serde_json::Map<String, serde_json::Value>) -> Option<Self> {
        let text = |name: &str| meta.get(name).and_then(serde_json::Value::as_str);
        Self::parse(text(meta::TRACE_PARENT)?, text(meta::TRACE_STATE))
    }

    /// Whether the caller records.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The same trace, asked by another span.
    #[must_use]
    pub fn from_span(&self, span: SpanId) -> Self {
        Self { span, flags: self.flags & KNOWN, ..self.clone() }
    }

    /// `traceparent`.
    #[must_use]
    pub fn parent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }

    /// The flags, as far as they mean something.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags & KNOWN
    }

    /// `tracestate`, as it came.
    #[must_use]
    pub const fn state(&self) -> Option<&Arc<str>> {
        self.state.as_ref()
    }
}

/// Lower-case hexadecimal of exactly this length.
fn hex(text: &str, length: usize) -> Option<u128> {
    let is_lower = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (text.len() == length && is_lower).then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// Parameters of a request as they go on: `_meta` has this context, or none. What else is in them stays the text that was
/// sent; `baggage` is the client's own and stays, too.
#[must_use]
pub fn carried(params: Box<RawValue>, context: Option<&TraceContext>) -> Box<RawValue> {
    // A name may be written with escapes.
    let may_have = params.get().contains("trace") || params.get().contains('\\');
    if context.is_none() && !may_have {
        return params;
    }
    with(&params, context).unwrap_or(params)
}

/// `None`: there is nothing to change.
fn with(params: &RawValue, context: Option<&TraceContext>) -> Option<Box<RawValue>> {
    let mut members = Object::parse(params).ok()?;
    let mut meta = match members.get("_meta") {
        Some(meta) => Object::parse(meta).ok()?,
        None if context.is_some() => Object::default(),
        None => return None,
    };
    let before = (meta.read::<String>(meta::TRACE_PARENT), meta.read::<String>(meta::TRACE_STATE));
    let after =
        (context.map(TraceContext::parent), context.and_then(TraceContext::state).map(ToString::to_string));
    let is_there = |name| meta.get(name).is_some();
    if before == after
        && is_there(meta::TRACE_PARENT) == after.0.is_some()
        && is_there(meta::TRACE_STATE) == after.1.is_some()
    {
        return None;
    }
    for (name, value) in [(meta::TRACE_PARENT, after.0), (meta::TRACE_STATE, after.1)] {
        match value {
            Some(value) => meta.set(name, raw(&value)),
            None => drop(meta.remove(name)),
        }
    }
    members.set("_meta", meta.to_raw());
    Some(members.to_raw())
}

#[cfg(test)]
mod tests;
