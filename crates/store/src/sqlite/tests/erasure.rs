//! A person is erased for good, and the log is as provable as before.

use super::*;
use crate::Which;
use deputy_hub::ports::{Approvals as _, Tickets as _};

const AT: Timestamp = Timestamp::from_millis(1_795_303_800_000);

/// Alice's and Bob's lines in turn, and one of Bob's that names Alice.
fn world(process: &Process) {
    let mut events: Vec<Event> = (0..6)
        .map(|number| {
            let mut event = event(EventKind::Outcome, number);
            event.user = Some(user(if number % 2 == 0 { "alice-canary" } else { "bob" }));
            event
        })
        .collect();
    events[5] = events[5].clone().with_personal("decided_by", user("alice-canary").key());
    process.append(events).expect("appended");
}

pub(super) fn holds(directory: &TempDir, canary: &str) -> bool {
    std::fs::read_dir(directory.path())
        .expect("folder")
        .filter_map(|entry| std::fs::read(entry.expect("entry").path()).ok())
        .any(|bytes| bytes.windows(canary.len()).any(|window| window == canary.as_bytes()))
}

#[test]
fn aud_06_an_erased_person_is_in_no_byte_of_the_database_and_every_proof_holds() {
    let directory = directory();
    let process = Process::start(&directory);
    world(&process);
    let note = process.checkpoint().expect("note");
    let proofs = process.run(process.store.audit().prove(&tenant(), &Which::Seq(2))).expect("proofs");
    assert!(holds(&directory, "alice-canary"));
    let erased = process.run(process.store.erase(&user("alice-canary"), AT)).expect("erased");
    assert_eq!(erased.lines, 4);
    assert!(!holds(&directory, "alice-canary"), "neither in the database nor in its write-ahead log");
    let report = process.verify(Some(&note)).expect("good");
    assert_eq!((report.lines, report.erased, report.external), (7, 4, Some(6)));
    let key = process.store.place.verifier_key(&tenant()).expect("key");
    for proof in proofs {
        proof.check(&key).expect("an earlier proof holds");
    }
    process.checkpoint();
    assert_eq!(
        process.run(process.store.audit().prove(&tenant(), &Which::Seq(2))).expect("proof").len(),
        1,
        "and a new one can be made"
    );
    let line = process.list(&Filter { limit: 1, ..Filter::default() });
    assert_eq!(line[0].event.kind, EventKind::PersonErased);
    assert_eq!(line[0].event.detail["lines"], "0,2,4-5");
    assert_eq!(process.list(&Filter { user: Some(user("bob")), ..Filter::default() }).len(), 2);
    process.stop();
    assert!(!holds(&directory, "alice-canary"));
}

#[test]
fn aud_06_questions_and_tickets_of_an_erased_person_go_too() {
    let directory = directory();
    let process = Process::start(&directory);
    let mut question = super::approvals::question(1);
    question.requester = user("alice-canary");
    let id = question.id.clone();
    process.run(process.store.ask(question, event(EventKind::ApprovalRequested, 1))).expect("asked");
    let mut ticket = super::faults::ticket(1);
    ticket.user = user("alice-canary");
    let hash = ticket.hash;
    let now = Timestamp::from_millis(1_000);
    process.run(process.store.put_ticket(ticket, now, event(EventKind::TicketIssued, 1))).expect("put");
    let erased = process.run(process.store.erase(&user("alice-canary"), AT)).expect("erased");
    assert_eq!((erased.approvals, erased.tickets), (1, 1));
    assert_eq!(process.run(process.store.approval(&tenant(), &id)).expect("reads"), None);
    assert_eq!(process.run(process.store.take_ticket(&hash)).expect("reads"), None);
    assert!(!holds(&directory, "alice-canary"));
    process.stop();
}

#[test]
fn aud_06_no_byte_of_an_erased_person_is_left_in_a_log_of_many_pages() {
    let directory = directory();
    let process = Process::start(&directory);
    for _ in 0..40 {
        world(&process);
    }
    assert_eq!(process.run(process.store.erase(&user("alice-canary"), AT)).expect("erased").lines, 160);
    assert!(!holds(&directory, "alice-canary"));
    assert_eq!(process.verify(None).expect("good").erased, 160);
    process.stop();
}

#[test]
fn erasing_somebody_of_whom_nothing_is_known_writes_no_line() {
    let directory = directory();
    let process = Process::start(&directory);
    world(&process);
    let erased = process.run(process.store.erase(&user("carol"), AT)).expect("nothing to do");
    assert_eq!((erased, process.lines()), (crate::Erased::default(), 6));
    process.stop();
}

#[test]
fn a_wish_to_erase_is_granted_by_the_hub_that_runs() {
    let directory = directory();
    let process = Process::start(&directory);
    world(&process);
    let alice = user("alice-canary");
    let granted = process.run(crate::wish(&place(&directory), &alice, AT, Duration::from_secs(60)));
    assert!(granted.expect("written"));
    assert_eq!(process.verify(None).expect("good").erased, 4);
    assert_eq!(process.lines(), 7);
    process.stop();
}

#[test]
fn a_data_directory_has_one_writer() {
    let directory = directory();
    let process = Process::start(&directory);
    assert!(matches!(Process::try_start(&directory), Err(OpenError::InUse { .. })));
    process.stop();
    Process::start(&directory).stop();
}
