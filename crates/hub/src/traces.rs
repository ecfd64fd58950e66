//! Traces of calls: one span for the request, and below it one for each thing that a call waits for.
//!
//! ```text
//! tools/call note (SERVER)            the request, from the door to its end
//! ├─ decide                           catalog, arguments, policy, limits
//! │  └─ wait for a person             only where one is asked
//! ├─ record intent                    until the line is on disk
//! ├─ tools/call note (CLIENT)         the effect; its context is what the server is told
//! └─ record outcome                   until the line is on disk
//! ```
//!
//! Where nobody wants spans ([`Tracing`] is absent), or a trace is not sampled, no span is made: a context that a client
//! brought is then merely carried.

mod span;

pub use span::{Served, Span};

use crate::ports::Clock;
use crate::ports::spans::{SpanCounts, SpanKind, SpanSink};
use deputy_core::id::random_bytes;
use deputy_protocol::trace::{SpanId, TraceContext, TraceId};
use span::{Live, Opening};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which part of the traces that begin here is recorded. Where a client brings a trace, its own word holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample(f64);

impl Sample {
    /// All.
    pub const ALL: Self = Self(1.0);

    /// A part, from 0 to 1; `None`: that is no part.
    #[must_use]
    pub fn part(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then_some(Self(part))
    }

    /// Whether a trace is recorded: by its id, so that everybody who goes by the same part comes to the same.
    #[must_use]
    pub fn takes(self, trace: TraceId) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of all ids, from 0 to 2^63, need not be exact; the cast saturates"
        )]
        let below = (self.0 * (1_u64 << 63) as f64) as u64;
        trace.low() >> 1 < below
    }
}

/// What spans need.
#[derive(Clone)]
pub struct Tracing {
    /// Where they go.
    pub sink: Arc<dyn SpanSink>,
    /// How many are made.
    pub sample: Sample,
}

/// Makes spans, if anybody wants them.
pub struct Traces {
    tracing: Option<Tracing>,
    clock: Arc<dyn Clock>,
    /// The moment from which the clock that nobody sets counts, in nanoseconds since 1970.
    began_ns: AtomicU64,
}

impl Traces {
    /// With nothing begun; without `tracing` no span is ever made.
    #[must_use]
    pub fn new(tracing: Option<Tracing>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { tracing, clock, began_ns: AtomicU64::new(0) })
    }

    /// What became of spans; `None`: none are made.
    #[must_use]
    pub fn counts(&self) -> Option<SpanCounts> {
        self.tracing.as_ref().map(|tracing| tracing.sink.counts())
    }

    /// A request has come: of this method, in this revision of the protocol, with this context if it brought a good one.
    #[must_use]
    pub fn serve(
        self: &Arc<Self>,
        method: &str,
        revision: &'static str,
        context: Option<TraceContext>,
    ) -> Served {
        let Some(tracing) = &self.tracing else { return Served::carrying(context) };
        let (own, parent) = match context {
            Some(context) if !context.is_sampled() => return Served::carrying(Some(context)),
            Some(context) => match random_bytes().map(u64::from_be_bytes) {
                Ok(id) => (context.from_span(SpanId::new(id)), Some(context.span)),
                Err(_) => return Served::carrying(Some(context)),
            },
            None => match fresh(tracing.sample) {
                Some(own) if own.is_sampled() => (own, None),
                // What is asked below need not throw the die again.
                not_sampled => return Served::carrying(not_sampled),
            },
        };
        Served::of(Live::new(self, own.clone()), own, parent, known(method), revision)
    }

    /// The time in nanoseconds since 1970. The date is known to the millisecond, and the time since some moment much more
    /// exactly: of both together the moment becomes known the more exactly the more often this is asked. Where somebody
    /// sets the date, it is known anew.
    fn now_ns(&self) -> u64 {
        const MILLISECOND: u64 = 1_000_000;
        let elapsed = u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let at_least = (self.clock.now().millis().saturating_mul(MILLISECOND)).saturating_sub(elapsed);
        let known = self.began_ns.load(Ordering::Relaxed);
        let fits = known >= at_least && known - at_least < MILLISECOND;
        if !fits {
            self.began_ns.store(at_least, Ordering::Relaxed);
        }
        if fits { known } else { at_least }.saturating_add(elapsed)
    }
}

/// The trace of one request, as it is handed on within the hub.
#[derive(Clone, Default)]
pub struct Trace {
    /// What is told to whoever is asked.
    context: Option<Arc<TraceContext>>,
    /// Where spans are made; `None`: none are.
    live: Option<Arc<Live>>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Trace {
    /// Which one.
    #[must_use]
    pub fn id(&self) -> Option<TraceId> {
        self.context.as_ref().map(|context| context.trace)
    }

    /// What whoever is asked next is told.
    #[must_use]
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_deref()
    }

    /// Begins a span of the hub's own.
    pub(crate) fn span(&self, name: &'static str) -> Span {
        self.begin(SpanKind::Internal, || name.into())
    }

    /// Begins the span of asking somebody else. Its name is made only where it is needed.
    pub(crate) fn asking(&self, name: impl FnOnce() -> String) -> Span {
        self.begin(SpanKind::Client, || name().into())
    }

    /// The same trace, where what follows belongs to `span`.
    pub(crate) fn within(&self, span: &Span) -> Self {
        match span.context() {
            Some(context) => Self { context: Some(Arc::new(context)), live: self.live.clone() },
            None => self.clone(),
        }
    }

    /// Says something of the request as a whole; nothing is made where nobody records.
    pub(crate) fn say(&self, say: impl FnOnce(&mut span::Said)) {
        if let Some(live) = &self.live {
            live.say(say);
        }
    }

    fn begin(&self, kind: SpanKind, name: impl FnOnce() -> std::borrow::Cow<'static, str>) -> Span {
        match (&self.live, &self.context) {
            (Some(live), Some(under)) => {
                let (own, parent) = (under.from_span(live.next()), Some(under.span));
                Span::open(live, Opening { own, parent, parent_is_remote: false, kind, name: name() })
            }
            _ => Span::none(),
        }
    }
}

/// A trace that begins here.
fn fresh(sample: Sample) -> Option<TraceContext> {
    let trace = TraceId::new(random_bytes().ok()?)?;
    let span = SpanId::new(u64::from_be_bytes(random_bytes().ok()?));
    Some(if sample.takes(trace) {
        TraceContext::recorded(trace, span)
    } else {
        TraceContext::unrecorded(trace, span)
    })
}

/// Methods by their names; what a client made up is not repeated.
fn known(method: &str) -> &'static str {
    const METHODS: [&str; 9] = [
        "tools/call",
        "prompts/get",
        "resources/read",
        "completion/complete",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tasks/update",
        "tasks/cancel",
    ];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests;
