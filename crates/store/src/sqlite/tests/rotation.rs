//! AUD-11: another key signs from here on, and what the one before signed stays good.

use super::*;
use crate::{OpenError, Rotated, Which, rotate_key};
use deputy_audit::{Checkpoint, LogKey, VerifierKeys};
use std::fs;

const AT: Timestamp = Timestamp::from_millis(1_795_303_800_000);

fn rotate(directory: &TempDir) -> Result<Rotated, OpenError> {
    Runtime::new().expect("runtime").block_on(rotate_key(&place(directory), AT))
}

/// Eight lines by the first key, the hand-over, five lines by the second.
fn world(directory: &TempDir) -> (String, String) {
    let process = Process::start(directory);
    process.append(outcomes(8)).expect("appended");
    let first = process.checkpoint().expect("note");
    process.stop();
    rotate(directory).expect("rotated");
    let process = Process::start(directory);
    process.append(outcomes(5)).expect("appended");
    let second = process.checkpoint().expect("note");
    process.stop();
    (first, second)
}

fn keys(directory: &TempDir) -> VerifierKeys {
    place(directory).verifier_keys_of(&tenant()).expect("keys")
}

#[test]
fn aud_11_old_checkpoints_and_proofs_verify_after_the_key_was_rotated() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(8)).expect("appended");
    process.checkpoint();
    let proof = process.run(process.store.audit().prove(&tenant(), &Which::Seq(3))).expect("proof");
    let old = place(&directory).verifier_key(&tenant()).expect("key");
    process.stop();
    let rotated = rotate(&directory).expect("rotated");
    let keys = keys(&directory);
    assert_eq!(rotated.logs, [(tenant(), old.id().to_owned(), keys.newest().id().to_owned())]);
    assert_eq!(keys.iter().next(), Some(&old));
    proof[0].check(&old).expect("an earlier proof holds");
    let hand_over = place(&directory).read_checkpoint(&tenant()).expect("reads").expect("note");
    assert_eq!(Checkpoint::open(&hand_over, &old).expect("by the old key").size(), 9);
    assert_eq!(Checkpoint::open(&hand_over, keys.newest()).expect("and by the next").size(), 9);
    let process = Process::start(&directory);
    let line = process.list(&Filter { limit: 1, ..Filter::default() });
    assert_eq!(line[0].event.kind, EventKind::LogKeyRotated);
    assert_eq!(line[0].event.detail["key"], keys.newest().as_str());
    process.append(outcomes(1)).expect("appended");
    let newest = process.checkpoint().expect("note");
    assert!(Checkpoint::open(&newest, &old).is_err() && Checkpoint::open(&newest, keys.newest()).is_ok());
    process.stop();
}

#[test]
fn aud_11_verify_says_which_key_signed_how_much() {
    let directory = directory();
    let (first, second) = world(&directory);
    for external in [&first, &second] {
        let report = verify_offline(&directory, Some(external)).expect("good");
        let signers: Vec<(u64, u64)> = report.signers.iter().map(|s| (s.checkpoints, s.up_to)).collect();
        assert_eq!(signers, [(1, 8), (2, 14)]);
    }
    rotate(&directory).expect("once more");
    assert_eq!(verify_offline(&directory, Some(&second)).expect("good").signers.len(), 3);
    Process::start(&directory).stop();
}

#[test]
fn aud_11_whoever_has_the_old_key_alone_verifies_up_to_the_hand_over() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(8)).expect("appended");
    process.checkpoint();
    let old = keys(&directory);
    process.stop();
    rotate(&directory).expect("rotated");
    let runtime = Runtime::new().expect("runtime");
    let verify = |keys: &VerifierKeys| {
        runtime.block_on(async {
            let reader = AuditReader::open(place(&directory)).await.expect("opens");
            reader.verify(&tenant(), keys, None).await.expect("reads")
        })
    };
    assert_eq!(verify(&old).expect("the hand-over is signed by it").signed, 9);
    let stranger = LogKey::generate().expect("random").verifier_key(&tenant()).expect("key");
    assert!(matches!(verify(&stranger.into()), Err(Fault::NotSigned { .. })));
}

#[test]
fn aud_11_a_replaced_key_signs_nothing_any_more() {
    let directory = directory();
    let old_secret = {
        Process::start(&directory).stop();
        fs::read_to_string(place(&directory).key()).expect("key")
    };
    world(&directory);
    let new_secret = fs::read_to_string(place(&directory).key()).expect("key");
    assert_ne!(old_secret, new_secret);
    // Somebody who stole the old key puts it back and signs with it.
    let newest = place(&directory).read_checkpoint(&tenant()).expect("reads").expect("note");
    fs::write(place(&directory).key(), &old_secret).expect("written");
    assert!(Process::try_start(&directory).is_err(), "the newest checkpoint is not by this key");
    let hand_over = {
        fs::write(place(&directory).key(), &new_secret).expect("written");
        Process::start(&directory).stop();
        newest
    };
    let mut hash = [0; 32];
    hex::decode_to_slice(old_secret.trim(), &mut hash).expect("hex");
    let stolen = LogKey::from_secret(&deputy_core::Secret::new(hash));
    let mut signer = deputy_audit::Signer::resume(Arc::new(stolen), tenant(), None).expect("signer");
    let mut edge = deputy_audit::Edge::default();
    for _ in 0..20 {
        edge.append(deputy_audit::Hash([7; 32]));
    }
    let forged = signer.sign(&edge, &[]).expect("note");
    assert!(matches!(
        verify_offline(&directory, Some(&forged)),
        Err(Fault::OldKey { size: 20, replaced: 9, .. })
    ));
    assert!(verify_offline(&directory, Some(&hand_over)).is_ok());
}

