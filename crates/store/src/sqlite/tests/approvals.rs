//! APR-02 to APR-05 on the tables: one effect per question, nothing after its time, everything with its line.

use super::*;
use deputy_core::approval::{ApprovalRule, Approvers, OnTimeout, Permission};
use deputy_core::{ApprovalId, PolicyId};
use deputy_hub::ports::{
    ApprovalRecord, ApprovalState, Approvals as _, Ballot, Cast, Edit, Review, Spending,
};
use deputy_testkit::Memory;
use proptest::prelude::*;

const ASKED: u64 = 1_000;
const DECIDABLE: u64 = 10_000;
const USABLE: u64 = 20_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn id(number: usize) -> ApprovalId {
    ApprovalId::new(format!("apr_{number:032}")).expect("id")
}

pub(super) fn question(number: usize) -> ApprovalRecord {
    ApprovalRecord {
        id: id(number),
        digest: Digest::of_bytes(b"call"),
        call_digest: Digest::of_bytes(b"what was asked"),
        requester: user("alice"),
        client: Client("some-client".to_owned()),
        agent_name: Some("Some Agent".to_owned()),
        source: SourceName::new("crm").expect("source"),
        origin: "https://crm.example".parse().expect("origin"),
        tool: "add_note".to_owned(),
        title: "Add a note".to_owned(),
        class: vec!["write".to_owned()],
        definition: Digest::of_bytes(b"definition"),
        arguments: r#"{"text":"hello"}"#.to_owned(),
        policies: vec![PolicyId("rest-asks".to_owned())],
        policy_version: Digest::of_bytes(b"policy"),
        rule: ApprovalRule::default(),
        batch: None,
        replaces: None,
        created_at: at(ASKED),
        expires_at: at(DECIDABLE),
        bound_until: at(DECIDABLE),
        execution_expires_at: None,
        state: ApprovalState::Pending,
        decided_by: None,
        decided_reason: None,
        broke_glass: false,
        replaced_by: None,
        cast: Vec::new(),
    }
}

fn cast(by: &str, yes: bool, when: u64) -> Cast {
    let reason = Some("fine".to_owned());
    Cast { by: user(by), in_place_of: None, yes, reason, card: None, at: at(when) }
}

fn ballot(number: usize, cast: Cast) -> Ballot {
    let line = |state: &str| event(EventKind::ApprovalDecided, 1).with_detail("state", state);
    Ballot {
        id: id(number),
        digest: Digest::of_bytes(b"call"),
        decided: line("decided"),
        counted: line("counted"),
        break_glass: false,
        execution_expires_at: at(USABLE),
        cast,
    }
}

fn decision(number: usize, state: ApprovalState, when: u64) -> Ballot {
    ballot(number, cast("carol", state == ApprovalState::Approved, when))
}

fn spending(number: usize, requester: &User, digest: &[u8]) -> Spending {
    let event = event(EventKind::ApprovalDecided, 1);
    Spending { id: id(number), digest: Digest::of_bytes(digest), requester: requester.clone(), event }
}

fn asked(number: usize) -> (TempDir, Process) {
    let directory = directory();
    let process = Process::start(&directory);
    process.run(process.store.ask(question(number), event(EventKind::ApprovalRequested, 1))).expect("asked");
    (directory, process)
}

impl Process {
    fn decide(&self, ballot: Ballot) -> bool {
        self.run(self.store.vote(vec![ballot])).expect("answers").is_some()
    }

    fn spend(&self, requester: &User, digest: &[u8], when: u64) -> bool {
        self.run(self.store.spend(vec![spending(1, requester, digest)], at(when))).expect("answers")
    }

    fn state(&self) -> ApprovalState {
        self.run(self.store.approval(&tenant(), &id(1))).expect("reads").expect("is there").state
    }
}

