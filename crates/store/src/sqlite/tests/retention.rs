//! AUD-10: old lines lose their bytes and nothing else; what is missing otherwise is found.

use super::*;
use crate::{OpenError, Which};
use deputy_hub::ports::Clock;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The moment of line 0.
const START: u64 = 1_795_303_770_000;

/// A time that stands still.
pub(super) struct At(pub(super) u64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0)
    }
}

/// Just when the lines up to this number are older than a day.
pub(super) fn when_old(lines: u64) -> At {
    At(START + lines + 24 * 60 * 60 * 1000)
}

pub(super) fn prune(process: &Process, lines: u64) -> Result<u64, StoreError> {
    process.run(process.store.prune(&tenant(), DAY, &when_old(lines)))
}

/// Thirteen lines, signed at 8 and at 13.
fn world(directory: &TempDir) -> Process {
    let process = Process::start(directory);
    process.append(outcomes(8)).expect("appended");
    process.checkpoint();
    process.append((8..13).map(|number| event(EventKind::Outcome, number)).collect()).expect("appended");
    process.checkpoint();
    process
}

#[test]
fn aud_10_old_lines_lose_their_bytes_and_the_log_and_its_proofs_hold() {
    let directory = directory();
    let process = world(&directory);
    let reader = process.store.audit();
    let before = process.run(reader.prove(&tenant(), &Which::Seq(2))).expect("proof");
    let note = process.checkpoint();
    assert_eq!(prune(&process, 6).expect("pruned"), 6);
    let report = process.verify(note.as_deref()).expect("good");
    let pruned = report.pruned.expect("it says so");
    assert_eq!((pruned.lines, pruned.checkpoint, pruned.at), (6, 8, when_old(6).now()));
    assert!(!pruned.signed);
    assert_eq!((report.lines, report.external, report.erased), (14, Some(13), 0));
    let note = process.checkpoint();
    assert!(process.verify(note.as_deref()).expect("good").pruned.expect("pruned").signed);
    let key = process.store.place.verifier_key(&tenant()).expect("key");
    before[0].check(&key).expect("an earlier proof of a pruned line holds");
    process.run(reader.prove(&tenant(), &Which::Seq(6))).expect("what remains is proven")[0]
        .check(&key)
        .expect("holds");
    let refused = process.run(reader.prove(&tenant(), &Which::Seq(5)));
    assert!(matches!(&refused, Err(OpenError::Pruned { seq: 5, .. })));
    let line = process.list(&Filter { limit: 1, ..Filter::default() });
    assert_eq!(line[0].event.kind, EventKind::LinesPruned);
    assert_eq!(
        (&line[0].event.detail["lines"], &line[0].event.detail["checkpoint"]),
        (&"0-5".into(), &8.into())
    );
    assert_eq!(process.list(&Filter::default()).len(), 8);
    process.stop();
    assert!(verify_offline(&directory, note.as_deref()).is_ok());
}

#[test]
fn aud_10_pruning_goes_on_over_the_lines_that_said_so_and_over_restarts() {
    let directory = directory();
    let process = world(&directory);
    prune(&process, 3).expect("pruned");
    assert_eq!(prune(&process, 3).expect("nothing more"), 0);
    assert_eq!(prune(&process, 9).expect("pruned"), 6);
    process.stop();
    let process = Process::start(&directory);
    process.append(outcomes(2)).expect("appended");
    let note = process.checkpoint();
    // Everything is old; the lines that say so too.
    assert!(prune(&process, 1 << 40).expect("pruned") >= 8);
    let report = process.verify(note.as_deref()).expect("good");
    let pruned = report.pruned.expect("pruned");
    assert_eq!(
        (pruned.lines, pruned.lines + 1),
        (report.lines - 1, report.lines),
        "the newest line is not signed yet"
    );
    assert_eq!(process.append(outcomes(1)).ok(), Some(report.lines), "numbers go on");
    process.stop();
    assert!(verify_offline(&directory, note.as_deref()).is_ok());
    Process::start(&directory).stop();
}

