//! What policy may want of an approval: others, several, in time; and what people may give: a standing yes, a batch,
//! other arguments, a yes alone in an emergency, their place for a while.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{ApprovalId, Arguments, EventKind, Reason};
use deputy_hub::approvals::standing::StandingWish;
use deputy_hub::approvals::{Batch, DecisionError, May, Say, Seen, Word};
use deputy_hub::ports::{ApprovalState, Pattern};
use deputy_hub::{CallEvent, Caller, Wish};
use deputy_policy::PolicySet;
use deputy_testkit::{World, wish};
use serde_json::{Value, json};
use std::time::Duration;

const ALICE: &str = "alice";

async fn world(annotations: &str) -> World {
    let text = format!(
        "@id(\"read\") permit (principal, action, resource) when {{ resource.effect == \"read\" && !resource.egress }};
         @id(\"asks\") {annotations} permit (principal, action, resource) when {{ context.approved }};"
    );
    World::with_policy(PolicySet::parse(&[("t.cedar".to_owned(), text)]).unwrap()).await
}

fn note(arguments: &Value) -> Wish {
    wish("note", arguments)
}

async fn asked(world: &World, wish: Wish) -> ApprovalId {
    match world.hub.call(world.caller(ALICE).await, wish).next().await {
        Some(CallEvent::Parked { approval, .. }) => approval,
        other => panic!("nobody was asked: {other:?}"),
    }
}

async fn seen(world: &World, person: &Caller, id: &ApprovalId) -> Option<Seen> {
    let pending = world.hub.approvals().pending(person).await.unwrap();
    pending.into_iter().find(|seen| seen.record.id == *id)
}

async fn says(
    world: &World,
    person: &Caller,
    id: &ApprovalId,
    with: impl FnOnce(Word) -> Word,
) -> Result<ApprovalState, DecisionError> {
    let seen = seen(world, person, id).await.ok_or(DecisionError::Unknown)?;
    let word = with(Word::plain(id.clone(), seen.record.digest, Say::Approve));
    world.hub.approvals().decide(person, vec![word]).await.map(|states| states[0])
}

async fn refusal(world: &World, wish: Wish) -> (Reason, String) {
    let refused = world.run(world.caller(ALICE).await, wish).await.unwrap_err();
    (refused.reason, refused.message)
}

#[tokio::test]
async fn apr_06_two_of_a_group_say_yes_and_the_requester_is_not_one_of_them() {
    let world = world("@approvers(\"leads\") @quorum(\"2\")").await;
    let mut tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({"a": 1}))).await;
    let leads = ["leads"];
    let alice = world.person_in(ALICE, &leads).await;
    assert!(seen(&world, &alice, &id).await.is_none(), "requester is not approver");
    let (bob, carol) = (world.person_in("bob", &leads).await, world.person_in("carol", &leads).await);
    let dave = world.person_in("dave", &["others"]).await;
    assert!(matches!(says(&world, &dave, &id, |word| word).await, Err(DecisionError::Unknown)));
    assert_eq!(says(&world, &bob, &id, |word| word).await.unwrap(), ApprovalState::Pending);
    assert!(matches!(says(&world, &bob, &id, |word| word).await, Err(DecisionError::Unknown)), "once");
    assert_eq!(says(&world, &carol, &id, |word| word).await.unwrap(), ApprovalState::Approved);
    let run = world.run(world.caller(ALICE).await, Wish { approval: Some(id), ..note(&json!({"a": 1})) });
    let (answer, _) = tokio::join!(run, tab.answer("done"));
    assert!(answer.is_ok());
}

#[tokio::test]
async fn apr_02_of_a_hundred_racing_people_the_quorum_decides_once() {
    let world = world("@approvers(\"leads\") @quorum(\"3\")").await;
    let _tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    let mut people = Vec::new();
    for n in 0..100 {
        people.push(world.person_in(&format!("lead-{n}"), &["leads"]).await);
    }
    let digest = seen(&world, &people[0], &id).await.unwrap().record.digest;
    let race = people.iter().map(|person| {
        world.hub.approvals().decide(person, vec![Word::plain(id.clone(), digest, Say::Approve)])
    });
    let taken: Vec<_> =
        futures_util::future::join_all(race).await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(taken.iter().filter(|states| states[0] == ApprovalState::Approved).count(), 1);
    assert_eq!(taken.len(), 3, "two were counted, the third decided, nobody else was taken");
}

