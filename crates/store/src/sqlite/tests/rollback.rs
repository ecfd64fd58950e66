//! AUD-05: a database that is not the one that was signed does not open.

use super::*;
use std::fs;

/// Copies the database (closed, so it is one file).
fn backup(directory: &TempDir, name: &str) {
    fs::copy(place(directory).database(), directory.path().join(name)).expect("copied");
}

fn restore(directory: &TempDir, name: &str) {
    for beside in ["deputy.db-wal", "deputy.db-shm"] {
        let _ = fs::remove_file(directory.path().join(beside));
    }
    fs::copy(directory.path().join(name), place(directory).database()).expect("copied");
}

fn grown(directory: &TempDir, lines: usize) {
    let process = Process::start(directory);
    process.append(outcomes(lines)).expect("appended");
    process.stop();
}

#[test]
fn lines_survive_a_crash_and_a_reopening() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(7)).expect("appended");
    process.crash();
    let process = Process::start(&directory);
    assert_eq!(process.append(outcomes(1)).ok(), Some(7));
    process.stop();
    let report = verify_offline(&directory, None).expect("good");
    assert_eq!((report.lines, report.signed), (8, 8));
}

#[test]
fn aud_05_an_older_copy_of_the_database_is_refused_with_the_mend() {
    let directory = directory();
    grown(&directory, 5);
    backup(&directory, "old");
    grown(&directory, 5);
    restore(&directory, "old");
    let refused = Process::try_start(&directory).err().expect("refused");
    assert!(matches!(&refused, OpenError::RolledBack { lines: 5, signed: 10, .. }), "{refused}");
    assert!(refused.to_string().contains("Put the newest database back"));
}

#[test]
fn aud_05_an_empty_database_beside_a_checkpoint_is_refused() {
    let directory = directory();
    grown(&directory, 5);
    fs::remove_file(place(&directory).database()).expect("removed");
    let refused = Process::try_start(&directory).err().expect("refused");
    assert!(matches!(refused, OpenError::RolledBack { lines: 0, signed: 5, .. }));
}

#[test]
fn aud_05_a_changed_tree_is_refused_at_start() {
    let directory = directory();
    grown(&directory, 8);
    on_disk(&directory, "UPDATE audit_hash SET hash = zeroblob(32) WHERE idx = 14");
    assert!(matches!(Process::try_start(&directory).err(), Some(OpenError::RolledBack { .. })));
}

#[test]
fn aud_05_a_tree_that_is_changed_while_the_hub_runs_is_not_signed_and_stops_the_log() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(8)).expect("appended");
    process.checkpoint();
    process.append(outcomes(8)).expect("appended");
    process
        .on_writer("UPDATE audit_hash SET hash = zeroblob(32) WHERE idx = 29 RETURNING idx")
        .expect("tampered");
    assert!(process.run(process.store.checkpoint(&tenant())).is_err());
    assert!(matches!(process.append(outcomes(1)), Err(StoreError::Corrupt(_))));
    process.stop();
}

#[test]
fn aud_05_a_log_that_is_not_what_was_signed_stops_for_its_tenant_alone() {
    let directory = directory();
    let process = Process::start(&directory);
    let other = TenantId::new("other").expect("tenant");
    let line = || vec![Event::new(Timestamp::from_millis(1), other.clone(), EventKind::HubStarted)];
    process.append(outcomes(8)).expect("appended");
    process.append(line()).expect("appended");
    process.checkpoint();
    process.append(outcomes(8)).expect("appended");
    process
        .on_writer(
            "UPDATE audit_hash SET hash = zeroblob(32) WHERE tenant = 'default' AND idx = 29 RETURNING idx",
        )
        .expect("tampered");
    assert!(process.run(process.store.checkpoint(&tenant())).is_err());
    assert!(matches!(process.append(outcomes(1)), Err(StoreError::Corrupt(_))));
    assert_eq!(process.append(line()).ok(), Some(1), "the other goes on");
    assert!(process.run(process.store.checkpoint(&other)).expect("and is signed").is_some());
    process.stop();
}

#[test]
fn aud_05_a_damaged_checkpoint_file_refuses_the_lines_of_its_tenant_alone_until_it_is_mended() {
    let directory = directory();
    let process = Process::start(&directory);
    let other = TenantId::new("other").expect("tenant");
    let mut line = event(EventKind::TicketIssued, 1);
    line.tenant = other.clone();
    process.append(outcomes(2)).expect("appended");
    process.append(vec![line.clone()]).expect("appended");
    let good = process.run(process.store.checkpoint(&other)).expect("signs").expect("note");
    fs::write(place(&directory).checkpoint(&other), "damaged").expect("written");
    // After a failed commit every log is read anew.
    let trigger =
        "CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'injected'); END";
    process.on_writer(trigger).expect("trigger");
    assert!(process.append(outcomes(1)).is_err());
    process.on_writer("DROP TRIGGER full").expect("dropped");
    let now = Timestamp::from_millis(1_000);
    let put =
        |number, line: &Event| process.store.put_ticket(super::faults::ticket(number), now, line.clone());
    use deputy_hub::ports::Tickets as _;
    let (refused, taken) =
        process.run(async { tokio::join!(put(1, &line), put(2, &event(EventKind::TicketIssued, 2))) });
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    taken.expect("the others' transaction stands");
    let left = process.run(process.store.take_ticket(&super::faults::ticket(1).hash)).expect("reads");
    assert_eq!(left, None, "a change whose line was refused is not made");
    fs::write(place(&directory).checkpoint(&other), good).expect("mended");
    assert_eq!(process.append(vec![line]).ok(), Some(1));
    process.stop();
}

#[test]
fn aud_05_a_missing_checkpoint_or_key_file_is_not_made_anew_over_an_old_log() {
    let directory = directory();
    grown(&directory, 5);
    let (checkpoint, key) = (place(&directory).checkpoint(&tenant()), place(&directory).key());
    for file in [checkpoint, key] {
        let aside = file.with_extension("aside");
        fs::rename(&file, &aside).expect("moved");
        let refused = Process::try_start(&directory).err().expect("refused");
        assert!(matches!(&refused, OpenError::Missing { file: missing } if *missing == file), "{refused}");
        fs::rename(&aside, &file).expect("moved back");
    }
    grown(&directory, 1);
}

#[test]
fn sto_07_a_database_of_a_newer_program_is_refused() {
    let directory = directory();
    grown(&directory, 1);
    on_disk(&directory, "PRAGMA user_version = 99");
    let refused = Process::try_start(&directory).err().expect("refused");
    assert!(matches!(refused, OpenError::SchemaTooNew { found: 99, known } if known == schema::known()));
}

#[test]
fn a_reader_does_not_make_a_database() {
    let directory = directory();
    let runtime = Runtime::new().expect("runtime");
    let opened = runtime.block_on(AuditReader::open(place(&directory)));
    assert!(matches!(opened.err(), Some(OpenError::NoDatabase(_))));
    assert!(!place(&directory).database().exists());
}
