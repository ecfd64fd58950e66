//! Limits against a model that remembers every call.

use super::*;
use deputy_core::{EventKind, Issuer, Subject};
use proptest::prelude::*;
use std::sync::Arc;

const SECOND: Duration = Duration::from_secs(1);
const START: Timestamp = Timestamp::from_millis(1_795_303_770_123);

struct Asker {
    user: User,
    client: Client,
    source: SourceName,
    tool: ToolName,
    class: Class,
}

impl Asker {
    fn new(tenant: &str, subject: &str, client: &str, tool: &str) -> Self {
        let user = User {
            tenant: TenantId::new(tenant).expect("tenant"),
            issuer: Issuer::new("https://idp.example").expect("issuer"),
            subject: Subject::new(subject).expect("subject"),
        };
        Self {
            user,
            client: Client(client.to_owned()),
            source: SourceName::new("crm").expect("source"),
            tool: ToolName::new(tool).expect("tool"),
            class: Class { effect: Effect::Write, egress: false },
        }
    }

    fn call(&self) -> Counted<'_> {
        Counted {
            tenant: &self.user.tenant,
            user: Some(&self.user),
            client: Some(&self.client),
            source: &self.source,
            tool: &self.tool,
            class: self.class,
        }
    }

    fn intent(&self, at: Timestamp) -> Event {
        let mut event = Event::new(at, self.user.tenant.clone(), EventKind::Intent);
        event.user = Some(self.user.clone());
        event.client = Some(self.client.clone());
        event.source = Some(self.source.clone());
        event.tool = Some(self.tool.clone());
        event.class = Some(self.class);
        event
    }
}

fn limit(calls: u64, per: Duration, each: &[Each]) -> Limit {
    let (calls, each) = (NonZeroU64::new(calls).expect("some"), each.to_vec());
    Limit { name: "some".to_owned(), calls, per, each, source: None, tool: None, class: None }
}

#[test]
fn a_limit_counts_apart_for_what_it_says_and_tenants_share_nothing() {
    let every = [
        Asker::new("a", "alice", "one", "x"),
        Asker::new("a", "bob", "one", "x"),
        Asker::new("a", "alice", "two", "x"),
        Asker::new("a", "alice", "one", "y"),
        Asker::new("b", "alice", "one", "x"),
    ];
    // How many of these pass where each may call once.
    let passing = |each: &[Each]| {
        let limits = RateLimits::new(vec![limit(1, SECOND, each)]);
        every.iter().filter(|asker| limits.take(asker.call(), START).is_ok()).count()
    };
    assert_eq!(passing(&[]), 2, "one in each tenant");
    assert_eq!(passing(&[Each::User]), 3);
    assert_eq!(passing(&[Each::Agent]), 3);
    assert_eq!(passing(&[Each::Tool]), 3);
    assert_eq!(passing(&[Each::User, Each::Agent, Each::Tool]), 5);
}

#[test]
fn a_limit_counts_only_its_source_tool_and_class() {
    let mut asker = Asker::new("a", "alice", "one", "x");
    let mut only = limit(1, SECOND, &[]);
    let refused = |only: &Limit, asker: &Asker| {
        let limits = RateLimits::new(vec![only.clone()]);
        limits.take(asker.call(), START).expect("the first passes");
        limits.take(asker.call(), START).is_err()
    };
    assert!(refused(&only, &asker));
    only.tool = ToolName::new("y").ok();
    assert!(!refused(&only, &asker));
    only.tool = None;
    only.source = SourceName::new("wiki").ok();
    assert!(!refused(&only, &asker));
    only.source = None;
    only.class = Some(AtLeast { effect: Some(Effect::Write), egress: false });
    assert!(refused(&only, &asker));
    asker.class = Class { effect: Effect::Destructive, egress: false };
    assert!(refused(&only, &asker), "what destroys writes, too");
    asker.class = Class { effect: Effect::Read, egress: true };
    assert!(!refused(&only, &asker));
    only.class = Some(AtLeast { effect: None, egress: true });
    assert!(refused(&only, &asker));
}

#[test]
fn a_call_that_one_limit_refuses_is_taken_from_none() {
    let asker = Asker::new("a", "alice", "one", "x");
    let limits = RateLimits::new(vec![limit(2, SECOND * 3600, &[]), limit(1, SECOND, &[Each::User])]);
    assert!(limits.take(asker.call(), START).is_ok());
    for _ in 0..10 {
        assert!(limits.take(asker.call(), START).is_err());
    }
    assert!(limits.take(asker.call(), START.plus(SECOND * 2)).is_ok(), "the first limit has one left");
}

#[test]
fn the_words_say_which_limit_and_when_to_come_again_and_it_is_so() {
    let asker = Asker::new("a", "alice", "one", "x");
    let limits = RateLimits::new(vec![limit(1, SECOND * 60, &[])]);
    assert!(limits.take(asker.call(), START).is_ok());
    let refused = limits.look(asker.call(), START.plus(SECOND * 20)).expect_err("used up");
    assert_eq!(refused.words, "the limit `some` allows 1 calls in 60 s; try again in 41 s");
    assert!(limits.look(asker.call(), START.plus(SECOND * 60)).is_err());
    assert!(limits.look(asker.call(), START.plus(SECOND * 61)).is_ok());
    assert!(limits.take(asker.call(), START.plus(SECOND * 61)).is_ok(), "nothing was taken by looking");
}

