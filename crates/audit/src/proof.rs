//! One line's proof as a text file (C2SP `tlog-proof@v1`): with the public key alone anybody can check, offline, that the
//! line is in the log.

use crate::{AuditError, Checkpoint, Hash, Hashes, VerifierKey, VerifierKeys, record, tree};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// More levels than any log of less than 2^63 lines has.
const LONGEST_PATH: usize = 63;

/// That a line is in the log. The public part of the line travels along as the format's `extra` data; nothing but the
/// proof vouches for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    index: u64,
    public: Vec<u8>,
    path: Vec<Hash>,
    checkpoint: String,
}

impl Proof {
    /// Proves the line with this number and public part against a checkpoint's signed note that covers it. `hashes` must
    /// answer [`tree::indexes_for_line_proof`].
    ///
    /// # Errors
    /// The checkpoint is not good or does not cover the line, a hash is missing, or the proof does not hold.
    pub fn make(
        index: u64,
        public: &[u8],
        checkpoint: &str,
        keys: &VerifierKeys,
        hashes: &impl Hashes,
    ) -> Result<Self, AuditError> {
        let (head, _) = keys.open(checkpoint)?;
        let path = tree::prove_line(head.size(), index, hashes)?;
        let proof = Self { index, public: public.to_owned(), path, checkpoint: checkpoint.to_owned() };
        proof.holds(&head)?;
        Ok(proof)
    }

    /// Checks signature and path. What it returns is the public part of the line, which is proven to be in the log.
    ///
    /// # Errors
    /// Says which of both is not good.
    pub fn check(&self, key: &VerifierKey) -> Result<&[u8], AuditError> {
        self.holds(&Checkpoint::open(&self.checkpoint, key)?)?;
        Ok(&self.public)
    }

    fn holds(&self, head: &Checkpoint) -> Result<(), AuditError> {
        tlog_tiles::check_record(
            &self.path,
            head.size(),
            head.root(),
            self.index,
            record::leaf(&self.public),
        )
        .map_err(|error| AuditError::Proof(error.to_string()))?;
        let says = record::object(&self.public)?.get("seq").and_then(serde_json::Value::as_u64);
        if says != Some(self.index) {
            return Err(AuditError::Proof("the line says another number".to_owned()));
        }
        Ok(())
    }

    /// The number of the line.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The signed note that it is proven against.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nextra {}\nindex {}", STANDARD.encode(&self.public), self.index)?;
        for hash in &self.path {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl std::str::FromStr for Proof {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let wrong = |what: &str| AuditError::Proof(what.to_owned());
        let (lines, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| wrong("there is no checkpoint in it"))?;
        let mut lines = lines.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(wrong("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = extra.ok_or_else(|| wrong("its second line does not hold the public part of a line"))?;
        let public = STANDARD.decode(extra).map_err(|_| wrong("its second line is not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(number).ok_or_else(|| wrong("its third line is not an index"))?;
        let path =
            lines.map(|line| Hash::parse_hash(line).map_err(|_| wrong("a line of its path is not a hash")));
        let path = path.take(LONGEST_PATH + 1).collect::<Result<Vec<_>, _>>()?;
        if path.len() > LONGEST_PATH {
            return Err(wrong("its path is too long"));
        }
        Ok(Self { index, public, path, checkpoint: checkpoint.to_owned() })
    }
}

/// A decimal number without leading zeros.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Edge, LogKey, Record, Signer, StoredHashes};
    use deputy_core::{Event, EventKind, Secret, TenantId, Timestamp};
    use std::sync::Arc;

    fn world(lines: u64) -> (Vec<Record>, StoredHashes, String, VerifierKey) {
        let tenant = TenantId::single();
        let (mut edge, mut stored, mut records) = (Edge::default(), StoredHashes::new(), Vec::new());
        for seq in 0..lines {
            let event = Event::new(Timestamp::from_millis(seq), tenant.clone(), EventKind::HubStarted);
            let record = Record::of(&event, seq, [0; 32]).expect("record");
            for hash in edge.append(record.leaf) {
                stored.insert(stored.len() as u64, hash);
            }
            records.push(record);
        }
        let key = Arc::new(LogKey::from_secret(&Secret::new([1; 32])));
        let verifier = key.verifier_key(&tenant).expect("key");
        let mut signer = Signer::resume(key, tenant, None).expect("signer");
        (records, stored, signer.sign(&edge, &[]).expect("note"), verifier)
    }

    #[test]
    fn aud_02_every_line_is_proven_and_the_text_reads_back() {
        let (records, stored, note, key) = world(13);
        for record in &records {
            let proof =
                Proof::make(record.seq, &record.bytes, &note, &key.clone().into(), &stored).expect("proof");
            let again: Proof = proof.to_string().parse().expect("reads back");
            assert_eq!(again, proof);
            assert_eq!(again.check(&key).expect("holds"), record.bytes);
        }
    }

    #[test]
    fn aud_02_a_proof_of_another_line_or_place_does_not_hold() {
        let (records, stored, note, key) = world(13);
        assert!(Proof::make(4, &records[5].bytes, &note, &key.clone().into(), &stored).is_err());
        assert!(Proof::make(13, &records[5].bytes, &note, &key.clone().into(), &stored).is_err());
        let text = Proof::make(5, &records[5].bytes, &note, &key.clone().into(), &stored)
            .expect("proof")
            .to_string();
        let moved: Proof = text.replacen("index 5", "index 6", 1).parse().expect("well formed");
        assert!(moved.check(&key).is_err());
        let shorter: Vec<&str> =
            text.lines().enumerate().filter(|(at, _)| *at != 3).map(|(_, line)| line).collect();
        let shorter: Proof = format!("{}\n", shorter.join("\n")).parse().expect("well formed");
        assert!(shorter.check(&key).is_err());
    }

    #[test]
    fn a_malformed_proof_is_refused_with_words() {
        for text in [
            "",
            "x\n\n",
            "c2sp.org/tlog-proof@v1\nindex 1\n\n",
            "c2sp.org/tlog-proof@v1\nextra e30=\nindex 01\n\n",
        ] {
            assert!(text.parse::<Proof>().is_err(), "{text:?}");
        }
        let endless =
            format!("{HEAD}\nextra e30=\nindex 1\n{}\nx", format!("{}\n", Hash([0; 32])).repeat(99));
        assert!(endless.parse::<Proof>().is_err());
    }
}