#[tokio::test]
async fn apr_01_a_policy_that_changed_since_makes_an_approval_stale() {
    let world = world("").await;
    let mut tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    says(&world, &world.person(ALICE).await, &id, |word| word).await.unwrap();
    let other =
        "@id(\"asks\") @approvers(\"leads\") permit (principal, action, resource) when { context.approved };";
    world.hub.policies().reload(&[("t.cedar".to_owned(), other.to_owned())]).await.unwrap();
    let wish = Wish { approval: Some(id), ..note(&json!({})) };
    assert_eq!(refusal(&world, wish).await.0, Reason::ApprovalStale);
    assert!(tab.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn apr_04_a_late_question_escalates_to_more_people_and_then_ends() {
    let world = world(
        "@approvers(\"leads\") @decide_within(\"5m\") @on_timeout(\"escalate\") @escalate_to(\"managers\")",
    )
    .await;
    let _tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    let manager = world.person_in("mona", &["managers"]).await;
    assert!(seen(&world, &manager, &id).await.is_none(), "not before it is late");
    world.clock.advance(Duration::from_secs(300));
    world.until("it escalates", || !world.tables.of_kind(EventKind::ApprovalOverdue).is_empty()).await;
    assert_eq!(seen(&world, &manager, &id).await.unwrap().may, May::Decide);
    world.clock.advance(Duration::from_secs(300));
    world.until("it ends", || !world.tables.of_kind(EventKind::ApprovalExpired).is_empty()).await;
    assert!(matches!(says(&world, &manager, &id, |word| word).await, Err(DecisionError::Unknown)));
}

#[tokio::test(start_paused = true)]
async fn apr_04_a_question_that_pauses_stays_open_and_is_said_to_be_late_once() {
    let world = world("@decide_within(\"5m\") @on_timeout(\"pause\")").await;
    let _tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    world.clock.advance(Duration::from_secs(301));
    world.until("it pauses", || !world.tables.of_kind(EventKind::ApprovalOverdue).is_empty()).await;
    let state = says(&world, &world.person(ALICE).await, &id, |word| word).await.unwrap();
    assert_eq!(state, ApprovalState::Approved);
    assert_eq!(world.tables.of_kind(EventKind::ApprovalOverdue).len(), 1);
}

#[tokio::test]
async fn apr_06_one_person_breaks_the_glass_with_a_reason_and_another_reviews_it() {
    let world = world("@approvers(\"leads\") @quorum(\"2\") @break_glass(\"oncall\")").await;
    let _tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    let oncall = world.person_in("olga", &["oncall"]).await;
    assert_eq!(seen(&world, &oncall, &id).await.unwrap().may, May::BreakGlass);
    assert!(
        matches!(says(&world, &oncall, &id, |word| word).await, Err(DecisionError::Unknown)),
        "not by the way"
    );
    let lead = world.person_in("lena", &["leads"]).await;
    let not_hers = says(&world, &lead, &id, |word| Word {
        break_glass: true,
        reason: Some("production is down".to_owned()),
        ..word
    });
    assert!(
        matches!(not_hers.await, Err(DecisionError::Unknown)),
        "a lead who is not on call breaks nothing"
    );
    let bare = says(&world, &oncall, &id, |word| Word { break_glass: true, ..word }).await;
    assert!(matches!(bare, Err(DecisionError::Reason)));
    let reason = Some("production is down, incident 42".to_owned());
    let broken = says(&world, &oncall, &id, |word| Word { break_glass: true, reason, ..word }).await;
    assert_eq!(broken.unwrap(), ApprovalState::Approved);
    let decided = world.tables.of_kind(EventKind::ApprovalDecided);
    assert_eq!(decided[0].detail["broke_glass"], true);
    assert!(world.hub.approvals().unreviewed(&oncall).await.unwrap().is_empty(), "not by who broke it");
    assert!(
        world.hub.approvals().unreviewed(&world.person_in(ALICE, &["leads"]).await).await.unwrap().is_empty()
    );
    let lead = world.person_in("lea", &["leads"]).await;
    assert_eq!(world.hub.approvals().unreviewed(&lead).await.unwrap().len(), 1);
    world.hub.approvals().review(&lead, &id, "it was needed").await.unwrap();
    assert!(world.hub.approvals().unreviewed(&lead).await.unwrap().is_empty());
    assert_eq!(world.tables.of_kind(EventKind::ApprovalReviewed).len(), 1);
}

#[tokio::test]
async fn apr_06_somebody_decides_in_anothers_place_while_it_is_delegated() {
    let world = world("@approvers(\"leads\") @quorum(\"2\")").await;
    let _tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    let lead = world.person_in("lea", &["leads"]).await;
    let dave = world.person("dave").await;
    world.hub.approvals().delegate(&lead, "dave".parse().unwrap(), Duration::from_secs(600)).await.unwrap();
    // Whoever asked decides in nobody's place.
    world.hub.approvals().delegate(&lead, ALICE.parse().unwrap(), Duration::from_secs(600)).await.unwrap();
    assert!(seen(&world, &world.person(ALICE).await, &id).await.is_none());
    assert!(matches!(seen(&world, &dave, &id).await.unwrap().may, May::InPlaceOf(_)));
    assert_eq!(says(&world, &dave, &id, |word| word).await.unwrap(), ApprovalState::Pending);
    assert!(
        matches!(says(&world, &lead, &id, |word| word).await, Err(DecisionError::Unknown)),
        "one place, one word"
    );
    let next = asked(&world, note(&json!({"b": 2}))).await;
    world.hub.approvals().undelegate(&lead, "dave".parse().unwrap()).await.unwrap();
    assert!(seen(&world, &dave, &next).await.is_none(), "taken back");
}

#[tokio::test]
async fn apr_08_a_yes_stands_for_its_calls_so_often_and_so_long_and_no_further() {
    let world = world("").await;
    let mut tab = world.tab(ALICE).await;
    let person = world.person(ALICE).await;
    let id = asked(&world, note(&json!({"to": "bob", "amount": 5}))).await;
    let pattern: Pattern =
        serde_json::from_value(json!({"to": {"equals": "bob"}, "amount": {"at_most": 10}})).unwrap();
    let wish = StandingWish { within: Duration::from_secs(3600), uses: 2, pattern: Some(pattern) };
    says(&world, &person, &id, |word| Word { standing: Some(wish), ..word }).await.unwrap();
    let grants = world.hub.approvals().standing().list(&person).await.unwrap();
    let label = grants[0].label();
    for true_scope in ["agent-1", "`note`", "`crm`", "is \"bob\"", "at most 10", "2 more times"] {
        assert!(label.contains(true_scope), "{label}");
    }
    let caller = world.caller(ALICE).await;
    let call = |arguments: Value| world.hub.call(caller.clone(), note(&arguments));
    for amount in [7, 10] {
        let mut events = call(json!({"to": "bob", "amount": amount}));
        tab.answer("noted").await;
        assert!(matches!(events.next().await, Some(CallEvent::Done(Ok(_)))), "{amount}");
    }
    assert!(
        matches!(call(json!({"to": "bob", "amount": 1})).next().await, Some(CallEvent::Parked { .. })),
        "used up"
    );
    assert_eq!(world.tables.of_kind(EventKind::GrantUsed).len(), 2);
    let intents = world.tables.of_kind(EventKind::Intent);
    assert!(intents.iter().all(|line| line.detail["grant"] == json!(grants[0].id)));
}

#[tokio::test]
async fn apr_08_a_standing_yes_ends_at_once_when_it_is_taken_back_even_if_nothing_can_be_written() {
    let world = world("").await;
    let _tab = world.tab(ALICE).await;
    let person = world.person(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    let wish = StandingWish { within: Duration::from_secs(3600), uses: 9, pattern: None };
    says(&world, &person, &id, |word| Word { standing: Some(wish), ..word }).await.unwrap();
    let grant = world.hub.approvals().standing().list(&person).await.unwrap()[0].id.clone();
    let bob = world.person("bob").await;
    assert!(!world.hub.approvals().standing().revoke(&bob, &grant).await.unwrap(), "not somebody else's");
    world.tables.set_broken(true);
    assert!(world.hub.approvals().standing().revoke(&person, &grant).await.is_err());
    world.tables.set_broken(false);
    assert!(world.hub.approvals().standing().list(&person).await.unwrap().is_empty());
    asked(&world, note(&json!({}))).await;
    // It is written as soon as it can be: after a restart it does not stand again.
    world.until("it is written", || world.tables.of_kind(EventKind::GrantRevoked).len() == 1).await;
    let again = world.again(PolicySet::shipped().unwrap(), Vec::new()).await.unwrap();
    assert!(again.hub.approvals().standing().list(&again.person(ALICE).await).await.unwrap().is_empty());
}

#[tokio::test]
async fn apr_08_nothing_stands_for_what_cannot_be_undone_or_policy_wants_asked_each_time() {
    let destructive = world("").await;
    let _tab = destructive.tab(ALICE).await;
    let standing = || Some(StandingWish { within: Duration::from_secs(60), uses: 1, pattern: None });
    let id = asked(&destructive, wish("wipe", &json!({}))).await;
    let person = destructive.person(ALICE).await;
    let confirm = || Some("wipe".to_owned());
    let given =
        says(&destructive, &person, &id, |word| Word { standing: standing(), confirm: confirm(), ..word });
    assert!(matches!(given.await, Err(DecisionError::Unfit(_))));
    let never = world("@standing(\"never\")").await;
    let _tab = never.tab(ALICE).await;
    let id = asked(&never, note(&json!({}))).await;
    let given =
        says(&never, &never.person(ALICE).await, &id, |word| Word { standing: standing(), ..word }).await;
    assert!(matches!(given, Err(DecisionError::Unfit(_))));
}

#[tokio::test]
async fn apr_08_a_rule_that_became_stricter_ends_what_stood_under_the_old_one() {
    let world = world("").await;
    let _tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({}))).await;
    let wish = StandingWish { within: Duration::from_secs(3600), uses: 9, pattern: None };
    says(&world, &world.person(ALICE).await, &id, |word| Word { standing: Some(wish), ..word })
        .await
        .unwrap();
    let strict =
        "@id(\"asks\") @approvers(\"leads\") permit (principal, action, resource) when { context.approved };";
    world.hub.policies().reload(&[("t.cedar".to_owned(), strict.to_owned())]).await.unwrap();
    asked(&world, note(&json!({}))).await;
}

#[tokio::test]
async fn apr_10_what_cannot_be_undone_is_confirmed_by_its_name() {
    let world = world("").await;
    let _tab = world.tab(ALICE).await;
    let id = asked(&world, wish("wipe", &json!({}))).await;
    let person = world.person(ALICE).await;
    for typed in [None, Some("yes"), Some("Wipe")] {
        let given =
            says(&world, &person, &id, |word| Word { confirm: typed.map(str::to_owned), ..word }).await;
        assert!(matches!(given, Err(DecisionError::Confirm(_))), "{typed:?}");
    }
    let given = says(&world, &person, &id, |word| Word { confirm: Some("wipe".to_owned()), ..word }).await;
    assert_eq!(given.unwrap(), ApprovalState::Approved);
}

#[tokio::test]
async fn apr_13_changed_arguments_are_told_to_the_agent_and_run_without_a_second_question() {
    let world = world("").await;
    let mut tab = world.tab(ALICE).await;
    let id = asked(&world, note(&json!({"amount": 82_000}))).await;
    let raw = serde_json::value::to_raw_value(&json!({"amount": 82})).unwrap();
    let arguments = Some(Arguments::parse(&raw).unwrap());
    says(&world, &world.person(ALICE).await, &id, |word| Word { arguments, ..word }).await.unwrap();
    let (reason, words) =
        refusal(&world, Wish { approval: Some(id), ..note(&json!({"amount": 82_000})) }).await;
    assert_eq!(reason, Reason::ApprovalStale);
    assert!(words.contains("{\"amount\":82}"), "{words}");
    let (answer, frame) =
        tokio::join!(world.run(world.caller(ALICE).await, note(&json!({"amount": 82}))), tab.answer("paid"));
    assert!(answer.is_ok());
    assert_eq!(frame.arguments.get(), "{\"amount\":82}");
    asked(&world, note(&json!({"amount": 82}))).await;
    asked(&world, note(&json!({"amount": 82_000}))).await;
}

/// The wishes of one batch.
fn batch(wishes: Vec<Wish>) -> Vec<Wish> {
    let slots = Batch::of(wishes.len()).unwrap();
    wishes.into_iter().zip(slots).map(|(wish, slot)| Wish { batch: Some(slot), ..wish }).collect()
}

#[tokio::test]
async fn apr_07_and_apr_09_reads_run_unasked_and_the_rest_is_used_up_together() {
    let world = world("").await;
    let mut tab = world.tab(ALICE).await;
    let mut wishes = batch(vec![wish("list", &json!({})), note(&json!({"n": 1})), note(&json!({"n": 2}))]);
    let caller = world.caller(ALICE).await;
    let (two, one, read) = (wishes.pop().unwrap(), wishes.pop().unwrap(), wishes.pop().unwrap());
    let (answer, _) = tokio::join!(world.run(caller.clone(), read), tab.answer("listed"));
    assert!(answer.is_ok(), "a read in a batch runs unasked");
    let (first, second) = (asked(&world, one.clone()).await, asked(&world, two.clone()).await);
    let person = world.person(ALICE).await;
    let shown = world.hub.approvals().pending(&person).await.unwrap();
    assert!(
        shown.iter().all(|seen| seen.record.batch.is_some() && seen.record.batch == shown[0].record.batch)
    );
    says(&world, &person, &first, |word| word).await.unwrap();
    let mut early = world.hub.call(caller.clone(), Wish { approval: Some(first), ..one });
    let waits = tokio::time::timeout(Duration::from_millis(100), early.next()).await;
    assert!(waits.is_err() && tab.is_quiet(), "the first waits for the second");
    says(&world, &person, &second, |word| word).await.unwrap();
    let mut late = world.hub.call(caller, Wish { approval: Some(second), ..two });
    tab.answer("noted").await;
    tab.answer("noted").await;
    assert!(matches!(early.next().await, Some(CallEvent::Done(Ok(_)))));
    assert!(matches!(late.next().await, Some(CallEvent::Done(Ok(_)))));
}

#[tokio::test]
async fn apr_07_a_stale_item_takes_the_batch_with_it_and_uses_up_nothing() {
    let world = world("").await;
    let mut tab = world.tab(ALICE).await;
    let mut wishes = batch(vec![note(&json!({"n": 1})), note(&json!({"n": 2}))]);
    let (two, one) = (wishes.pop().unwrap(), wishes.pop().unwrap());
    let (first, second) = (asked(&world, one.clone()).await, asked(&world, two.clone()).await);
    let person = world.person(ALICE).await;
    for id in [&first, &second] {
        says(&world, &person, id, |word| word).await.unwrap();
    }
    let caller = world.caller(ALICE).await;
    let mut early = world.hub.call(caller.clone(), Wish { approval: Some(first), ..one });
    let changed = Wish { approval: Some(second), arguments: note(&json!({"n": 3})).arguments, ..two };
    let stale = world.run(caller, changed).await.unwrap_err();
    assert_eq!(stale.reason, Reason::ApprovalStale);
    let Some(CallEvent::Done(Err(refused))) = early.next().await else { panic!("it ran") };
    assert_eq!(refused.reason, Reason::ApprovalStale);
    assert!(tab.is_quiet());
    let spent = |line: &&deputy_core::Event| line.detail.get("state") == Some(&json!("spent"));
    assert_eq!(world.tables.of_kind(EventKind::ApprovalDecided).iter().filter(spent).count(), 0);
}

#[tokio::test]
async fn apr_07_an_item_that_is_refused_drops_out_and_the_rest_goes_on() {
    let world = world("").await;
    let mut tab = world.tab(ALICE).await;
    let mut wishes = batch(vec![note(&json!({"n": 1})), note(&json!({"n": 2}))]);
    let (two, one) = (wishes.pop().unwrap(), wishes.pop().unwrap());
    let (first, second) = (asked(&world, one.clone()).await, asked(&world, two.clone()).await);
    let person = world.person(ALICE).await;
    // One screen, one word each, all taken together.
    let shown = world.hub.approvals().pending(&person).await.unwrap();
    let digest = |id: &ApprovalId| shown.iter().find(|seen| seen.record.id == *id).unwrap().record.digest;
    let words = vec![
        Word::plain(first.clone(), digest(&first), Say::Approve),
        Word::plain(second.clone(), digest(&second), Say::Refuse),
    ];
    let states = world.hub.approvals().decide(&person, words).await.unwrap();
    assert_eq!(states, [ApprovalState::Approved, ApprovalState::Refused]);
    let caller = world.caller(ALICE).await;
    let mut early = world.hub.call(caller.clone(), Wish { approval: Some(first), ..one });
    let refused = world.run(caller, Wish { approval: Some(second), ..two }).await.unwrap_err();
    assert_eq!(refused.reason, Reason::ApprovalRefused);
    tab.answer("noted").await;
    assert!(matches!(early.next().await, Some(CallEvent::Done(Ok(_)))));
}

#[tokio::test]
async fn apr_09_a_person_who_is_asked_too_much_is_an_alarm_once_an_hour() {
    let world = world("").await;
    let _tab = world.tab(ALICE).await;
    for n in 0..35 {
        asked(&world, note(&json!({ "n": n }))).await;
    }
    let alarms = world.tables.of_kind(EventKind::ApprovalAlarm);
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0].detail["asked"], 31);
}