#[test]
fn r14_too_many_keys_are_a_no_and_keys_whose_window_is_over_are_dropped() {
    let limits = RateLimits::with_most_keys(vec![limit(5, SECOND, &[Each::User])], 3);
    let asker = |number: usize| Asker::new("a", &format!("user-{number}"), "one", "x");
    for number in 0..3 {
        assert!(limits.take(asker(number).call(), START).is_ok());
    }
    let refused = limits.take(asker(3).call(), START).expect_err("no room");
    assert!(refused.words.contains("too many callers"), "{}", refused.words);
    assert!(limits.take(asker(2).call(), START).is_ok(), "who is counted already goes on");
    assert!(
        limits.take(Asker::new("b", "x", "one", "x").call(), START).is_ok(),
        "another tenant has its own room"
    );
    assert!(limits.take(asker(3).call(), START.plus(SECOND * 3)).is_ok());
    assert_eq!(limits.keys(), 2, "the three are gone");
}

#[test]
fn a_hundred_racing_calls_against_ten_take_ten() {
    let limits = Arc::new(RateLimits::new(vec![limit(10, SECOND * 60, &[Each::User])]));
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let limits = Arc::clone(&limits);
            std::thread::spawn(move || {
                limits.take(Asker::new("a", "alice", "one", "x").call(), START).is_ok()
            })
        })
        .collect();
    let taken = threads.into_iter().map(|thread| thread.join().expect("ends"));
    assert_eq!(taken.filter(|taken| *taken).count(), 10);
}

/// Every call there was, by the clock as it stood; what lies ahead of a clock that was set back is made now.
#[derive(Default)]
struct Model(Vec<u64>);

impl Model {
    fn take(&mut self, calls: usize, per_ms: u64, now: u64) -> bool {
        let segment = per_ms.div_ceil(60).max(1);
        for made in &mut self.0 {
            *made = (*made).min(now / segment);
        }
        self.0.retain(|made| now / segment - made <= 60);
        let may = self.0.len() < calls;
        if may {
            self.0.push(now / segment);
        }
        may
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_limit_does_what_the_naive_model_does_whichever_way_the_clock_goes(
        calls in 1_u64..6,
        per_ms in 1000_u64..200_000,
        steps in prop::collection::vec((-3_i64..8, 0_u64..997), 1..80),
    ) {
        let asker = Asker::new("a", "alice", "one", "x");
        let limits = RateLimits::new(vec![limit(calls, Duration::from_millis(per_ms), &[Each::User])]);
        let mut model = Model::default();
        let mut now = START.millis();
        for (step, more) in steps {
            // Mostly on by part of a window, now and then back by up to three windows.
            let by = per_ms / 4 * step.unsigned_abs() * if step < 0 { 4 } else { 1 } + more;
            now = if step < 0 { now.saturating_sub(by) } else { now + by };
            let may = model.take(usize::try_from(calls).expect("few"), per_ms, now);
            prop_assert_eq!(limits.take(asker.call(), Timestamp::from_millis(now)).is_ok(), may);
        }
    }

    #[test]
    fn never_more_calls_than_allowed_in_any_stretch_of_the_windows_length(
        calls in 1_usize..6,
        per_ms in 1000_u64..200_000,
        steps in prop::collection::vec(0_u64..40_000, 1..120),
    ) {
        let asker = Asker::new("a", "alice", "one", "x");
        let limits = RateLimits::new(vec![limit(calls as u64, Duration::from_millis(per_ms), &[])]);
        let (mut now, mut made) = (START.millis(), Vec::new());
        for step in steps {
            now += step;
            if limits.take(asker.call(), Timestamp::from_millis(now)).is_ok() {
                made.push(now);
            }
        }
        for (at, first) in made.iter().enumerate() {
            let within = made.iter().skip(at).filter(|other| **other - first < per_ms).count();
            prop_assert!(within <= calls, "{} calls within {} ms", within, per_ms);
        }
    }

    #[test]
    fn what_is_counted_again_from_the_log_allows_no_more_than_before(
        calls in 1_u64..6,
        steps in prop::collection::vec(0_u64..30_000, 1..60),
        pause in 0_u64..90_000,
    ) {
        let asker = Asker::new("a", "alice", "one", "x");
        let each = [Each::User, Each::Tool];
        let before = RateLimits::new(vec![limit(calls, SECOND * 60, &each)]);
        let after = RateLimits::new(vec![limit(calls, SECOND * 60, &each)]);
        let (mut now, mut log) = (START, Vec::new());
        for step in steps {
            now = now.plus(Duration::from_millis(step));
            if before.take(asker.call(), now).is_ok() {
                log.push(asker.intent(now));
            }
        }
        let now = now.plus(Duration::from_millis(pause));
        for intent in &log {
            after.count(intent, now);
        }
        while before.take(asker.call(), now).is_ok() {
            prop_assert!(after.take(asker.call(), now).is_ok());
        }
        prop_assert!(after.take(asker.call(), now).is_err());
    }
}
