//! AUD-03: what an attacker can do to a log, against what `verify` finds. Three attackers: one who edits rows, one who also
//! rebuilds hashes and tree, and one who moreover holds the log's key (the operator).

use super::*;
use crate::{LogKey, Record, Signer, VerifierKey};
use deputy_core::{Event, EventKind, Secret, TenantId, Timestamp};
use std::sync::Arc;

/// A log in memory, as a store would hold it.
#[derive(Clone, Default)]
struct Model {
    rows: Vec<Row>,
    hashes: Vec<Hash>,
    notes: Vec<String>,
}

fn key() -> Arc<LogKey> {
    Arc::new(LogKey::from_secret(&Secret::new([1; 32])))
}

fn verifier_key() -> VerifierKey {
    key().verifier_key(&TenantId::single()).expect("key")
}

fn record(seq: u64, text: &str) -> Record {
    let event = Event::new(Timestamp::from_millis(seq), TenantId::single(), EventKind::Outcome)
        .with_detail("text", text)
        .with_personal("who", "alice");
    Record::of(&event, seq, [7; 32]).expect("record")
}

fn row(record: Record) -> Row {
    Row { seq: record.seq, public: record.bytes, leaf: record.leaf, personal: record.personal }
}

impl Model {
    /// Lines with a checkpoint after every fourth.
    fn of(texts: &[&str]) -> Self {
        let rows = texts.iter().enumerate().map(|(seq, text)| row(record(seq as u64, text))).collect();
        let mut model = Self { rows, ..Self::default() };
        model.rebuild();
        model.sign();
        model
    }

