//! When a commit fails, nobody is told that a line was written, and the next commit goes on without a gap (invariant 14).

use super::*;
use deputy_hub::ports::{TicketRecord, Tickets as _};
use std::os::unix::fs::PermissionsExt as _;

pub(super) fn ticket(number: u8) -> TicketRecord {
    TicketRecord {
        issued_at: None,
        provider_session: None,
        app_session: None,
        hash: Digest::from_bytes([number; 32]),
        user: user("alice"),
        app: SourceName::new("crm").expect("app"),
        origin: deputy_core::Origin::new("https://crm.acme.example").expect("origin"),
        session_expires_at: Timestamp::from_millis(9_000),
        expires_at: Timestamp::from_millis(5_000),
    }
}

#[test]
fn sto_04_every_connection_syncs_every_commit_and_keeps_foreign_keys() {
    let directory = directory();
    let process = Process::start(&directory);
    assert_eq!(process.on_writer("PRAGMA synchronous").ok(), Some(vec![2]), "2 is FULL");
    assert_eq!(process.on_writer("PRAGMA foreign_keys").ok(), Some(vec![1]));
    assert_eq!(
        process.on_writer("SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'").ok(),
        Some(vec![1])
    );
    assert_eq!(process.on_appender("PRAGMA synchronous"), [2], "lines too");
    assert_eq!(process.on_appender("PRAGMA foreign_keys"), [1]);
    assert_eq!(process.on_appender("PRAGMA secure_delete"), [1]);
    assert_eq!(
        process.on_appender("SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"),
        [1]
    );
    process.run(async {
        let mut held = Vec::new();
        for _ in 0..Settings::default().readers {
            let mut reader = process.store.readers.acquire().await.expect("reader");
            let synchronous: i64 =
                sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *reader).await.expect("pragma");
            assert_eq!(synchronous, 2);
            assert!(
                sqlx::query("DELETE FROM ticket").execute(&mut *reader).await.is_err(),
                "readers only read"
            );
            held.push(reader);
        }
    });
    process.stop();
}

#[test]
fn aud_01_a_change_whose_line_cannot_be_written_is_not_made() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(3)).expect("appended");
    process
        .on_writer(
            "CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'injected'); END",
        )
        .expect("trigger");
    let now = Timestamp::from_millis(1_000);
    let put = process.run(process.store.put_ticket(ticket(1), now, event(EventKind::TicketIssued, 1)));
    assert!(matches!(put, Err(StoreError::Unavailable(why)) if why.contains("injected")));
    process.on_writer("DROP TRIGGER full").expect("dropped");
    let taken = process.run(process.store.take_ticket(&ticket(1).hash));
    assert_eq!(taken.expect("reads"), None);
    assert_eq!(process.append(outcomes(1)).ok(), Some(3), "no gap");
    assert_eq!(process.verify(None).expect("good").lines, 4);
    process.stop();
}

#[test]
fn aud_01_a_change_that_fails_writes_no_line_and_leaves_the_others_alone() {
    let directory = directory();
    let process = Process::start(&directory);
    let now = Timestamp::from_millis(1_000);
    let put = |number| process.store.put_ticket(ticket(number), now, event(EventKind::TicketIssued, 1));
    process.run(put(1)).expect("put");
    let (twice, other) = process.run(async { tokio::join!(put(1), put(2)) });
    assert!(twice.is_err(), "the same hash again");
    other.expect("put");
    assert_eq!(process.lines(), 2);
    assert_eq!(process.verify(None).expect("good").lines, 2);
    process.stop();
}

#[test]
fn everybody_in_a_failed_commit_is_told_so_and_the_log_goes_on_without_a_gap() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(5)).expect("appended");
    process
        .on_writer(
            "CREATE TRIGGER full BEFORE INSERT ON audit_hash WHEN NEW.idx > 30
             BEGIN SELECT RAISE(ROLLBACK, 'injected'); END",
        )
        .expect("trigger");
    let waiting: Vec<_> = (0..40).map(|_| process.store.append(outcomes(1))).collect();
    let written = waiting.into_iter().filter_map(|line| process.run(line).ok()).count() as u64;
    assert!(written < 40);
    assert_eq!(process.lines(), 5 + written, "told is written, and nothing else is");
    process.on_writer("DROP TRIGGER full").expect("dropped");
    assert_eq!(process.append(outcomes(1)).ok(), Some(5 + written));
    assert_eq!(process.verify(None).expect("good").lines, 6 + written);
    process.stop();
}

#[test]
fn a_full_disk_is_an_error_and_room_heals_it() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(10)).expect("appended");
    process.fill_the_disk();
    let full = process.append(outcomes(200));
    assert!(matches!(full, Err(StoreError::Unavailable(why)) if why.contains("full")));
    assert_eq!(process.append(outcomes(1)).ok(), Some(10));
    assert_eq!(process.verify(None).expect("good").lines, 11);
    process.stop();
}