#[test]
fn aud_10_nothing_is_pruned_that_is_young_unsigned_or_owes_an_outcome() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(4)).expect("appended");
    assert_eq!(prune(&process, 100).expect("nothing is signed"), 0);
    process.checkpoint();
    process.append((4..6).map(|number| event(EventKind::Outcome, number)).collect()).expect("appended");
    assert_eq!(prune(&process, 2).expect("the young stay"), 2);
    assert_eq!(prune(&process, 100).expect("the unsigned stay"), 2);
    process.append(vec![event(EventKind::Intent, 6), event(EventKind::Outcome, 7)]).expect("appended");
    process.checkpoint();
    // Lines 4 to 6 are outcomes and prunings; 6 or 7 on is what owes an outcome.
    prune(&process, 1 << 40).expect("pruned");
    let oldest = process.list(&Filter::default()).last().map(|line| line.event.kind);
    assert_eq!(oldest, Some(EventKind::Intent));
    process.append(vec![event(EventKind::Outcome, 6)]).expect("closed");
    process.checkpoint();
    prune(&process, 1 << 40).expect("pruned");
    assert!(process.list(&Filter { kind: Some(EventKind::Intent), ..Filter::default() }).is_empty());
    assert!(process.verify(None).is_ok());
    process.stop();
}

#[test]
fn aud_10_no_byte_of_a_pruned_line_is_left_and_an_erased_person_stays_erased() {
    let directory = directory();
    let process = Process::start(&directory);
    let mut events = outcomes(40);
    for event in &mut events[..20] {
        event.user = Some(user("alice-canary"));
    }
    process.append(events).expect("appended");
    process.run(process.store.erase(&user("alice"), Timestamp::from_millis(START + 40))).expect("erased");
    process.checkpoint();
    assert_eq!(prune(&process, 25).expect("pruned"), 25);
    assert!(!super::erasure::holds(&directory, "alice-canary"));
    let report = process.verify(None).expect("good");
    assert_eq!((report.erased, report.pruned.expect("pruned").lines), (15, 25));
    assert_eq!(
        process
            .run(process.store.erase(&user("alice-canary"), when_old(9).now()))
            .expect("nothing left")
            .lines,
        0
    );
    process.stop();
}

#[test]
fn aud_10_many_lines_go_in_several_batches_that_say_so_each() {
    let directory = directory();
    let process = Process::start(&directory);
    for _ in 0..2 {
        process.append(outcomes(1500)).expect("appended");
        process.checkpoint();
    }
    assert_eq!(prune(&process, 5000).expect("pruned"), 3000);
    assert_eq!(process.lines(), 3003);
    assert_eq!(process.verify(None).expect("good").pruned.map(|pruned| pruned.lines), Some(3000));
    process.stop();
}

#[test]
fn aud_10_a_line_that_somebody_took_out_is_not_pruned_away() {
    let directory = directory();
    world(&directory).stop();
    on_disk(&directory, "DELETE FROM audit_event WHERE seq = 3");
    let process = Process::start(&directory);
    assert!(prune(&process, 6).is_err());
    assert_eq!(process.verify(None), Err(Fault::Missing { expected: 3, found: 4 }));
    process.append(outcomes(1)).expect("the others' transaction stands");
    process.stop();
}

#[test]
fn aud_10_an_export_goes_on_after_what_was_pruned() {
    let directory = directory();
    let process = world(&directory);
    prune(&process, 6).expect("pruned");
    let onward = crate::Onward { next: 2, from: None };
    let lines = process.run(process.store.audit().forward(&tenant(), &onward)).expect("reads");
    assert_eq!(lines.first().map(|line| line.seq), Some(6));
    assert_eq!(
        process.run(process.store.audit().pruned(&tenant())).expect("reads").map(|gone| gone.last),
        Some(5)
    );
    process.stop();
}

/// What `verify` says after somebody edited the file of a log of 14 lines whose first 6 are pruned, signed at 14.
fn after(sql: &'static str) -> Fault {
    let directory = directory();
    let process = world(&directory);
    prune(&process, 6).expect("pruned");
    let note = process.checkpoint().expect("note");
    process.stop();
    assert_eq!(verify_offline(&directory, Some(&note)).expect("good").external, Some(14));
    on_disk(&directory, sql);
    verify_offline(&directory, Some(&note)).expect_err("found")
}