    fn letters(count: usize) -> Self {
        let texts: Vec<String> = (0..count).map(|at| format!("line {at}")).collect();
        Self::of(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What the second attacker does: everything fits again, except for what was signed.
    fn rebuild(&mut self) {
        self.hashes.clear();
        let mut edge = Edge::default();
        for (seq, row) in self.rows.iter_mut().enumerate() {
            let event =
                record::event(&row.public, row.personal.as_ref().map(|p| p.bytes.as_slice())).expect("event");
            *row = super::tests::row(Record::of(&event, seq as u64, [7; 32]).expect("record"));
            self.hashes.extend(edge.append(row.leaf));
        }
    }

    /// What the third attacker does: signs it all anew.
    fn sign(&mut self) {
        self.notes.clear();
        let mut edge = Edge::default();
        for row in &self.rows {
            edge.append(row.leaf);
            if edge.size() % 4 == 0 {
                let mut signer = Signer::resume(key(), TenantId::single(), None).expect("signer");
                self.notes.push(signer.sign(&edge, &[]).expect("note"));
            }
        }
    }

    fn verify(&self, external: Option<&str>) -> Result<Report, Fault> {
        let hashes = self.hashes.iter().enumerate().map(|(index, hash)| (index as u64, *hash));
        verify(
            self.rows.clone(),
            hashes,
            self.notes.iter().map(String::as_str),
            external,
            &verifier_key().into(),
        )
    }

    fn newest(&self) -> Option<&str> {
        self.notes.last().map(String::as_str)
    }
}

/// All three attackers make the same edit; each must be found, the third one by the external checkpoint alone.
fn all_attackers_are_found(edit: impl Fn(&mut Vec<Row>)) -> Fault {
    let honest = Model::letters(13);
    let mut crude = honest.clone();
    edit(&mut crude.rows);
    let found = crude.verify(None).expect_err("the crude attacker is found");

    let mut skilled = crude.clone();
    skilled.rebuild();
    let by_signature = skilled.verify(None).expect_err("the skilled attacker is found");
    assert!(matches!(by_signature, Fault::Rewritten { from: 4, to: 7 }), "{by_signature}");

    let mut operator = skilled.clone();
    operator.sign();
    assert!(operator.verify(None).is_ok(), "a log alone cannot show what its operator did");
    let outside = operator.verify(honest.newest()).expect_err("the operator is found");
    assert!(matches!(outside, Fault::Forked { signed: 12 } | Fault::CutOff { .. }), "{outside}");
    found
}

#[test]
fn an_honest_log_is_good_and_says_how_far_it_is_signed() {
    let model = Model::letters(13);
    let report = model.verify(model.newest()).expect("good");
    assert_eq!((report.lines, report.checkpoints, report.signed), (13, 3, 12));
    assert_eq!((report.external, report.erased), (Some(12), 0));
    assert_eq!(Model::default().verify(None).expect("an empty log is good").lines, 0);
}

#[test]
fn aud_03_a_flipped_bit_is_found_at_its_line() {
    let fault = all_attackers_are_found(|rows| rows[5].public = record(5, "forged").bytes);
    assert_eq!(fault, Fault::Changed { seq: 5 });
    for bit in 0..8 {
        let mut model = Model::letters(13);
        model.rows[9].public[12] ^= 1 << bit;
        assert_eq!(model.verify(None), Err(Fault::Changed { seq: 9 }));
        let mut model = Model::letters(13);
        model.hashes[6].0[3] ^= 1 << bit;
        assert_eq!(model.verify(None), Err(Fault::HashChanged { seq: 3, index: 6 }));
        let mut model = Model::letters(13);
        model.rows[9].leaf.0[0] ^= 1 << bit;
        assert_eq!(model.verify(None), Err(Fault::Changed { seq: 9 }));
    }
}

#[test]
fn aud_03_a_deleted_line_is_found_at_its_number() {
    let fault = all_attackers_are_found(|rows| drop(rows.remove(5)));
    assert_eq!(fault, Fault::Missing { expected: 5, found: 6 });
}

#[test]
fn aud_03_two_lines_in_another_order_are_found() {
    let fault = all_attackers_are_found(|rows| rows.swap(5, 6));
    assert_eq!(fault, Fault::Missing { expected: 5, found: 6 });
    let renumbered = all_attackers_are_found(|rows| {
        rows.swap(5, 6);
        (rows[5].seq, rows[6].seq) = (5, 6);
    });
    assert!(matches!(renumbered, Fault::Foreign { seq: 5, .. }));
}

#[test]
fn aud_03_an_inserted_line_is_found() {
    let fault = all_attackers_are_found(|rows| rows.insert(5, row(record(5, "inserted"))));
    assert!(
        matches!(fault, Fault::HashChanged { seq: 5, .. } | Fault::Missing { expected: 6, found: 5 }),
        "{fault}"
    );
}

#[test]
fn aud_03_a_cut_tail_is_found_by_the_external_checkpoint() {
    let honest = Model::letters(13);
    let mut cut = Model::letters(10);
    assert!(cut.verify(None).is_ok(), "a log alone cannot show that its tail is gone");
    assert_eq!(cut.verify(honest.newest()), Err(Fault::CutOff { lines: 10, signed: 12 }));
    cut.notes = honest.notes;
    assert_eq!(cut.verify(None), Err(Fault::CutOff { lines: 10, signed: 12 }));
}

#[test]
fn aud_03_a_fork_is_found_by_the_external_checkpoint() {
    let honest = Model::letters(13);
    let mut fork = Model::letters(10);
    for seq in 10..20 {
        fork.rows.push(row(record(seq, "another history")));
    }
    fork.rebuild();
    fork.sign();
    assert!(fork.verify(None).is_ok());
    assert_eq!(fork.verify(honest.newest()), Err(Fault::Forked { signed: 12 }));
}

#[test]
fn aud_03_an_old_backup_put_back_is_found_before_and_after_it_grows() {
    let newest = Model::letters(13);
    let backup = Model::letters(6);
    assert_eq!(backup.verify(newest.newest()), Err(Fault::CutOff { lines: 6, signed: 12 }));
    let mut grown = backup;
    for seq in 6..13 {
        grown.rows.push(row(record(seq, "after the restore")));
    }
    grown.rebuild();
    grown.sign();
    assert_eq!(grown.verify(newest.newest()), Err(Fault::Forked { signed: 12 }));
}

/// Thirteen lines, and a fourteenth that says which of them were erased.
fn with_erasure(lines: &str) -> Model {
    let mut model = Model::letters(13);
    let event = Event::new(Timestamp::from_millis(13), TenantId::single(), EventKind::PersonErased)
        .with_detail(erasure::LINES, lines);
    model.rows.push(row(Record::of(&event, 13, [7; 32]).expect("record")));
    model.rebuild();
    model.sign();
    model
}

#[test]
fn aud_06_erasing_persons_leaves_the_log_good_and_is_counted() {
    let mut model = with_erasure("2,7-8");
    for seq in [2, 7, 8] {
        model.rows[seq].personal = None;
    }
    assert_eq!(model.verify(model.newest()).expect("good").erased, 3);
}

#[test]
fn aud_06_a_person_is_not_taken_out_of_the_log_in_silence() {
    let mut model = with_erasure("2,7-8");
    for seq in [2, 7, 9] {
        model.rows[seq].personal = None;
    }
    assert_eq!(model.verify(model.newest()), Err(Fault::PersonalRemoved { seq: 9 }));
    let mut before_any_erasure = Model::letters(13);
    before_any_erasure.rows[0].personal = None;
    assert_eq!(before_any_erasure.verify(None), Err(Fault::PersonalRemoved { seq: 0 }));
    assert!(matches!(with_erasure("7-").verify(None), Err(Fault::Foreign { seq: 13, .. })));
}

#[test]
fn aud_06_a_personal_part_cannot_be_changed_or_put_in() {
    let mut model = Model::letters(13);
    model.rows[2].personal = Some(Personal { bytes: br#"{"client":"bob"}"#.to_vec(), salt: [7; 32] });
    assert_eq!(model.verify(None), Err(Fault::PersonalChanged { seq: 2 }));
}

#[test]
fn a_checkpoint_of_another_key_is_not_taken() {
    let model = Model::letters(4);
    let other = LogKey::from_secret(&Secret::new([2; 32])).verifier_key(&TenantId::single()).expect("key");
    assert!(matches!(Verifier::new(&other.into(), [], model.newest()), Err(Fault::NotSigned { .. })));
}

#[test]
fn stored_hashes_may_be_neither_too_few_nor_too_many() {
    let mut model = Model::letters(5);
    let last = model.hashes.pop().expect("hash");
    assert!(matches!(model.verify(None), Err(Fault::HashChanged { seq: 4, index: 7 })));
    model.hashes.extend([last, last]);
    assert!(matches!(model.verify(None), Err(Fault::HashChanged { index: 8, .. })));
}
