//! Files that somebody copied out of a log: checkpoints, proofs, lines, the whole of it.

use crate::{first_line, text};
use deputy_audit::export::{self, Line, ocsf};
use deputy_audit::{
    Checkpoint, Edge, Hash, LogKey, Proof, Pruning, Record, Row, Signer, VerifierKey, VerifierKeys, bundle,
    record, verify,
};
use deputy_core::canonical::parse_strict;
use deputy_core::{Event, EventKind, Secret, TenantId, Timestamp};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// A log as its keeper has it: eight lines, a checkpoint after four and after eight.
struct Kept {
    rows: Vec<Row>,
    hashes: Vec<Hash>,
    notes: Vec<String>,
    heads: Vec<(u64, Hash)>,
    key: VerifierKey,
    keys: VerifierKeys,
}

const LINES: u64 = 8;

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let tenant = TenantId::single();
    let key = Arc::new(LogKey::from_secret(&Secret::new([1; 32])));
    let verifier = key.verifier_key(&tenant).expect("key");
    let keys = VerifierKeys::read(verifier.as_str(), &tenant).expect("keys");
    let (mut edge, mut rows, mut hashes) = (Edge::default(), Vec::new(), Vec::new());
    let (mut notes, mut heads) = (Vec::new(), Vec::new());
    for seq in 0..LINES {
        let row = row(&event(seq), seq);
        hashes.extend(edge.append(row.leaf));
        rows.push(row);
        if edge.size() % 4 == 0 {
            let mut signer = Signer::resume(Arc::clone(&key), tenant.clone(), None).expect("signer");
            notes.push(signer.sign(&edge, &[]).expect("note"));
            heads.push((edge.size(), edge.root()));
        }
    }
    Kept { rows, hashes, notes, heads, key: verifier, keys }
});

fn event(seq: u64) -> Event {
    Event::new(Timestamp::from_millis(seq), TenantId::single(), EventKind::Outcome)
        .with_detail("text", format!("line {seq}"))
        .with_personal("who", "alice")
}

fn row(event: &Event, seq: u64) -> Row {
    let record = Record::of(event, seq, [7; 32]).expect("record");
    Row { seq: record.seq, public: record.bytes, leaf: record.leaf, personal: record.personal }
}

/// A checkpoint, or a log's public key. It opens only if it says what was signed; a key is written as it was read.
pub(crate) fn checkpoint(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(head) = Checkpoint::open(text, &KEPT.key) {
        assert!(KEPT.heads.contains(&(head.size(), head.root())), "nobody signed that: {head:?}");
    }
    if let Ok(keys) = VerifierKeys::read(text, &TenantId::single()) {
        assert!(keys.iter().all(|key| key.origin() == keys.origin() && text.contains(key.as_str())));
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        let again: VerifierKey = key.to_string().parse().expect("read again");
        assert_eq!((again.origin(), again.as_str()), (key.origin(), text.trim()));
    }
}

/// A proof. It is written as it was read, and what it proves is a line of the log, at its place.
pub(crate) fn proof(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(proof) = text.parse::<Proof>() else { return };
    assert_eq!(proof.to_string().parse::<Proof>().ok().as_ref(), Some(&proof));
    let Ok(public) = proof.check(&KEPT.key) else { return };
    let at = usize::try_from(proof.index()).expect("a place");
    assert_eq!(KEPT.rows.get(at).map(|row| row.public.as_slice()), Some(public), "a proof of nothing");
}

/// The public part of a line and, on the next lines, its personal part. Whoever exports it gets one line of JSON or an error.
pub(crate) fn line(data: &[u8]) {
    let (public, personal) = first_line(data);
    for personal in [None, Some(personal)] {
        let Ok(line) = Line::of(3, public, personal) else { continue };
        let written = export::jsonl("deputy/default@0", &line);
        let event = ocsf::event("deputy/default@0", "key", &line, &mut chain());
        for text in [written, event].into_iter().flatten() {
            assert!(!text.contains('\n') && parse_strict(text.as_bytes()).is_ok(), "{text}");
        }
        if let Ok(pruning) = Pruning::read(&Value::Object(line.event.detail.clone())) {
            assert!(pruning.first <= pruning.last && pruning.last < pruning.checkpoint);
        }
        if let Ok(record) = Record::of(&line.event, 3, [7; 32]) {
            assert_eq!(record.event().expect("read again"), line.event);
        }
    }
}

fn chain() -> ocsf::Chain {
    ocsf::Chain { uid: "chain".to_owned(), previous: None }
}