#[test]
fn a_ticket_is_taken_once_even_by_a_hundred_at_once() {
    let directory = directory();
    let process = Process::start(&directory);
    let now = Timestamp::from_millis(1_000);
    process.run(process.store.put_ticket(ticket(1), now, event(EventKind::TicketIssued, 1))).expect("put");
    let taken = process.run(async {
        let supervisor = Supervisor::new(CancellationToken::new());
        let (report, mut reported) = mpsc::unbounded_channel();
        for _ in 0..100 {
            let (store, report) = (Arc::clone(&process.store), report.clone());
            supervisor.start(async move {
                let taken = store.take_ticket(&ticket(1).hash).await.expect("reads");
                report.send(taken).expect("reported");
            });
        }
        drop(report);
        let mut taken = Vec::new();
        while let Some(ticket) = reported.recv().await {
            taken.extend(ticket);
        }
        taken
    });
    assert_eq!(taken, [ticket(1)]);
    process.stop();
}

#[test]
fn p2_a_ticket_that_ended_is_dropped_by_the_next_one() {
    let directory = directory();
    let process = Process::start(&directory);
    let put = |number, now| {
        let now = Timestamp::from_millis(now);
        process.run(process.store.put_ticket(ticket(number), now, event(EventKind::TicketIssued, 1)))
    };
    put(1, 1_000).expect("put");
    put(2, 5_000).expect("put");
    assert_eq!(process.run(process.store.take_ticket(&ticket(1).hash)).expect("reads"), None);
    process.stop();
}

#[test]
fn the_log_key_is_readable_by_its_owner_alone() {
    let directory = directory();
    Process::start(&directory).stop();
    let mode = std::fs::metadata(place(&directory).key()).expect("key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let audit = std::fs::metadata(directory.path().join("audit")).expect("directory").permissions().mode();
    assert_eq!(audit & 0o777, 0o700);
}

#[test]
fn a_checkpoint_asked_for_after_a_failed_commit_covers_what_was_committed_before() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(10)).expect("appended");
    process.fill_the_disk();
    process.append(outcomes(200)).expect_err("full");
    let note = process.checkpoint().expect("note");
    assert_eq!(process.verify(Some(&note)).expect("good").external, Some(10));
    process.stop();
}

fn probing(directory: &TempDir, probe_after: Duration) -> Process {
    let settings =
        Settings { probe_after, checkpoint_after: Duration::from_secs(3600), ..Settings::default() };
    Process::start_with(directory, settings).expect("opens")
}

#[test]
fn invariant_14_a_full_disk_is_said_until_a_commit_works() {
    let directory = directory();
    let process = probing(&directory, Duration::from_secs(3600));
    process.append(outcomes(1)).expect("appended");
    assert_eq!(process.store.fault(), None);
    process.fill_the_disk();
    process.append(outcomes(200)).expect_err("full");
    assert!(process.store.fault().expect("a fault").contains("full"));
    process.append(outcomes(1)).expect("room again");
    assert_eq!(process.store.fault(), None);
    process.stop();
}

#[test]
fn a_read_only_database_is_said_too() {
    let directory = directory();
    let process = probing(&directory, Duration::from_secs(3600));
    process.on_writer("PRAGMA query_only = ON").expect("as if mounted so");
    process.on_appender("PRAGMA query_only = ON");
    process.append(outcomes(1)).expect_err("read-only");
    assert!(process.store.fault().expect("a fault").contains("readonly"));
    assert_eq!(process.append(outcomes(1)).ok(), Some(0), "a new connection may write");
    process.stop();
}

#[test]
fn a_disk_that_has_room_again_is_found_without_anybody_calling() {
    let directory = directory();
    let process = probing(&directory, Duration::from_millis(10));
    process.fill_the_disk();
    process.append(outcomes(200)).expect_err("full");
    process.run(async {
        let until = tokio::time::Instant::now() + Duration::from_secs(30);
        while process.store.fault().is_some() {
            assert!(tokio::time::Instant::now() < until, "it recovers by itself");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(process.append(outcomes(1)).ok(), Some(0));
    process.stop();
}

#[test]
fn p2_a_ticket_that_ended_is_dropped_so_that_no_clock_brings_it_back() {
    let directory = directory();
    let process = Process::start(&directory);
    let (short, long) = (ticket(1), TicketRecord { expires_at: Timestamp::from_millis(90_000), ..ticket(2) });
    let end = short.expires_at;
    for one in [&short, &long] {
        let now = Timestamp::from_millis(1_000);
        let put = process.store.put_ticket(one.clone(), now, event(EventKind::TicketIssued, 1));
        process.run(put).expect("put");
    }
    assert!(end < long.expires_at);
    process.run(process.store.drop_ended_tickets(end)).expect("dropped");
    assert_eq!(process.run(process.store.take_ticket(&short.hash)).expect("reads"), None);
    assert_eq!(process.run(process.store.take_ticket(&long.hash)).expect("reads"), Some(long));
    assert_eq!(process.verify(None).expect("good").lines, 2);
    process.stop();
}