#[test]
fn a_question_reads_back_with_what_was_decided() {
    let (_directory, process) = asked(1);
    let pending = process.run(process.store.pending(&user("alice"), at(ASKED))).expect("reads");
    assert_eq!(pending, [question(1)]);
    assert!(process.run(process.store.pending(&user("bob"), at(ASKED))).expect("reads").is_empty());
    assert!(process.run(process.store.pending(&user("alice"), at(DECIDABLE))).expect("reads").is_empty());
    assert!(process.decide(decision(1, ApprovalState::Approved, 2_000)));
    let decided = process.run(process.store.approval(&tenant(), &id(1))).expect("reads").expect("is there");
    let expected = ApprovalRecord {
        state: ApprovalState::Approved,
        decided_by: Some(user("carol")),
        decided_reason: Some("fine".to_owned()),
        execution_expires_at: Some(at(USABLE)),
        cast: vec![cast("carol", true, 2_000)],
        ..question(1)
    };
    assert_eq!(decided, expected);
    let other = TenantId::new("other").expect("tenant");
    assert_eq!(process.run(process.store.approval(&other, &id(1))).expect("reads"), None);
    process.stop();
}

#[test]
fn apr_02_a_hundred_racing_decisions_have_one_effect_and_one_line() {
    let (_directory, process) = asked(1);
    let won = process.run(async {
        let supervisor = Supervisor::new(CancellationToken::new());
        let (report, mut reported) = mpsc::unbounded_channel();
        for number in 0..100 {
            let (store, report) = (Arc::clone(&process.store), report.clone());
            let state = if number % 2 == 0 { ApprovalState::Approved } else { ApprovalState::Refused };
            supervisor.start(async move {
                let mut ballot = decision(1, state, 2_000);
                ballot.cast.by = user(&format!("person-{number}"));
                let decided = store.vote(vec![ballot]).await;
                report.send(decided.expect("answers").is_some()).expect("reported");
            });
        }
        drop(report);
        let mut won = 0;
        while let Some(decided) = reported.recv().await {
            won += usize::from(decided);
        }
        won
    });
    assert_eq!((won, process.lines()), (1, 2));
    process.stop();
}

#[test]
fn apr_01_another_digest_requester_or_tenant_decides_and_spends_nothing() {
    let (_directory, process) = asked(1);
    let mut wrong = decision(1, ApprovalState::Approved, 2_000);
    wrong.digest = Digest::of_bytes(b"another call");
    assert!(!process.decide(wrong));
    let mut foreign = decision(1, ApprovalState::Approved, 2_000);
    foreign.cast.by.tenant = TenantId::new("other").expect("tenant");
    assert!(!process.decide(foreign));
    assert!(!process.spend(&user("alice"), b"call", 2_000), "not approved yet");
    assert!(process.decide(decision(1, ApprovalState::Approved, 2_000)));
    assert!(!process.spend(&user("bob"), b"call", 3_000));
    assert!(!process.spend(&user("alice"), b"another call", 3_000));
    assert!(process.spend(&user("alice"), b"call", 3_000));
    assert!(!process.spend(&user("alice"), b"call", 3_000), "once is all");
    assert_eq!((process.state(), process.lines()), (ApprovalState::Spent, 3));
    process.stop();
}

#[test]
fn apr_04_nothing_is_decided_or_used_from_the_very_moment_it_ends() {
    let (_directory, process) = asked(1);
    assert!(!process.decide(decision(1, ApprovalState::Approved, DECIDABLE)));
    assert!(process.decide(decision(1, ApprovalState::Approved, DECIDABLE - 1)));
    assert!(!process.spend(&user("alice"), b"call", USABLE));
    assert!(process.spend(&user("alice"), b"call", USABLE - 1));
    process.stop();
}

#[test]
fn apr_04_a_refusal_is_never_spent() {
    let (_directory, process) = asked(1);
    assert!(process.decide(decision(1, ApprovalState::Refused, 2_000)));
    assert!(!process.spend(&user("alice"), b"call", 3_000));
    assert!(!process.decide(decision(1, ApprovalState::Approved, 3_000)), "no is final");
    process.stop();
}