#[test]
fn aud_11_a_rotation_that_was_cut_short_is_gone_on_with_and_no_hub_starts_before() {
    let directory = directory();
    let process = Process::start(&directory);
    let other = TenantId::new("other").expect("tenant");
    process.append(outcomes(3)).expect("appended");
    process.append(vec![Event::new(AT, other.clone(), EventKind::HubStarted)]).expect("appended");
    process.stop();
    let before = fs::read(place(&directory).key()).expect("key");
    rotate(&directory).expect("rotated");
    // As after a crash before the last step: the next key did not take over yet.
    fs::rename(place(&directory).key(), place(&directory).next_key()).expect("moved");
    fs::write(place(&directory).key(), before).expect("written");
    assert!(matches!(Process::try_start(&directory).err(), Some(OpenError::Rotating { .. })));
    let rotated = rotate(&directory).expect("gone on with");
    assert_eq!(rotated.logs.len(), 2);
    assert!(!place(&directory).next_key().exists());
    assert_eq!(verify_offline(&directory, None).expect("good").lines, 4, "no second line says so");
    Process::start(&directory).stop();
}

#[test]
fn aud_11_a_running_hub_is_not_disturbed() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(1)).expect("appended");
    assert!(matches!(rotate(&directory), Err(OpenError::InUse { .. })));
    process.stop();
    let empty = super::directory();
    assert!(matches!(rotate(&empty), Err(OpenError::NoDatabase(_))));
}

/// What `verify` says after somebody edited a log whose key was rotated at 9 and whose first 6 lines are pruned.
fn after(sql: &'static str) -> Fault {
    let directory = directory();
    world(&directory);
    let process = Process::start(&directory);
    super::retention::prune(&process, 6).expect("pruned");
    let note = process.checkpoint().expect("note");
    process.stop();
    let report = verify_offline(&directory, Some(&note)).expect("good");
    assert_eq!((report.external, report.pruned.map(|pruned| pruned.lines)), (Some(15), Some(6)));
    on_disk(&directory, sql);
    verify_offline(&directory, Some(&note)).expect_err("found")
}

#[test]
fn aud_03_every_tampering_is_found_across_a_rotation_and_a_pruning() {
    let flip = "UPDATE audit_event SET public = CAST(replace(CAST(public AS TEXT), 'log_key_rotated', 'log_key_retained') AS BLOB) WHERE seq = 8";
    assert_eq!(after(flip), Fault::Changed { seq: 8 });
    assert_eq!(after("DELETE FROM audit_event WHERE seq = 8"), Fault::Missing { expected: 8, found: 9 });
    let reorder =
        "UPDATE audit_event SET seq = -1 WHERE seq = 7; UPDATE audit_event SET seq = 7 WHERE seq = 8;
         UPDATE audit_event SET seq = 8 WHERE seq = -1";
    assert!(matches!(after(reorder), Fault::Foreign { seq: 7, .. }));
    let insert = "INSERT INTO audit_event SELECT tenant, 15, at, call, public, leaf, personal, salt FROM audit_event WHERE seq = 8";
    assert!(matches!(after(insert), Fault::Foreign { seq: 15, .. }));
    let cut = "DELETE FROM audit_event WHERE seq >= 9; DELETE FROM audit_hash WHERE idx >= 16;
         DELETE FROM audit_checkpoint WHERE size > 9";
    assert!(matches!(after(cut), Fault::RemovedInSilence { .. } | Fault::CutOff { lines: 9, signed: 15 }));
}

#[test]
fn aud_03_an_old_backup_and_a_fork_are_found_across_a_rotation() {
    let directory = directory();
    let process = Process::start(&directory);
    process.append(outcomes(8)).expect("appended");
    process.stop();
    let (database, key) = (place(&directory).database(), place(&directory).key());
    let (old, old_key) = (fs::read(&database).expect("read"), fs::read(&key).expect("read"));
    rotate(&directory).expect("rotated");
    let note = place(&directory).read_checkpoint(&tenant()).expect("reads").expect("note");
    fs::write(&database, &old).expect("written");
    assert_eq!(verify_offline(&directory, Some(&note)), Err(Fault::CutOff { lines: 8, signed: 9 }));
    assert!(matches!(Process::try_start(&directory).err(), Some(OpenError::RolledBack { .. })));
    // With the old key put back too, and the checkpoint file taken away, another history is written from there.
    fs::write(&key, &old_key).expect("written");
    fs::remove_file(place(&directory).checkpoint(&tenant())).expect("removed");
    on_disk(&directory, "DELETE FROM audit_checkpoint");
    let process = Process::start(&directory);
    process.append(outcomes(4)).expect("appended");
    process.stop();
    let found = verify_offline(&directory, Some(&note)).expect_err("found");
    assert!(matches!(found, Fault::Forked { signed: 9 }), "{found}");
}
