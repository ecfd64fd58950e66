//! B2 to B6: the keys of one issuer over time.

use super::*;
use crate::fixtures::{NOW, TestKey, fetched, force, ring, set};
use proptest::prelude::*;
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

fn key(name: &str) -> Value {
    TestKey::new(Algorithm::Es256).named(name)
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn look(ring: &KeyRing, name: &str, now: Timestamp) -> Result<(), Missing> {
    ring.find(Some(&KeyId::new(name).unwrap()), Algorithm::Es256, now).map(|_| ())
}

fn fail(ring: &KeyRing, now: Timestamp) {
    let refresh = ring.begin_scheduled(now).unwrap();
    assert_eq!(ring.complete(refresh, None, now), Ok(None));
}

#[test]
fn b3_ten_thousand_random_kids_cause_one_fetch() {
    let ring = ring(&[key("k")], NOW);
    let mut fetches = 0;
    for n in 0..10_000_u32 {
        let now = NOW.plus(Duration::from_millis(u64::from(n)));
        let name = format!("random-{n}");
        if look(&ring, &name, now) == Err(Missing::MayArrive)
            && let Begun::Fetch(refresh) = ring.begin_forced(now)
        {
            fetches += 1;
            ring.complete(refresh, Some(fetched(&[key("k")])), now).unwrap();
        }
        assert_eq!(look(&ring, "k", now), Ok(()));
    }
    assert_eq!(fetches, 1);
}

#[test]
fn b3_the_cool_down_is_taken_before_the_fetch_and_stays_when_it_fails() {
    let ring = ring(&[key("k")], NOW);
    let Begun::Fetch(refresh) = ring.begin_forced(after(1)) else { panic!("no fetch") };
    ring.complete(refresh, None, after(2)).unwrap();
    assert_eq!(ring.begin_forced(after(2)), Begun::CoolingDown);
    assert_eq!(ring.begin_forced(after(30)), Begun::CoolingDown);
    assert!(matches!(ring.begin_forced(after(31)), Begun::Fetch(_)));
}

#[test]
fn b3_an_empty_set_neither_bypasses_the_cool_down_nor_wipes_good_keys() {
    let ring = ring(&[key("k")], NOW);
    let Begun::Fetch(refresh) = ring.begin_forced(after(1)) else { panic!("no fetch") };
    assert_eq!(ring.complete(refresh, Some(fetched(&[])), after(1)), Err(KeySetError::NoUsableKey));
    assert_eq!(look(&ring, "k", after(1)), Ok(()));
    assert_eq!(ring.begin_forced(after(2)), Begun::CoolingDown);
    assert!(matches!(ring.health(after(2)), RingHealth::Stale { .. }));
}

#[test]
fn b3_those_who_come_while_a_fetch_is_under_way_wait_for_it() {
    let ring = ring(&[key("k")], NOW);
    let Begun::Fetch(refresh) = ring.begin_forced(after(1)) else { panic!("no fetch") };
    let Begun::Wait(generation) = ring.begin_forced(after(1)) else { panic!("no waiting") };
    assert_eq!(ring.generation(), generation);
    assert_eq!(look(&ring, "new", after(1)), Err(Missing::MayArrive));
    ring.complete(refresh, Some(fetched(&[key("k"), key("new")])), after(2)).unwrap();
    assert_ne!(ring.generation(), generation);
    assert_eq!(look(&ring, "new", after(2)), Ok(()));
}

#[test]
fn b3_a_fetch_that_never_completes_blocks_nothing_for_long() {
    let ring = ring(&[key("k")], NOW);
    assert!(matches!(ring.begin_forced(NOW), Begun::Fetch(_)));
    assert!(matches!(ring.begin_forced(after(20)), Begun::Wait(_)));
    assert!(matches!(ring.begin_forced(after(31)), Begun::Fetch(_)));
}

#[test]
fn b3_a_kid_known_to_be_absent_forces_nothing_for_300_seconds() {
    let ring = ring(&[key("k")], NOW);
    assert!(force(&ring, &[key("k")], NOW));
    ring.remember_absent(&KeyId::new("ghost").unwrap(), NOW);
    assert_eq!(look(&ring, "ghost", after(299)), Err(Missing::Unknown));
    assert_eq!(look(&ring, "other", after(299)), Err(Missing::MayArrive));
    assert_eq!(look(&ring, "ghost", after(300)), Err(Missing::MayArrive));
}

#[test]
fn b3_the_list_of_absent_kids_is_bounded_and_gives_way_to_a_published_key() {
    let ring = ring(&[key("k")], NOW);
    for n in 0..1000 {
        ring.remember_absent(&KeyId::new(&format!("ghost-{n}")).unwrap(), NOW);
    }
    assert_eq!(ring.read().absent.len(), ABSENT_KEYS);
    assert!(force(&ring, &[key("k"), key("ghost-999")], NOW));
    assert_eq!(look(&ring, "ghost-999", NOW), Ok(()));
    assert_eq!(ring.read().absent.len(), ABSENT_KEYS - 1);
}

#[test]
fn b4_a_new_kid_works_within_one_request_of_its_publication() {
    let (old, new) = (key("old"), key("new"));
    let ring = ring(std::slice::from_ref(&old), NOW);
    assert_eq!(look(&ring, "new", after(5)), Err(Missing::MayArrive));
    assert!(force(&ring, &[old, new], after(5)));
    assert_eq!(look(&ring, "new", after(5)), Ok(()));
}

#[test]
fn b4_a_key_absent_from_two_consecutive_good_sets_is_dropped_at_once() {
    let (old, new) = (key("old"), key("new"));
    let ring = ring(&[old, new.clone()], NOW);
    let without = || [new.clone()];
    assert!(force(&ring, &without(), after(60)));
    assert_eq!(look(&ring, "old", after(60)), Ok(()));
    fail(&ring, after(700));
    assert_eq!(look(&ring, "old", after(700)), Ok(()), "a failure is not a good set");
    assert!(force(&ring, &without(), after(710)));
    assert!(look(&ring, "old", after(710)).is_err());
    assert_eq!(look(&ring, "new", after(710)), Ok(()));
}

#[test]
fn b4_a_key_absent_once_and_back_again_stays() {
    let (a, b) = (key("a"), key("b"));
    let ring = ring(&[a.clone(), b.clone()], NOW);
    assert!(force(&ring, std::slice::from_ref(&b), after(60)));
    assert!(force(&ring, &[a, b.clone()], after(120)));
    assert!(force(&ring, &[b], after(180)));
    assert_eq!(look(&ring, "a", after(180)), Ok(()));
}

#[test]
fn b4_a_key_whose_name_was_given_to_another_is_dropped_at_once() {
    let ring = ring(&[key("k")], NOW);
    let before = ring.find(Some(&KeyId::new("k").unwrap()), Algorithm::Es256, NOW).unwrap();
    assert!(force(&ring, &[key("k")], after(60)));
    let now = ring.find(Some(&KeyId::new("k").unwrap()), Algorithm::Es256, after(60)).unwrap();
    assert!(!now.is_same_as(&before));
    assert!(force(&ring, &[key("k"), key("k"), key("z")], after(120)));
    assert!(look(&ring, "k", after(120)).is_err(), "a disabled name has no leaving key either");
}

#[test]
fn b5_the_refresh_follows_max_age_between_one_and_ten_minutes_with_jitter() {
    let wait_after = |max_age: Option<u64>| {
        let ring = KeyRing::new();
        let refresh = ring.begin_scheduled(NOW).unwrap();
        let max_age = max_age.map(Duration::from_secs);
        ring.complete(refresh, Some(Fetched { max_age, ..fetched(&[key("k")]) }), NOW).unwrap();
        ring.next_refresh().unwrap().since(NOW)
    };
    for (max_age, wait) in [(Some(0), 60), (Some(300), 300), (Some(86_400), 600), (None, 600)] {
        let wait = SECOND * wait;
        let planned = wait_after(max_age);
        assert!(planned <= wait && planned >= wait.mul_f64(0.9), "{max_age:?} {planned:?}");
    }
}

#[test]
fn b5_nothing_is_fetched_before_it_is_due_or_twice_at_once() {
    let ring = ring(&[key("k")], NOW);
    assert_eq!(ring.begin_scheduled(after(60)), None);
    assert!(ring.begin_scheduled(after(600)).is_some());
    assert_eq!(ring.begin_scheduled(after(600)), None);
}

#[test]
fn b5_known_keys_work_through_an_outage_up_to_the_stale_limit() {
    let ring = ring(&[key("k")], NOW);
    assert_eq!(ring.health(NOW), RingHealth::Fresh);
    fail(&ring, after(600));
    assert_eq!(ring.health(after(600)), RingHealth::Stale { loaded_at: NOW });
    assert_eq!(look(&ring, "k", after(3600)), Ok(()));
    assert_eq!(look(&ring, "k", after(3601)), Err(Missing::MayArrive));
    let Begun::Fetch(refresh) = ring.begin_forced(after(3601)) else { panic!("no fetch") };
    ring.complete(refresh, None, after(3602)).unwrap();
    assert_eq!(look(&ring, "k", after(3602)), Err(Missing::NoKeys));
    assert_eq!(ring.health(after(3602)), RingHealth::Expired);
}

#[test]
fn b5_it_starts_with_the_provider_down_and_heals_alone() {
    let ring = KeyRing::new();
    assert_eq!(ring.health(NOW), RingHealth::NeverLoaded);
    let mut now = NOW;
    for _ in 0..20 {
        fail(&ring, now);
        let wait = ring.next_refresh().unwrap().since(now);
        assert!(wait > SECOND && wait <= SECOND * 60, "{wait:?}");
        now = ring.next_refresh().unwrap();
    }
    let refresh = ring.begin_scheduled(now).unwrap();
    ring.complete(refresh, Some(fetched(&[key("k")])), now).unwrap();
    assert_eq!(look(&ring, "k", now), Ok(()));
    assert_eq!(ring.health(now), RingHealth::Fresh);
}

#[test]
fn b6_a_late_old_response_cannot_replace_a_newer_set() {
    let ring = ring(&[key("first")], NOW);
    let Begun::Fetch(slow) = ring.begin_forced(NOW) else { panic!("no fetch") };
    let Begun::Fetch(quick) = ring.begin_forced(after(31)) else { panic!("no fetch") };
    ring.complete(quick, Some(fetched(&[key("new")])), after(32)).unwrap();
    let late = ring.complete(slow, Some(fetched(&[key("old")])), after(40)).unwrap().unwrap();
    assert!(late.superseded);
    assert_eq!(look(&ring, "new", after(40)), Ok(()));
    assert!(look(&ring, "old", after(40)).is_err());
}

#[test]
fn b2_a_changed_address_of_the_set_is_reported() {
    let ring = ring(&[key("k")], NOW);
    let load = |uri: &str, now| {
        let Begun::Fetch(refresh) = ring.begin_forced(now) else { panic!("no fetch") };
        let fetched = Fetched { jwks_uri: uri.to_owned(), ..fetched(&[key("k")]) };
        ring.complete(refresh, Some(fetched), now).unwrap().unwrap().previous_jwks_uri
    };
    let first = format!("{}/jwks", crate::fixtures::ISSUER);
    assert_eq!(load(&first, after(60)), None);
    assert_eq!(load("https://elsewhere.example/jwks", after(120)), Some(first));
}

proptest! {
    #[test]
    fn b3_forced_fetches_are_thirty_seconds_apart_whatever_happens(
        steps in prop::collection::vec((0_u64..20_000, 0_u8..4), 1..60),
    ) {
        let (ring, good) = (KeyRing::new(), set(&[key("k")]));
        let (mut now, mut last) = (NOW, None::<Timestamp>);
        let mut open = Vec::new();
        for (wait_ms, what) in steps {
            now = now.plus(Duration::from_millis(wait_ms));
            match what {
                0 => if let Begun::Fetch(refresh) = ring.begin_forced(now) {
                    if let Some(last) = last { prop_assert!(now.since(last) >= COOL_DOWN); }
                    last = Some(now);
                    open.push(refresh);
                },
                1 => open.extend(ring.begin_scheduled(now)),
                2 => if let Some(refresh) = open.pop() { let _ = ring.complete(refresh, None, now); },
                _ => if !open.is_empty() {
                    let fetched = Fetched { set: good.clone(), ..fetched(&[]) };
                    let _ = ring.complete(open.remove(0), Some(fetched), now);
                },
            }
        }
    }
}

#[test]
fn b5_a_clock_that_is_set_back_holds_up_neither_a_scheduled_fetch_nor_one_that_is_needed() {
    let ring = ring(&[key("k")], NOW);
    let Begun::Fetch(refresh) = ring.begin_forced(after(1)) else { panic!("no fetch") };
    ring.complete(refresh, Some(fetched(&[key("k")])), after(1)).unwrap();
    let before = NOW.minus(Duration::from_secs(7200));
    assert!(ring.begin_scheduled(before).is_some(), "planned for a time that is two hours off");
    let ring = self::ring(&[key("k")], NOW);
    let _ = ring.begin_forced(after(1));
    assert!(
        matches!(ring.begin_forced(before), Begun::Fetch(_)),
        "no fetch and no cool-down lasts for hours"
    );
}