#[test]
fn aud_03_a_flip_is_found_in_a_pruned_log() {
    let hash = after("UPDATE audit_hash SET hash = zeroblob(32) WHERE idx = 3");
    assert!(matches!(hash, Fault::HashChanged { .. }), "{hash}");
    // The hash of a pruned line, with every hash above it put right: what was signed is another.
    let leaf = after("UPDATE audit_hash SET hash = zeroblob(32) WHERE idx = 0");
    assert!(matches!(leaf, Fault::HashChanged { .. } | Fault::Rewritten { .. }), "{leaf}");
    let line = after(
        "UPDATE audit_event SET public = CAST(replace(CAST(public AS TEXT), 'succeeded', 'failed') AS BLOB) WHERE seq = 9",
    );
    assert_eq!(line, Fault::Changed { seq: 9 });
}

#[test]
fn aud_03_a_deletion_is_found_in_a_pruned_log() {
    assert_eq!(after("DELETE FROM audit_event WHERE seq = 6"), Fault::Missing { expected: 6, found: 7 });
    assert_eq!(after("DELETE FROM audit_event WHERE seq = 9"), Fault::Missing { expected: 9, found: 10 });
    let as_if_pruned = "DELETE FROM audit_event WHERE seq < 9; UPDATE audit_pruned SET last = 8";
    assert_eq!(after(as_if_pruned), Fault::RemovedInSilence { from: 6, to: 8 });
    assert!(matches!(after("DELETE FROM audit_hash WHERE idx = 3"), Fault::HashChanged { .. }));
    assert_eq!(after("DELETE FROM audit_pruned"), Fault::Missing { expected: 0, found: 6 });
}

#[test]
fn aud_03_a_reordering_is_found_in_a_pruned_log() {
    let fault = after(
        "UPDATE audit_event SET seq = -1 WHERE seq = 7; UPDATE audit_event SET seq = 7 WHERE seq = 8;
         UPDATE audit_event SET seq = 8 WHERE seq = -1",
    );
    assert!(matches!(fault, Fault::Foreign { seq: 7, .. }), "{fault}");
}

#[test]
fn aud_03_an_insertion_is_found_in_a_pruned_log() {
    for place in [
        "INSERT INTO audit_event SELECT tenant, 3, at, call, public, leaf, personal, salt FROM audit_event WHERE seq = 9",
        "INSERT INTO audit_event SELECT tenant, -1, at, call, public, leaf, personal, salt FROM audit_event WHERE seq = 9",
        "INSERT INTO audit_event SELECT tenant, 14, at, call, public, leaf, personal, salt FROM audit_event WHERE seq = 9",
    ] {
        assert!(matches!(after(place), Fault::Foreign { .. }), "{place}");
    }
}

#[test]
fn aud_03_a_cut_tail_is_found_in_a_pruned_log() {
    let fault = after(
        "DELETE FROM audit_event WHERE seq >= 8; DELETE FROM audit_hash WHERE idx >= 15;
         DELETE FROM audit_checkpoint WHERE size > 8; UPDATE audit_pruned SET last = 5",
    );
    assert_eq!(fault, Fault::CutOff { lines: 8, signed: 14 });
    let only_the_record =
        after("DELETE FROM audit_event WHERE seq = 13; DELETE FROM audit_hash WHERE idx >= 23");
    assert!(matches!(only_the_record, Fault::CutOff { .. } | Fault::HashChanged { .. }), "{only_the_record}");
}

#[test]
fn aud_03_a_fork_and_an_old_backup_are_found_in_a_pruned_log() {
    let directory = directory();
    let process = world(&directory);
    process.stop();
    let old = std::fs::read(place(&directory).database()).expect("read");
    let process = Process::start(&directory);
    prune(&process, 6).expect("pruned");
    process.append(outcomes(3)).expect("appended");
    let note = process.checkpoint().expect("note");
    process.stop();
    std::fs::write(place(&directory).database(), old).expect("written");
    assert_eq!(verify_offline(&directory, Some(&note)), Err(Fault::CutOff { lines: 13, signed: 17 }));
    assert!(matches!(Process::try_start(&directory).err(), Some(OpenError::RolledBack { .. })));
    // The operator has the key, begins anew from the backup, and prunes too.
    std::fs::remove_file(place(&directory).checkpoint(&tenant())).expect("removed");
    on_disk(&directory, "DELETE FROM audit_checkpoint");
    let process = Process::start(&directory);
    process.append(outcomes(9)).expect("another history");
    process.checkpoint();
    prune(&process, 6).expect("pruned");
    process.stop();
    assert!(verify_offline(&directory, None).is_ok());
    assert_eq!(verify_offline(&directory, Some(&note)), Err(Fault::Forked { signed: 17 }));
}