#[test]
fn apr_04_what_nobody_decided_or_used_expires_with_a_line_each() {
    let (_directory, process) = asked(1);
    process.run(process.store.ask(question(2), event(EventKind::ApprovalRequested, 2))).expect("asked");
    assert!(process.decide(decision(2, ApprovalState::Approved, 2_000)));
    let expire = |when| process.run(process.store.expire(at(when))).expect("expires");
    assert!(expire(DECIDABLE - 1).is_empty());
    assert_eq!(expire(DECIDABLE), [id(1)]);
    assert!(expire(DECIDABLE).is_empty());
    assert_eq!(expire(USABLE), [id(2)]);
    assert_eq!(process.state(), ApprovalState::Expired);
    let lines = process.list(&Filter { kind: Some(EventKind::ApprovalExpired), ..Filter::default() });
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1].event.approval, Some(id(1)));
    assert_eq!(lines[1].event.user, Some(user("alice")));
    process.stop();
}

#[test]
fn apr_05_a_pending_question_survives_a_crash() {
    let (directory, process) = asked(1);
    process.crash();
    let process = Process::start(&directory);
    assert!(process.decide(decision(1, ApprovalState::Approved, 2_000)));
    process.crash();
    let process = Process::start(&directory);
    assert!(process.spend(&user("alice"), b"call", 3_000));
    process.stop();
}

/// The rules of the three questions of [`apr_02_any_order_of_steps_does_what_the_naive_way_does`].
fn ruled(number: usize) -> ApprovalRecord {
    let leads = Approvers { groups: vec!["leads".to_owned()], subjects: Vec::new() };
    let rule = match number {
        0 => ApprovalRule::default(),
        1 => ApprovalRule {
            quorum: 2,
            approvers: vec![leads],
            own: Permission::Never,
            on_timeout: Some(OnTimeout::Escalate),
            escalate_to: vec!["managers".to_owned()],
            ..ApprovalRule::default()
        },
        _ => ApprovalRule { on_timeout: Some(OnTimeout::Pause), ..ApprovalRule::default() },
    };
    ApprovalRecord { rule, ..question(number) }
}

#[test]
fn apr_06_two_of_three_are_two_different_people_and_none_of_them_the_requester() {
    let directory = directory();
    let process = Process::start(&directory);
    process.run(process.store.ask(ruled(1), event(EventKind::ApprovalRequested, 1))).expect("asked");
    let vote = |cast| process.run(process.store.vote(vec![ballot(1, cast)])).expect("answers");
    assert_eq!(vote(cast("alice", true, 2_000)), None, "requester is not approver");
    assert_eq!(vote(cast("bob", true, 2_000)), Some(vec![ApprovalState::Pending]));
    assert_eq!(vote(cast("bob", true, 2_001)), None, "once is once");
    let for_bob = Cast { in_place_of: Some(user("bob")), ..cast("dave", true, 2_002) };
    assert_eq!(vote(for_bob), None, "nor in bob's place again");
    let for_alice = Cast { in_place_of: Some(user("alice")), ..cast("dave", true, 2_002) };
    assert_eq!(vote(for_alice), None, "nor in the requester's");
    assert_eq!(vote(cast("carol", true, 2_003)), Some(vec![ApprovalState::Approved]));
    assert_eq!(vote(cast("erin", false, 2_004)), None, "decided is decided");
    process.stop();
}

#[test]
fn apr_06_one_no_is_a_no_and_a_broken_glass_is_a_yes_that_somebody_else_reviews() {
    let directory = directory();
    let process = Process::start(&directory);
    for number in [1, 2] {
        let asked = ApprovalRecord { id: id(number), rule: ruled(1).rule, ..question(number) };
        process.run(process.store.ask(asked, event(EventKind::ApprovalRequested, 1))).expect("asked");
    }
    let vote = |ballot| process.run(process.store.vote(vec![ballot])).expect("answers");
    vote(ballot(1, cast("bob", true, 2_000)));
    assert_eq!(vote(ballot(1, cast("carol", false, 2_000))), Some(vec![ApprovalState::Refused]));
    let broken = Ballot { break_glass: true, ..ballot(2, cast("bob", true, 2_000)) };
    assert_eq!(vote(broken), Some(vec![ApprovalState::Approved]));
    let open = process.run(process.store.unreviewed(&tenant())).expect("reads");
    assert_eq!(open.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id(2)]);
    let review = |by: &str| {
        let review = Review { id: id(2), by: user(by), finding: "it was right".to_owned(), at: at(3_000) };
        process.run(process.store.review(review, event(EventKind::ApprovalReviewed, 1))).expect("answers")
    };
    assert!(!review("bob") && !review("alice"), "neither who broke it nor who asked");
    assert!(review("carol") && !review("dave"), "once");
    assert!(process.run(process.store.unreviewed(&tenant())).expect("reads").is_empty());
    process.stop();
}