/// A bundle, against the checkpoint over eight lines that was kept elsewhere. It is good only if these lines are in it, in
/// this order, untouched (AUD-04).
pub(crate) fn bundle(data: &[u8]) {
    let external = KEPT.notes.last().map(String::as_str);
    let Ok((tenant, Ok(report))) = bundle::verify(data, KEPT.key.as_str(), external) else { return };
    assert_eq!((tenant, report.external, report.pruned), (TenantId::single(), Some(LINES), None));
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| match serde_json::from_slice(line) {
        Ok(bundle::Entry::Line { public }) => Some(public.into_bytes()),
        _ => None,
    });
    let kept = KEPT.rows.iter().map(|row| row.public.clone());
    assert!(lines.take(KEPT.rows.len()).eq(kept), "a bundle of another log");
}

/// What somebody does to a copied log, three bytes a deed: what, where, with what. If the first byte is odd they build the
/// hashes anew in the end. The log verifies only if the lines that were signed are untouched (AUD-03).
pub(crate) fn log(data: &[u8]) {
    let Some((first, deeds)) = data.split_first() else { return };
    let (mut rows, mut hashes) = (KEPT.rows.clone(), KEPT.hashes.clone());
    for deed in deeds.chunks_exact(3).take(16) {
        tamper(&mut rows, &mut hashes, deed[0], usize::from(deed[1]), deed[2]);
    }
    if first % 2 == 1 {
        (rows, hashes) = built_anew(rows);
    }
    let signed = rows.iter().take(KEPT.rows.len()).eq(KEPT.rows.iter());
    let stored = (0..).zip(hashes);
    let own = KEPT.notes.iter().map(String::as_str).take(usize::from(first / 2 % 3));
    let external = KEPT.notes.last().map(String::as_str);
    match verify(rows, stored, own, external, &KEPT.keys) {
        Ok(report) => assert!(signed && report.lines >= LINES, "{report:?}"),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

fn tamper(rows: &mut Vec<Row>, hashes: &mut [Hash], deed: u8, at: usize, with: u8) {
    if rows.is_empty() {
        return;
    }
    let (place, next) = (at % rows.len(), (at + 1) % rows.len());
    let length = rows.len() as u64;
    match deed % 10 {
        0 => flip(&mut rows[place].public, with),
        1 => rows.swap(place, next),
        2 => drop(rows.remove(place)),
        3 => rows.insert(place, rows[next].clone()),
        4 => rows[place].seq = u64::from(with),
        5 => rows[place].leaf = record::leaf(&rows[place].public),
        6 => rows[place].personal = None,
        7 => {
            if let Some(personal) = &mut rows[place].personal {
                flip(&mut personal.bytes, with);
            }
        }
        8 => rows.push(row(&event(u64::from(with)), length)),
        _ => {
            if let Some(hash) = hashes.get_mut(at) {
                hash.0[0] ^= with;
            }
        }
    }
}

fn flip(bytes: &mut [u8], with: u8) {
    let place = usize::from(with) % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= with | 1;
    }
}

/// Numbers, record hashes and tree all fit each other again: what somebody without the key can do at most.
fn built_anew(rows: Vec<Row>) -> (Vec<Row>, Vec<Hash>) {
    let (mut edge, mut hashes) = (Edge::default(), Vec::new());
    let rows = (0..).zip(rows).map(|(seq, row)| {
        let leaf = record::leaf(&row.public);
        hashes.extend(edge.append(leaf));
        Row { seq, leaf, ..row }
    });
    let rows = rows.collect();
    (rows, hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use deputy_audit::StoredHashes;

    #[test]
    fn the_seeds_are_of_this_log() {
        let row = &KEPT.rows[5];
        let stored: StoredHashes = (0..).zip(KEPT.hashes.iter().copied()).collect();
        let proof = Proof::make(5, &row.public, &KEPT.notes[1], &KEPT.keys, &stored).expect("proof");
        let entry = |row: &Row| bundle::Entry::line(row.public.clone()).expect("text").text().expect("text");
        let head = bundle::Entry::head(KEPT.key.origin()).text().expect("text");
        let notes = KEPT
            .notes
            .iter()
            .map(|note| bundle::Entry::Checkpoint { checkpoint: note.clone() }.text().expect("text"));
        let whole: Vec<String> =
            std::iter::once(head).chain(notes).chain(KEPT.rows.iter().map(entry)).collect();
        let whole = whole.join("\n");
        bundle::verify(whole.as_bytes(), KEPT.key.as_str(), None).expect("a bundle").1.expect("good");
        for (seed, now) in [
            (include_str!("../../corpus/checkpoint/four"), KEPT.notes[0].clone()),
            (include_str!("../../corpus/checkpoint/eight"), KEPT.notes[1].clone()),
            (include_str!("../../corpus/checkpoint/key"), KEPT.key.to_string()),
            (include_str!("../../corpus/proof/five"), proof.to_string()),
            (include_str!("../../corpus/bundle/whole"), whole),
        ] {
            assert_eq!(seed, now, "write the seed anew");
        }
        assert!(include_str!("../../corpus/line/outcome").as_bytes().starts_with(&row.public));
    }
}
