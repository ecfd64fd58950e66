//! Lines go in, come out, are numbered, signed and proven.

use super::*;
use crate::Which;
use deputy_audit::Checkpoint;
use deputy_hub::ports::OpenCalls as _;
use deputy_hub::ports::Tickets as _;
use std::collections::BTreeSet;
use std::time::Instant;

#[test]
fn lines_read_back_newest_first_and_by_filter() {
    let directory = directory();
    let process = Process::start(&directory);
    assert_eq!(process.append(vec![event(EventKind::Intent, 1), event(EventKind::Outcome, 1)]).ok(), Some(0));
    assert_eq!(process.append(vec![event(EventKind::SignIn, 2)]).ok(), Some(2));
    let all = process.list(&Filter::default());
    assert_eq!(all.iter().map(|line| line.seq).collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!(all[0].event, event(EventKind::SignIn, 2));
    let of_call = Filter { call: Some(call(1)), user: Some(user("alice")), ..Filter::default() };
    assert_eq!(process.list(&of_call).len(), 2);
    assert!(process.list(&Filter { user: Some(user("bob")), ..Filter::default() }).is_empty());
    let before = Filter { before: Some(2), limit: 1, ..Filter::default() };
    assert_eq!(process.list(&before).first().map(|line| line.seq), Some(1));
    let early = Filter { until: Some(event(EventKind::Intent, 2).at), ..Filter::default() };
    assert_eq!(process.list(&early).len(), 2);
    process.stop();
}

#[test]
fn aud_02_a_log_verifies_and_its_lines_are_proven() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(2500)).expect("appended");
    let note = process.checkpoint().expect("note");
    process.append(outcomes(3)).expect("appended");
    let report = process.verify(Some(&note)).expect("good");
    assert_eq!((report.lines, report.signed, report.external), (2503, 2500, Some(2500)));
    let key = process.store.place.verifier_key(&tenant()).expect("key");
    let reader = process.store.audit();
    for which in [Which::Seq(0), Which::Seq(2499)] {
        let proofs = process.run(reader.prove(&tenant(), &which)).expect("proof");
        assert_eq!(proofs.len(), 1);
        proofs[0].check(&key).expect("holds");
    }
    assert!(process.run(reader.prove(&tenant(), &Which::Seq(2501))).is_err(), "not signed yet");
    assert!(process.run(reader.prove(&tenant(), &Which::Seq(9999))).expect("reads").is_empty());
    process.checkpoint();
    let both = process.run(reader.prove(&tenant(), &Which::Call(call(1)))).expect("proofs");
    assert_eq!(both.iter().map(deputy_audit::Proof::index).collect::<Vec<_>>(), [1, 2501]);
    process.stop();
}

#[test]
fn each_tenant_has_a_log_of_its_own() {
    let directory = directory();
    let process = Process::start(&directory);
    let other = TenantId::new("other").expect("tenant");
    process.append(outcomes(3)).expect("appended");
    let line = Event::new(Timestamp::from_millis(1), other.clone(), EventKind::HubStarted);
    assert_eq!(process.append(vec![line]).ok(), Some(0));
    let reader = process.store.audit();
    assert_eq!(process.run(reader.tenants()).expect("reads"), [tenant(), other.clone()]);
    assert_eq!(process.run(reader.list(&other, &Filter::default())).expect("reads").len(), 1);
    let key = process.store.place.verifier_key(&other).expect("key");
    let note = process.run(process.store.checkpoint(&other)).expect("signs").expect("note");
    assert_eq!(Checkpoint::open(&note, &key).expect("good").size(), 1);
    assert!(Checkpoint::open(&note, &process.store.place.verifier_key(&tenant()).expect("key")).is_err());
    process.stop();
}

#[test]
fn a_stop_finishes_what_waits_signs_it_and_refuses_more() {
    let directory = directory();
    let process = Process::start(&directory);
    let waiting: Vec<_> = (0..50).map(|_| process.store.append(outcomes(1))).collect();
    process.run(process.supervisor.shut_down());
    for line in waiting {
        process.run(line).expect("was waiting before the stop");
    }
    assert!(matches!(process.append(outcomes(1)), Err(StoreError::Unavailable(_))));
    process.stop();
    let report = verify_offline(&directory, None).expect("good");
    assert_eq!((report.lines, report.signed), (50, 50));
}

#[test]
fn a_dropped_future_does_not_take_its_line_back() {
    let directory = directory();
    let process = Process::start(&directory);
    drop(process.store.append(outcomes(1)));
    assert_eq!(process.append(outcomes(1)).ok(), Some(1));
    process.stop();
}

#[test]
fn enough_new_lines_are_signed_without_being_asked() {
    let directory = directory();
    let settings = Settings {
        checkpoint_lines: 10,
        checkpoint_after: Duration::from_secs(3600),
        readers: 1,
        ..Settings::default()
    };
    let process = Process::start_with(&directory, settings).expect("opens");
    process.append(outcomes(9)).expect("appended");
    assert_eq!(process.store.place.read_checkpoint(&tenant()).expect("reads"), None);
    process.append(outcomes(1)).expect("appended");
    process.append(outcomes(1)).expect("the writer is past the signing");
    let key = process.store.place.verifier_key(&tenant()).expect("key");
    let note = process.store.place.read_checkpoint(&tenant()).expect("reads").expect("note");
    assert_eq!(Checkpoint::open(&note, &key).expect("good").size(), 10);
    process.crash();
}