#[test]
fn apr_07_of_several_words_or_approvals_all_count_or_none() {
    let (_directory, process) = asked(1);
    process.run(process.store.ask(question(2), event(EventKind::ApprovalRequested, 2))).expect("asked");
    let lines = process.lines();
    let stale = Ballot { digest: Digest::of_bytes(b"other"), ..decision(2, ApprovalState::Approved, 2_000) };
    let both = vec![decision(1, ApprovalState::Approved, 2_000), stale];
    assert_eq!(process.run(process.store.vote(both)).expect("answers"), None);
    assert_eq!((process.state(), process.lines()), (ApprovalState::Pending, lines), "nothing happened");
    let both = [1, 2].map(|number| decision(number, ApprovalState::Approved, 2_000)).to_vec();
    assert!(process.run(process.store.vote(both)).expect("answers").is_some());
    let alice = user("alice");
    let spoiled = vec![spending(1, &alice, b"call"), spending(2, &alice, b"another call")];
    assert!(!process.run(process.store.spend(spoiled, at(3_000))).expect("answers"));
    assert_eq!(process.state(), ApprovalState::Approved, "consuming nothing");
    let both = vec![spending(1, &alice, b"call"), spending(2, &alice, b"call")];
    assert!(process.run(process.store.spend(both, at(3_000))).expect("answers"));
    assert_eq!(process.lines(), lines + 4);
    process.stop();
}

#[test]
fn apr_13_other_arguments_are_another_question_with_the_first_word_on_it() {
    let (_directory, process) = asked(1);
    let new = ApprovalRecord {
        id: id(9),
        digest: Digest::of_bytes(b"other call"),
        call_digest: Digest::of_bytes(b"other"),
        replaces: Some(id(1)),
        ..question(9)
    };
    let edit = Edit {
        ballot: decision(1, ApprovalState::Approved, 2_000),
        record: new,
        asked: event(EventKind::ApprovalRequested, 1),
    };
    assert_eq!(
        process.run(process.store.edit(edit.clone())).expect("answers"),
        Some(ApprovalState::Approved)
    );
    assert_eq!(process.state(), ApprovalState::Changed);
    assert_eq!(process.run(process.store.edit(edit)).expect("answers"), None, "once");
    let latest =
        process.run(process.store.latest(&user("alice"), &Digest::of_bytes(b"other"))).expect("reads");
    let latest = latest.expect("is there");
    assert_eq!((latest.id, latest.state, latest.cast.len()), (id(9), ApprovalState::Approved, 1));
    process.stop();
}

#[test]
fn apr_04_what_is_late_pauses_or_escalates_once_and_then_ends() {
    let directory = directory();
    let process = Process::start(&directory);
    for number in [1, 2] {
        let asked = process.store.ask(ruled(number), event(EventKind::ApprovalRequested, 1));
        process.run(asked).expect("asked");
    }
    let expire = |when| process.run(process.store.expire(at(when))).expect("expires").len();
    let read =
        |number| process.run(process.store.approval(&tenant(), &id(number))).expect("reads").expect("there");
    assert_eq!(expire(DECIDABLE), 2);
    let (escalated, paused) = (read(1), read(2));
    assert_eq!(escalated.expires_at, at(DECIDABLE + DECIDABLE - ASKED), "as long again");
    assert!(escalated.rule.approvers[0].groups.contains(&"managers".to_owned()));
    assert_eq!(escalated.digest, ruled(1).digest, "what people decide about stays the same");
    assert_eq!(paused.expires_at, at(ASKED).plus(deputy_core::approval::PAUSED_AT_MOST));
    assert_eq!(expire(DECIDABLE), 0);
    assert_eq!((expire(DECIDABLE * 2), read(1).state), (1, ApprovalState::Expired));
    let late = process.list(&Filter { kind: Some(EventKind::ApprovalOverdue), ..Filter::default() });
    assert_eq!(late.len(), 2);
    process.stop();
}

