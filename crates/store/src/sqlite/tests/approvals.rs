//! APR-02 to APR-05 on the tables: one effect per question, nothing after its time, everything with its line.

use super::*;
use deputy_core::{ApprovalId, PolicyId};
use deputy_hub::ports::{ApprovalRecord, ApprovalState, Approvals as _, Decision};
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
        requester: user("alice"),
        client: Client("some-client".to_owned()),
        agent_name: Some("Some Agent".to_owned()),
        source: SourceName::new("crm").expect("source"),
        tool: "add_note".to_owned(),
        title: "Add a note".to_owned(),
        class: vec!["write".to_owned()],
        definition: Digest::of_bytes(b"definition"),
        arguments: r#"{"text":"hello"}"#.to_owned(),
        policies: vec![PolicyId("rest-asks".to_owned())],
        policy_version: Digest::of_bytes(b"policy"),
        created_at: at(ASKED),
        expires_at: at(DECIDABLE),
        execution_expires_at: None,
        state: ApprovalState::Pending,
        decided_by: None,
        decided_reason: None,
    }
}

fn decision(number: usize, state: ApprovalState, when: u64) -> Decision {
    Decision {
        id: id(number),
        digest: Digest::of_bytes(b"call"),
        by: user("carol"),
        state,
        reason: Some("fine".to_owned()),
        execution_expires_at: at(USABLE),
        at: at(when),
    }
}

fn asked(number: usize) -> (TempDir, Process) {
    let directory = directory();
    let process = Process::start(&directory);
    process.run(process.store.ask(question(number), event(EventKind::ApprovalRequested, 1))).expect("asked");
    (directory, process)
}

impl Process {
    fn decide(&self, decision: Decision) -> bool {
        self.run(self.store.decide(decision, event(EventKind::ApprovalDecided, 1))).expect("decided")
    }

    fn spend(&self, requester: &User, digest: &[u8], when: u64) -> bool {
        let (id, digest) = (id(1), Digest::of_bytes(digest));
        let event = event(EventKind::Intent, 1);
        self.run(self.store.spend(&id, &digest, requester, at(when), event)).expect("answers")
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
                let decided =
                    store.decide(decision(1, state, 2_000), event(EventKind::ApprovalDecided, number)).await;
                report.send(decided.expect("answers")).expect("reported");
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
    foreign.by.tenant = TenantId::new("other").expect("tenant");
    assert!(!process.decide(foreign));
    assert!(!process.decide(decision(1, ApprovalState::Spent, 2_000)), "that is no decision");
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

/// One thing that somebody does to one of three questions.
#[derive(Debug, Clone)]
enum Step {
    Ask(usize),
    Decide(usize, bool, u64),
    Spend(usize, u64),
    Expire(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (number, when) = (0..3_usize, (0..25_u64).prop_map(|at| at * 1_000));
    let step = prop_oneof![
        number.clone().prop_map(Step::Ask),
        (number.clone(), any::<bool>(), when.clone())
            .prop_map(|(number, yes, at)| Step::Decide(number, yes, at)),
        (number, when.clone()).prop_map(|(number, at)| Step::Spend(number, at)),
        when.prop_map(Step::Expire),
        Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..25)
}

/// What the table should hold: where each question stands and how many lines there are. Naive on purpose.
#[derive(Default)]
struct Model {
    states: std::collections::BTreeMap<usize, ApprovalState>,
    lines: u64,
}

impl Model {
    fn turn(&mut self, number: usize, from: ApprovalState, to: ApprovalState, in_time: bool) -> bool {
        let fits = in_time && self.states.get(&number) == Some(&from);
        if fits {
            self.states.insert(number, to);
            self.lines += 1;
        }
        fits
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn apr_02_any_order_of_steps_does_what_the_naive_model_does(steps in steps()) {
        use ApprovalState::{Approved, Expired, Pending, Refused, Spent};
        let directory = directory();
        let mut process = Process::start(&directory);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Ask(number) => {
                    let asked = process.run(process.store.ask(question(number), event(EventKind::ApprovalRequested, 1)));
                    let fresh = !model.states.contains_key(&number);
                    if fresh {
                        model.states.insert(number, Pending);
                        model.lines += 1;
                    }
                    prop_assert_eq!(asked.is_ok(), fresh);
                }
                Step::Decide(number, yes, at) => {
                    let to = if yes { Approved } else { Refused };
                    let expected = model.turn(number, Pending, to, at < DECIDABLE);
                    prop_assert_eq!(process.decide(decision(number, to, at)), expected);
                }
                Step::Spend(number, now) => {
                    let (id, alice, digest) = (id(number), user("alice"), Digest::of_bytes(b"call"));
                    let line = event(EventKind::Intent, 1);
                    let spent = process.run(process.store.spend(&id, &digest, &alice, at(now), line));
                    let spent = spent.expect("answers");
                    prop_assert_eq!(spent, model.turn(number, Approved, Spent, now < USABLE));
                }
                Step::Expire(now) => {
                    let expired = process.run(process.store.expire(at(now))).expect("expires").len();
                    let mut expected = 0;
                    for number in 0..3 {
                        expected += usize::from(
                            model.turn(number, Pending, Expired, now >= DECIDABLE)
                                || model.turn(number, Approved, Expired, now >= USABLE),
                        );
                    }
                    prop_assert_eq!(expired, expected);
                }
                Step::Restart => {
                    process.crash();
                    process = Process::start(&directory);
                }
            }
        }
        for (number, state) in &model.states {
            let stored = process.run(process.store.approval(&tenant(), &id(*number))).expect("reads");
            prop_assert_eq!(stored.map(|approval| approval.state), Some(*state));
        }
        // The first line publishes the key of the log; before it there is nothing to verify.
        if model.lines > 0 {
            prop_assert_eq!(process.verify(None).expect("good").lines, model.lines);
        }
        process.crash();
    }
}
