//! APR-02 to APR-05 on the tables: one effect per question, nothing after its time, everything with its line.

use super::*;
use deputy_core::{ApprovalId, PolicyId};
use deputy_hub::ports::{ApprovalRecord, ApprovalState, Approvals as _, Decision};

const ASKED: u64 = 1_000;
const DECIDABLE: u64 = 10_000;
const USABLE: u64 = 20_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn id(number: usize) -> ApprovalId {
    ApprovalId::new(format!("apr_{number:032}")).expect("id")
}

fn question(number: usize) -> ApprovalRecord {
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