/// One thing that somebody does to one of three questions.
#[derive(Debug, Clone)]
enum Step {
    Ask(usize),
    Vote(usize, Cast, bool),
    Both(Cast),
    Spend(Vec<usize>, u64),
    Expire(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (number, when) = (0..3_usize, (0..25_u64).prop_map(|at| at * 1_000));
    let who = prop_oneof![Just("alice"), Just("bob"), Just("carol")];
    let cast =
        (who.clone(), prop::option::of(who), any::<bool>(), when.clone()).prop_map(|(by, place, yes, at)| {
            let in_place_of = place.filter(|place| *place != by).map(user);
            Cast { in_place_of, ..cast(by, yes, at) }
        });
    let step = prop_oneof![
        number.clone().prop_map(Step::Ask),
        (number.clone(), cast.clone(), prop::bool::weighted(0.1))
            .prop_map(|(n, cast, glass)| Step::Vote(n, cast, glass)),
        cast.prop_map(Step::Both),
        (prop::sample::subsequence(vec![0, 1, 2], 1..3), when.clone())
            .prop_map(|(all, at)| Step::Spend(all, at)),
        when.prop_map(Step::Expire),
        Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn apr_02_any_order_of_steps_does_what_the_naive_way_does(steps in steps()) {
        let directory = directory();
        let mut process = Process::start(&directory);
        let naive = Memory::default();
        for step in steps {
            match step {
                Step::Ask(number) => {
                    let line = || event(EventKind::ApprovalRequested, 1);
                    let asked = process.run(process.store.ask(ruled(number), line()));
                    let known = process.run(naive.approval(&tenant(), &id(number))).expect("reads").is_some();
                    prop_assert_eq!(asked.is_ok(), !known);
                    if !known {
                        process.run(naive.ask(ruled(number), line())).expect("asked");
                    }
                }
                Step::Vote(number, cast, break_glass) => {
                    let ballot = Ballot { break_glass, ..ballot(number, cast) };
                    let voted = process.run(process.store.vote(vec![ballot.clone()])).expect("answers");
                    prop_assert_eq!(voted, process.run(naive.vote(vec![ballot])).expect("answers"));
                }
                Step::Both(cast) => {
                    let both = vec![ballot(0, cast.clone()), ballot(1, cast)];
                    let voted = process.run(process.store.vote(both.clone())).expect("answers");
                    prop_assert_eq!(voted, process.run(naive.vote(both)).expect("answers"));
                }
                Step::Spend(numbers, now) => {
                    let all: Vec<_> = numbers.iter().map(|n| spending(*n, &user("alice"), b"call")).collect();
                    let spent = process.run(process.store.spend(all.clone(), at(now))).expect("answers");
                    prop_assert_eq!(spent, process.run(naive.spend(all, at(now))).expect("answers"));
                }
                Step::Expire(now) => {
                    let mut ended = process.run(process.store.expire(at(now))).expect("expires");
                    let mut expected = process.run(naive.expire(at(now))).expect("expires");
                    ended.sort();
                    expected.sort();
                    prop_assert_eq!(ended, expected);
                }
                Step::Restart => {
                    process.crash();
                    process = Process::start(&directory);
                }
            }
        }
        for number in 0..3 {
            let stored = process.run(process.store.approval(&tenant(), &id(number))).expect("reads");
            prop_assert_eq!(stored, process.run(naive.approval(&tenant(), &id(number))).expect("reads"));
        }
        let lines = naive.events().len() as u64;
        // The first line publishes the key of the log; before it there is nothing to verify.
        if lines > 0 {
            prop_assert_eq!(process.verify(None).expect("good").lines, lines);
        }
        process.crash();
    }
}
