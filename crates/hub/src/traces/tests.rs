use super::*;
use crate::ports::spans::EndedSpan;
use deputy_core::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[derive(Default)]
struct Kept(Mutex<Vec<EndedSpan>>);

impl Kept {
    fn all(&self) -> Vec<EndedSpan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SpanSink for Kept {
    fn take(&self, span: EndedSpan) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn counts(&self) -> SpanCounts {
        SpanCounts::default()
    }
}

/// A date to the millisecond, and a time since some moment to the nanosecond.
struct Hands(Mutex<(u64, Duration)>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

fn traces(sample: Option<Sample>) -> (Arc<Traces>, Arc<Kept>) {
    let kept = Arc::<Kept>::default();
    let sink: Arc<dyn SpanSink> = Arc::<Kept>::clone(&kept);
    let clock = Arc::new(Hands(Mutex::new((1_000_000, Duration::from_secs(1)))));
    (Traces::new(sample.map(|sample| Tracing { sink, sample }), clock), kept)
}

fn context(parent: &str) -> Option<TraceContext> {
    Some(TraceContext::parse(parent, Some("a=1")).expect("good"))
}

#[test]
fn a_part_of_the_traces_is_taken_by_their_ids_and_everybody_comes_to_the_same() {
    let id = |low: u64| TraceId::new((u128::from(low) | 1 << 127).to_be_bytes()).expect("not zero");
    let tenth = Sample::part(0.1).expect("a part");
    let taken = (0..10_000_u64).filter(|n| tenth.takes(id(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))).count();
    assert!((900..1100).contains(&taken), "{taken} of 10000");
    assert!(tenth.takes(id(0)) && !tenth.takes(id(u64::MAX)));
    for low in [0, 1, u64::MAX / 2, u64::MAX] {
        assert!(Sample::ALL.takes(id(low)));
        assert!(!Sample::part(0.0).expect("a part").takes(id(low)));
    }
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(Sample::part(wrong), None);
    }
}

#[test]
fn without_anybody_who_wants_spans_a_context_is_carried_as_it_came_and_nothing_is_made() {
    let (traces, kept) = traces(None);
    let served = traces.serve("tools/call", "2026-07-28", context(PARENT));
    let trace = served.trace();
    let span = trace.asking(|| unreachable!("nobody needs its name"));
    assert_eq!(trace.within(&span).context(), context(PARENT).as_ref());
    drop((span, served));
    assert_eq!(traces.serve("tools/call", "2026-07-28", None).trace().context(), None);
    assert!(kept.all().is_empty());
    assert_eq!(traces.counts(), None);
}

#[test]
fn w3c_a_client_that_does_not_record_is_not_recorded_and_its_context_goes_on() {
    let (traces, kept) = traces(Some(Sample::ALL));
    let unsampled = context(&PARENT.replace("-01", "-00"));
    let served = traces.serve("tools/call", "2026-07-28", unsampled.clone());
    assert_eq!(served.trace().context(), unsampled.as_ref());
    drop(served);
    assert!(kept.all().is_empty());
}

#[test]
fn a_trace_that_is_not_taken_says_so_to_whoever_is_asked() {
    let (traces, kept) = traces(Sample::part(0.0));
    let served = traces.serve("tools/call", "2026-07-28", None);
    assert!(!served.trace().context().expect("a context").is_sampled());
    drop(served);
    assert!(kept.all().is_empty());
}

#[test]
fn w3c_spans_keep_the_trace_and_its_state_and_each_is_the_parent_of_what_follows() {
    let (traces, kept) = traces(Some(Sample::part(0.0).expect("a part")));
    let served = traces.serve("tools/call", "2026-07-28", context(PARENT));
    let outer = served.trace().span("outer");
    let inner = served.trace().within(&outer).asking(|| "inner".to_owned());
    let told = served.trace().within(&inner);
    assert_eq!(told.context().and_then(TraceContext::state).map(AsRef::as_ref), Some("a=1"));
    drop((inner, outer));
    served.trace().say(|said| said.has_ended = true);
    drop(served);
    let [inner, outer, root] = <[EndedSpan; 3]>::try_from(kept.all()).expect("three spans");
    assert_eq!(told.context().map(|context| context.span), Some(inner.own.span));
    assert_eq!((inner.parent, outer.parent), (Some(outer.own.span), Some(root.own.span)));
    assert_eq!(root.parent, context(PARENT).map(|context| context.span));
    assert_eq!((root.kind, outer.kind, inner.kind), (SpanKind::Server, SpanKind::Internal, SpanKind::Client));
    assert!((root.parent_is_remote, outer.parent_is_remote) == (true, false));
    for span in [&inner, &outer, &root] {
        assert_eq!(span.own.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(span.own.is_sampled());
        assert_eq!(span.error, None);
    }
    let mut ids = [inner.own.span, outer.own.span, root.own.span].map(|id| id.to_string());
    ids.sort();
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
}

#[test]
fn a_request_that_is_left_before_its_end_is_cancelled() {
    let (traces, kept) = traces(Some(Sample::ALL));
    drop(traces.serve("tools/call", "2026-07-28", None));
    assert_eq!(kept.all()[0].error.as_deref(), Some("cancelled"));
}

#[test]
fn a_method_that_a_client_made_up_is_not_repeated() {
    let (traces, kept) = traces(Some(Sample::ALL));
    drop(traces.serve("secrets/alice", "2026-07-28", None));
    assert_eq!(kept.all()[0].name, "_OTHER");
    assert!(!format!("{:?}", kept.all()).contains("alice"));
}

#[test]
fn times_are_of_the_date_and_as_exact_as_the_clock_that_nobody_sets() {
    let hands = Arc::new(Hands(Mutex::new((1_000_000, Duration::from_micros(5_000_900)))));
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&hands);
    let traces = Traces::new(None, clock);
    let at = |millis: u64, elapsed: Duration| {
        *hands.0.lock().unwrap_or_else(PoisonError::into_inner) = (millis, elapsed);
        traces.now_ns()
    };
    // The date says 1000000.9 ms and shows 1000000.
    let first = at(1_000_000, Duration::from_micros(5_000_900));
    // 0.1 ms later it shows 1000001: from now on the moment is known better.
    let second = at(1_000_001, Duration::from_micros(5_001_000));
    assert!(second > first);
    assert_eq!(second, 1_000_001_000_000);
    assert_eq!(at(1_000_001, Duration::from_micros(5_001_050)), 1_000_001_050_000);
    assert_eq!(at(1_000_003, Duration::from_micros(5_003_500)), 1_000_003_500_000);
    // Somebody sets the date back by a minute.
    assert_eq!(at(940_004, Duration::from_micros(5_004_000)), 940_004_000_000);
}
