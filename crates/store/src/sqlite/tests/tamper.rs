//! AUD-03 on the real tables: what `verify` finds after somebody edited the file with SQL.

use super::*;
use std::fs;

/// A closed log of 13 lines, signed at 8 and at 13. Gives the newest checkpoint, as kept elsewhere.
fn world() -> (TempDir, String) {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(8)).expect("appended");
    process.checkpoint();
    process.append(outcomes(5)).expect("appended");
    let note = process.checkpoint().expect("note");
    process.stop();
    assert_eq!(verify_offline(&directory, Some(&note)).expect("good").external, Some(13));
    (directory, note)
}

fn after(sql: &'static str) -> Fault {
    let (directory, note) = world();
    on_disk(&directory, sql);
    verify_offline(&directory, Some(&note)).expect_err("found")
}

#[test]
fn aud_03_a_flip_is_found() {
    let flipped = after(
        "UPDATE audit_event SET public = CAST(replace(CAST(public AS TEXT), 'succeeded', 'failed') AS BLOB) WHERE seq = 5",
    );
    assert_eq!(flipped, Fault::Changed { seq: 5 });
    let personal = after(
        "UPDATE audit_event SET personal = CAST(replace(CAST(personal AS TEXT), 'alice', 'bobby') AS BLOB) WHERE seq = 5",
    );
    assert_eq!(personal, Fault::PersonalChanged { seq: 5 });
    assert_eq!(after("UPDATE audit_event SET leaf = zeroblob(32) WHERE seq = 5"), Fault::Changed { seq: 5 });
    assert_eq!(
        after("UPDATE audit_hash SET hash = zeroblob(32) WHERE idx = 3"),
        Fault::HashChanged { seq: 2, index: 3 }
    );
}

#[test]
fn aud_03_a_deletion_is_found() {
    assert_eq!(after("DELETE FROM audit_event WHERE seq = 5"), Fault::Missing { expected: 5, found: 6 });
    assert_eq!(
        after(
            "DELETE FROM audit_event WHERE seq = 5; UPDATE audit_event SET seq = -seq WHERE seq > 5;
             UPDATE audit_event SET seq = -seq - 1 WHERE seq < 0"
        ),
        Fault::Foreign { seq: 5, why: "it says another number".to_owned() }
    );
}

#[test]
fn aud_03_a_reordering_is_found() {
    let fault = after(
        "UPDATE audit_event SET seq = -1 WHERE seq = 5; UPDATE audit_event SET seq = 5 WHERE seq = 6;
         UPDATE audit_event SET seq = 6 WHERE seq = -1",
    );
    assert_eq!(fault, Fault::Foreign { seq: 5, why: "it says another number".to_owned() });
}

#[test]
fn aud_03_an_insertion_is_found() {
    let at_the_end = "INSERT INTO audit_event SELECT tenant, 13, at, call, public, leaf, personal, salt FROM audit_event WHERE seq = 12";
    assert!(matches!(after(at_the_end), Fault::Foreign { seq: 13, .. }));
    let before_all = "INSERT INTO audit_event SELECT tenant, -1, at, call, public, leaf, personal, salt FROM audit_event WHERE seq = 12";
    assert!(matches!(after(before_all), Fault::Missing { expected: 0, .. }));
    let hash = "INSERT INTO audit_hash SELECT tenant, 99, hash FROM audit_hash WHERE idx = 0";
    assert!(matches!(after(hash), Fault::HashChanged { .. }));
}

#[test]
fn aud_03_a_cut_tail_is_found() {
    let fault = after(
        "DELETE FROM audit_event WHERE seq >= 8; DELETE FROM audit_hash WHERE idx >= 15;
         DELETE FROM audit_checkpoint WHERE size > 8",
    );
    assert_eq!(fault, Fault::CutOff { lines: 8, signed: 13 });
}

#[test]
fn aud_03_a_fork_is_found() {
    let (directory, note) = world();
    for file in ["deputy.db", "audit/default.checkpoint"] {
        fs::remove_file(directory.path().join(file)).expect("removed");
    }
    // The operator still has the key, and writes another history.
    let process = Process::start(&directory);
    process.append((100..120).map(|number| event(EventKind::Outcome, number)).collect()).expect("appended");
    process.stop();
    assert!(verify_offline(&directory, None).is_ok());
    assert_eq!(verify_offline(&directory, Some(&note)), Err(Fault::Forked { signed: 13 }));
}

#[test]
fn aud_03_an_old_backup_put_back_is_found() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(5)).expect("appended");
    process.stop();
    let old = fs::read(place(&directory).database()).expect("read");
    let process = Process::start(&directory);
    process.append(outcomes(5)).expect("appended");
    process.stop();
    let note = place(&directory).read_checkpoint(&tenant()).expect("reads").expect("note");
    fs::write(place(&directory).database(), old).expect("written");
    assert_eq!(verify_offline(&directory, Some(&note)), Err(Fault::CutOff { lines: 5, signed: 10 }));
}

#[test]
fn aud_06_a_personal_part_that_was_removed_in_silence_is_found() {
    let fault = after("UPDATE audit_event SET personal = NULL, salt = NULL WHERE seq IN (3, 4)");
    assert_eq!(fault, Fault::PersonalRemoved { seq: 3 });
}