#[test]
fn old_new_lines_are_signed_without_being_asked() {
    let directory = directory();
    let settings = Settings { checkpoint_after: Duration::from_millis(1), ..Settings::default() };
    let process = Process::start_with(&directory, settings).expect("opens");
    process.append(outcomes(1)).expect("appended");
    let deadline = Instant::now() + Duration::from_secs(10);
    while process.store.place.read_checkpoint(&tenant()).expect("reads").is_none() {
        assert!(Instant::now() < deadline, "no checkpoint in 10 s");
        std::thread::yield_now();
    }
    process.stop();
}

#[test]
fn sch_06_intents_without_an_outcome_are_found_after_a_crash_and_only_then() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(vec![event(EventKind::Intent, 1)]).expect("appended");
    process.append(vec![event(EventKind::Intent, 2), event(EventKind::Outcome, 2)]).expect("appended");
    process.append(vec![event(EventKind::Intent, 3)]).expect("appended");
    process.append(vec![event(EventKind::Outcome, 3)]).expect("appended");
    assert!(
        process.run(process.store.open_calls()).expect("reads").is_empty(),
        "they are this process's own"
    );
    process.crash();
    let process = Process::start(&directory);
    process.append(vec![event(EventKind::Intent, 4)]).expect("appended");
    let open = process.run(process.store.open_calls()).expect("reads");
    assert_eq!(open, [(call(1), event(EventKind::Intent, 1))]);
    process.append(vec![event(EventKind::Outcome, 1)]).expect("appended");
    assert!(process.run(process.store.open_calls()).expect("reads").is_empty());
    process.stop();
}

#[test]
fn aud_09_256_callers_at_once_get_a_number_each() {
    let directory = directory();
    let process = Process::start(&directory);
    let (callers, each) = (256, 8);
    let started = Instant::now();
    let numbers = process.run(async {
        let supervisor = Supervisor::new(CancellationToken::new());
        let (report, mut reported) = mpsc::unbounded_channel();
        for caller in 0..callers {
            let (store, report) = (Arc::clone(&process.store), report.clone());
            supervisor.start(async move {
                for line in 0..each {
                    let number = store.append(vec![event(EventKind::Intent, caller * each + line)]).await;
                    report.send(number.expect("appended")).expect("reported");
                }
            });
        }
        drop(report);
        let mut numbers = BTreeSet::new();
        while let Some(number) = reported.recv().await {
            assert!(numbers.insert(number), "{number} was given twice");
        }
        numbers
    });
    let elapsed = started.elapsed();
    println!("{:.0} durable lines/s", numbers.len() as f64 / elapsed.as_secs_f64());
    assert_eq!(numbers.last(), Some(&((callers * each - 1) as u64)));
    assert_eq!(process.verify(None).expect("good").lines, (callers * each) as u64);
    process.stop();
}

#[test]
fn a_database_of_the_schema_before_is_taken_over_with_its_lines() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(5)).expect("appended");
    process.stop();
    on_disk(
        &directory,
        "DROP TABLE consent_key;
         DROP INDEX audit_secret;
         CREATE INDEX audit_secret ON audit_event (tenant, json_extract(CAST(public AS TEXT), '$.source'),
             json_extract(CAST(public AS TEXT), '$.detail.name'), seq)
             WHERE instr(public, x'226b696e64223a227365637265745f') > 0;
         PRAGMA user_version = 9;",
    );
    let process = Process::start(&directory);
    assert_eq!(process.append(outcomes(1)).ok(), Some(5));
    assert_eq!(process.verify(None).expect("good").lines, 6);
    let partial =
        "SELECT count(*) FROM sqlite_schema WHERE name = 'audit_secret' AND sql LIKE '%call IS NULL AND%'";
    assert_eq!(process.on_writer(partial).ok(), Some(vec![1]));
    process.stop();
}

#[test]
fn lines_and_changes_take_turns_without_a_gap() {
    let directory = directory();
    let process = Process::start(&directory);
    let now = Timestamp::from_millis(1_000);
    for number in 0..8 {
        process.append(outcomes(2)).expect("lines alone");
        let put =
            process.store.put_ticket(super::faults::ticket(number), now, event(EventKind::TicketIssued, 1));
        process.run(put).expect("a change and its line");
    }
    assert_eq!(process.verify(None).expect("good").lines, 24);
    process.stop();
    assert_eq!(verify_offline(&directory, None).expect("good").lines, 24);
}

#[test]
fn one_file_is_left_behind() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(3)).expect("appended");
    process.stop();
    let log = place(&directory).database().with_extension("db-wal");
    let size = std::fs::metadata(&log).map_or(0, |file| file.len());
    assert_eq!(size, 0, "what the write-ahead log held is in the database");
}
