//! Spans that stay where a test can look at them.

use deputy_hub::ports::spans::{EndedSpan, SpanCounts, SpanSink};
use deputy_hub::traces::{Sample, Tracing};
use std::sync::{Arc, Mutex};

/// Takes every span, and keeps it.
#[derive(Default)]
pub struct HeldSpans(Mutex<Vec<EndedSpan>>);

impl HeldSpans {
    /// What a hub needs to hand its spans to this.
    #[must_use]
    pub fn tracing(self: &Arc<Self>, sample: Sample) -> Tracing {
        Tracing { sink: Arc::<Self>::clone(self), sample }
    }

    /// All that ended, in that order.
    #[must_use]
    pub fn all(&self) -> Vec<EndedSpan> {
        self.0.lock().unwrap().clone()
    }

    /// The one of this name.
    ///
    /// # Panics
    /// There is none, or more than one.
    #[must_use]
    pub fn one(&self, name: &str) -> EndedSpan {
        let all = self.all();
        let mut found = all.iter().filter(|span| span.name == name);
        let (first, second) = (found.next(), found.next());
        assert!(second.is_none(), "more than one `{name}`");
        let names: Vec<_> = all.iter().map(|span| &span.name).collect();
        first.unwrap_or_else(|| panic!("no `{name}` in {names:?}")).clone()
    }
}

impl SpanSink for HeldSpans {
    fn take(&self, span: EndedSpan) {
        self.0.lock().unwrap().push(span);
    }

    fn counts(&self) -> SpanCounts {
        SpanCounts { exported: self.all().len() as u64, dropped: 0 }
    }
}
