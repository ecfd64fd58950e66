//! AUD-04: with a file and the public key alone.

use super::*;
use crate::{Edge, LogKey, Pruning, Record, Signer};
use deputy_core::{Event, EventKind, Secret, Timestamp};
use std::sync::Arc;

/// Seven lines, signed at 5 and at 7; the fifth says that the first two were pruned. Then the keys and the newest checkpoint.
fn bundle() -> (Vec<String>, String, String) {
    let tenant = TenantId::single();
    let key = Arc::new(LogKey::from_secret(&Secret::new([1; 32])));
    let keys = format!("{}\n", key.verifier_key(&tenant).expect("key"));
    let (mut edge, mut leaves, mut lines, mut notes) = (Edge::default(), Vec::new(), Vec::new(), Vec::new());
    let mut closing = None;
    for seq in 0..7_u64 {
        let event = match closing {
            Some(root) if seq == 4 => Pruning { first: 0, last: 1, checkpoint: 3, root }
                .event(Timestamp::from_millis(seq), tenant.clone()),
            _ => Event::new(Timestamp::from_millis(seq), tenant.clone(), EventKind::Outcome)
                .with_detail("text", format!("line {seq}"))
                .with_personal("who", "alice-canary"),
        };
        let record = Record::of(&event, seq, [7; 32]).expect("record");
        edge.append(record.leaf);
        leaves.push(record.leaf);
        lines.push(Entry::line(record.bytes).expect("text"));
        if [3, 7].contains(&edge.size()) {
            let mut signer = Signer::resume(Arc::clone(&key), tenant.clone(), None).expect("signer");
            notes.push(signer.sign(&edge, &[]).expect("note"));
            closing = Some(edge.root());
        }
    }
    for (line, leaf) in lines.iter_mut().zip(&leaves).take(2) {
        *line = Entry::Pruned { leaf: leaf.to_string() };
    }
    let newest = notes.last().cloned().expect("note");
    let checkpoints = notes.into_iter().map(|checkpoint| Entry::Checkpoint { checkpoint });
    let head = Entry::head(&key.origin(&tenant));
    let all = std::iter::once(head).chain(checkpoints).chain(lines);
    (all.map(|entry| entry.text().expect("text")).collect(), keys, newest)
}

fn checked(lines: &[String], keys: &str, external: Option<&str>) -> Result<Report, Fault> {
    verify(lines.join("\n").as_bytes(), keys, external).expect("a bundle").1
}

#[test]
fn aud_04_a_bundle_is_checked_with_the_public_key_alone_and_names_nobody() {
    let (lines, keys, newest) = bundle();
    assert!(!lines.join("\n").contains("alice-canary"));
    let report = checked(&lines, &keys, Some(&newest)).expect("good");
    assert_eq!((report.lines, report.signed, report.external), (7, 7, Some(7)));
    assert_eq!(report.pruned.map(|pruned| (pruned.lines, pruned.signed)), Some((2, true)));
}

#[test]
fn aud_03_every_tampering_with_a_bundle_is_found() {
    let (lines, keys, newest) = bundle();
    let edited = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        edit(&mut lines);
        checked(&lines, &keys, Some(&newest)).expect_err("found")
    };
    // Lines 0 to 6 stand at 3 to 9, after the head and two checkpoints.
    assert_eq!(edited(&|l| l[6] = l[6].replace("line 3", "line 8")), Fault::Rewritten { from: 3, to: 6 });
    assert!(matches!(edited(&|l| drop(l.remove(8))), Fault::Foreign { seq: 5, .. }));
    assert!(matches!(edited(&|l| l.swap(8, 9)), Fault::Foreign { seq: 5, .. }));
    assert!(matches!(edited(&|l| l.insert(8, l[8].clone())), Fault::Foreign { seq: 6, .. }));
    assert_eq!(edited(&|l| drop(l.pop())), Fault::CutOff { lines: 6, signed: 7 });
    let unsaid = edited(&|l| {
        l[5] =
            Entry::Pruned { leaf: record::leaf(line_of(&l[5]).as_bytes()).to_string() }.text().expect("text")
    });
    assert_eq!(unsaid, Fault::RemovedInSilence { from: 2, to: 2 });
    let in_the_middle = edited(&|l| l[8] = l[3].clone());
    assert!(matches!(in_the_middle, Fault::Missing { expected: 5, .. }));
    // Without a checkpoint from elsewhere, those within are enough for all but a cut with its checkpoint.
    assert!(checked(&lines[..9], &keys, None).is_err());
}

fn line_of(text: &str) -> String {
    match serde_json::from_str(text).expect("entry") {
        Entry::Line { public } => public,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_bundle_of_this_log_is_told_apart_from_a_bad_log() {
    let (lines, keys, _) = bundle();
    for text in ["", "x", "{}", "{\"bundle\":2,\"log\":\"deputy/default@0\"}", "{\"public\":\"{}\"}"] {
        assert!(matches!(verify(text.as_bytes(), &keys, None), Err(BundleError::Malformed(1))), "{text}");
    }
    let mut broken = lines.clone();
    broken[8] = "{".to_owned();
    assert!(matches!(verify(broken.join("\n").as_bytes(), &keys, None), Err(BundleError::Malformed(9))));
    let other = LogKey::from_secret(&Secret::new([2; 32])).verifier_key(&TenantId::single()).expect("key");
    let said = verify(lines.join("\n").as_bytes(), other.as_str(), None);
    assert!(matches!(said, Err(BundleError::OtherLog { .. })));
}
