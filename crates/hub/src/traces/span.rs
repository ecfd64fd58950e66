//! Spans: each ends when it is dropped, whatever became of the task that it was begun in.

use super::{Trace, Traces};
use crate::ports::spans::{Attribute, EndedSpan, SpanKind};
use deputy_protocol::trace::{SpanId, TraceContext};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A trace that is recorded.
pub(super) struct Live {
    traces: Arc<Traces>,
    /// Ids of its spans count up from a random one: within a trace they differ.
    next: AtomicU64,
    said: Mutex<Said>,
}

/// What is known of the request as a whole.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What it is about, beside its method.
    pub(crate) target: Option<String>,
    /// Facts; a later one takes the place of an earlier one.
    attributes: Vec<Attribute>,
    /// What went wrong.
    pub(crate) error: Option<Cow<'static, str>>,
    /// Whether it came to an end, and was not merely left.
    pub(crate) has_ended: bool,
}

impl Said {
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        set(&mut self.attributes, name, value.into());
    }
}

fn set(attributes: &mut Vec<Attribute>, name: &'static str, value: Cow<'static, str>) {
    match attributes.iter_mut().find(|attribute| attribute.name == name) {
        Some(attribute) => attribute.value = value,
        None => attributes.push(Attribute { name, value }),
    }
}

impl Live {
    pub(super) fn new(traces: &Arc<Traces>, own: TraceContext) -> Arc<Self> {
        let first = u64::from_be_bytes(own.span.to_bytes()).wrapping_add(1);
        Arc::new(Self { traces: Arc::clone(traces), next: AtomicU64::new(first), said: Mutex::default() })
    }

    pub(super) fn next(&self) -> SpanId {
        SpanId::new(self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn say(&self, say: impl FnOnce(&mut Said)) {
        say(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How a span begins.
pub(super) struct Opening {
    pub(super) own: TraceContext,
    pub(super) parent: Option<SpanId>,
    pub(super) parent_is_remote: bool,
    pub(super) kind: SpanKind,
    pub(super) name: Cow<'static, str>,
}

/// A span that has begun; where nobody records, nothing at all.
pub struct Span(Option<Box<Open>>);

struct Open {
    live: Arc<Live>,
    opening: Opening,
    began_ns: u64,
    attributes: Vec<Attribute>,
    error: Option<Cow<'static, str>>,
}

impl Span {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn open(live: &Arc<Live>, opening: Opening) -> Self {
        let (live, began_ns) = (Arc::clone(live), live.traces.now_ns());
        Self(Some(Box::new(Open { live, opening, began_ns, attributes: Vec::new(), error: None })))
    }

    /// States a fact; its value is made only where somebody records.
    pub(crate) fn set<V: Into<Cow<'static, str>>>(&mut self, name: &'static str, value: impl FnOnce() -> V) {
        if let Some(open) = &mut self.0 {
            set(&mut open.attributes, name, value().into());
        }
    }

    /// It went wrong, in a word of a fixed set.
    pub(crate) fn fail(&mut self, error: impl Into<Cow<'static, str>>) {
        if let Some(open) = &mut self.0 {
            open.error = Some(error.into());
        }
    }

    pub(super) fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|open| open.opening.own.clone())
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open {
            live,
            opening: Opening { own, parent, parent_is_remote, kind, name },
            began_ns,
            attributes,
            error,
        } = *open;
        let Some(tracing) = &live.traces.tracing else { return };
        let ended_ns = live.traces.now_ns().max(began_ns);
        tracing.sink.take(EndedSpan {
            own,
            parent,
            parent_is_remote,
            kind,
            name,
            began_ns,
            ended_ns,
            attributes,
            error,
        });
    }
}

/// A request that is being served; its span ends when this is dropped.
pub struct Served {
    root: Span,
    trace: Trace,
}

impl Served {
    /// Nobody records.
    pub(super) fn carrying(context: Option<TraceContext>) -> Self {
        Self { root: Span::none(), trace: Trace { context: context.map(Arc::new), live: None } }
    }

    pub(super) fn of(
        live: Arc<Live>,
        own: TraceContext,
        parent: Option<SpanId>,
        method: &'static str,
        revision: &'static str,
    ) -> Self {
        let opening = Opening {
            own: own.clone(),
            parent,
            parent_is_remote: true,
            kind: SpanKind::Server,
            name: method.into(),
        };
        let mut root = Span::open(&live, opening);
        root.set("mcp.method.name", || method);
        root.set("mcp.protocol.version", || revision);
        root.set("network.transport", || "tcp");
        if method == "tools/call" {
            root.set("gen_ai.operation.name", || "execute_tool");
        }
        Self { root, trace: Trace { context: Some(Arc::new(own)), live: Some(live) } }
    }

    /// The trace, for the wish that the request becomes.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.trace.clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Some(open) = &mut self.root.0 else { return };
        let said = std::mem::take(&mut *open.live.said.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(target) = said.target {
            open.opening.name = format!("{} {target}", open.opening.name).into();
        }
        for Attribute { name, value } in said.attributes {
            set(&mut open.attributes, name, value);
        }
        open.error = if said.has_ended { said.error } else { Some("cancelled".into()) };
    }
}
