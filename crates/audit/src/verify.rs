//! Recomputes a whole log from its lines and names the first thing that is wrong (AUD-03).
//!
//! [`Verifier`] is fed line by line, so that a log of any length is checked in little memory; [`verify`] does it for
//! iterators. What a copied log alone cannot show (its own tail cut off, or an old copy put back) shows against a
//! checkpoint that was kept elsewhere.

use crate::record::{self, Personal};
use crate::{Checkpoint, Edge, Hash, VerifierKey, erasure, tree};
use deputy_core::EventKind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

/// A line as a store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The number under which it is stored.
    pub seq: u64,
    /// The public part.
    pub public: Vec<u8>,
    /// The stored record hash.
    pub leaf: Hash,
    /// The personal part, if there is one and it was not erased.
    pub personal: Option<Personal>,
}

/// A log that is what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How many lines it has.
    pub lines: u64,
    /// The root over all of them.
    pub root: Hash,
    /// How many checkpoints of its own were checked.
    pub checkpoints: u64,
    /// Up to where the log's own checkpoints vouch for it.
    pub signed: u64,
    /// Up to where a checkpoint from outside vouches for it.
    pub external: Option<u64>,
    /// How many lines had their personal part erased.
    pub erased: u64,
}

/// What is wrong with a log, at which line. Lines count from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A number is skipped, or comes out of order.
    #[error("line {expected} is missing or out of order: line {found} is stored in its place")]
    Missing {
        /// Which line should be here.
        expected: u64,
        /// Which is.
        found: u64,
    },
    /// The public part is not what its record hash says.
    #[error("line {seq} was changed: it does not hash to its record hash")]
    Changed {
        /// The line.
        seq: u64,
    },
    /// The public part does not read, or says another number.
    #[error("line {seq} is not a line of this log: {why}")]
    Foreign {
        /// The line.
        seq: u64,
        /// In which way.
        why: String,
    },
    /// The personal part is not what the public part commits to.
    #[error("the personal part of line {seq} was changed or put in")]
    PersonalChanged {
        /// The line.
        seq: u64,
    },
    /// A personal part is gone, and no later line says that it was erased.
    #[error("the personal part of line {seq} was removed, and no line says that somebody was erased")]
    PersonalRemoved {
        /// The line.
        seq: u64,
    },
    /// A hash of the tree is not what the lines say.
    #[error("stored hash {index} does not fit the lines up to {seq}: the tree or a line was changed")]
    HashChanged {
        /// The line that completed it.
        seq: u64,
        /// The index of the hash.
        index: u64,
    },
    /// A checkpoint is not signed by the key of this log.
    #[error("a checkpoint is not signed by `{origin}`: {why}")]
    NotSigned {
        /// Whose key was used.
        origin: String,
        /// In which way.
        why: String,
    },
    /// The lines are not those that were signed.
    #[error(
        "the lines {from} to {to} are not those that were signed: a line was changed, removed, put in, or moved"
    )]
    Rewritten {
        /// The first line that may be wrong.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The log is another than the one whose checkpoint was kept elsewhere.
    #[error(
        "the log was forked: its first {signed} lines are not those of the checkpoint that was kept elsewhere"
    )]
    Forked {
        /// The size of that checkpoint.
        signed: u64,
    },
    /// Fewer lines than were signed.
    #[error(
        "the log ends after {lines} lines but {signed} were signed: the tail was cut off, or an older copy was put back"
    )]
    CutOff {
        /// How many there are.
        lines: u64,
        /// How many were signed.
        signed: u64,
    },
}

/// Checks a log as it is read.
pub struct Verifier {
    edge: Edge,
    own: BTreeMap<u64, Vec<Hash>>,
    external: Option<Checkpoint>,
    /// Stored hashes that follow from the lines so far and were not compared yet: (line, hash).
    pending: VecDeque<(u64, Hash)>,
    compared: u64,
    /// Lines without their personal part, of which no erasure said so yet.
    unexplained: BTreeSet<u64>,
    report: Report,
}

impl Verifier {
    /// Takes the signed notes first: those that the log holds itself, and one that was kept elsewhere.
    ///
    /// # Errors
    /// [`Fault::NotSigned`].
    pub fn new<'a>(
        key: &VerifierKey,
        own: impl IntoIterator<Item = &'a str>,
        external: Option<&str>,
    ) -> Result<Self, Fault> {
        let open = |note: &str| {
            Checkpoint::open(note, key)
                .map_err(|error| Fault::NotSigned { origin: key.origin().to_owned(), why: error.to_string() })
        };
        let mut heads: BTreeMap<u64, Vec<Hash>> = BTreeMap::new();
        let mut report = Report {
            lines: 0,
            root: Edge::default().root(),
            checkpoints: 0,
            signed: 0,
            external: None,
            erased: 0,
        };
        for note in own {
            let head = open(note)?;
            report.checkpoints += 1;
            heads.entry(head.size()).or_default().push(head.root());
        }
        let external = external.map(open).transpose()?;
        let mut verifier = Self {
            edge: Edge::default(),
            own: heads,
            external,
            pending: VecDeque::new(),
            compared: 0,
            unexplained: BTreeSet::new(),
            report,
        };
        verifier.heads()?;
        Ok(verifier)
    }

    /// The next line.
    ///
    /// # Errors
    /// What is wrong with it, or with what was signed up to it.
    pub fn line(&mut self, row: &Row) -> Result<(), Fault> {
        let seq = self.edge.size();
        if row.seq != seq {
            return Err(Fault::Missing { expected: seq, found: row.seq });
        }
        if record::leaf(&row.public) != row.leaf {
            return Err(Fault::Changed { seq });
        }
        self.parts(row)?;
        self.pending.extend(self.edge.append(row.leaf).into_iter().map(|hash| (seq, hash)));
        self.heads()
    }

    /// The next stored hash, in the order of their indexes. Lines go before the hashes that they complete.
    ///
    /// # Errors
    /// [`Fault::HashChanged`].
    pub fn hash(&mut self, index: u64, hash: Hash) -> Result<(), Fault> {
        let (seq, expected) = self.pending.pop_front().unwrap_or((self.edge.size(), Hash::default()));
        if index != self.compared || hash != expected {
            return Err(Fault::HashChanged { seq, index: self.compared });
        }
        self.compared += 1;
        Ok(())
    }

    /// There are no more lines.
    ///
    /// # Errors
    /// More was signed than there is, or stored hashes are missing.
    pub fn finish(mut self) -> Result<Report, Fault> {
        if let Some((seq, _)) = self.pending.front() {
            return Err(Fault::HashChanged { seq: *seq, index: self.compared });
        }
        let lines = self.edge.size();
        let highest = self
            .own
            .keys()
            .next_back()
            .copied()
            .into_iter()
            .chain(self.external.as_ref().map(Checkpoint::size));
        if let Some(signed) = highest.max()
            && signed > lines
        {
            return Err(Fault::CutOff { lines, signed });
        }
        if let Some(seq) = self.unexplained.first() {
            return Err(Fault::PersonalRemoved { seq: *seq });
        }
        self.report.lines = lines;
        self.report.root = self.edge.root();
        Ok(self.report)
    }

    /// That the public part is of this log, and the personal part belongs to it.
    fn parts(&mut self, row: &Row) -> Result<(), Fault> {
        let seq = row.seq;
        let foreign = |why: String| Fault::Foreign { seq, why };
        let public = record::object(&row.public).map_err(|error| foreign(error.to_string()))?;
        if public.get("seq").and_then(Value::as_u64) != Some(seq) {
            return Err(foreign("it says another number".to_owned()));
        }
        let committed = public.get("personal").and_then(Value::as_str);
        match (committed, &row.personal) {
            (None, None) => {}
            (Some(_), None) => {
                self.report.erased += 1;
                self.unexplained.insert(seq);
            }
            (Some(committed), Some(personal)) if personal.commitment().to_string() == committed => {}
            (_, Some(_)) => return Err(Fault::PersonalChanged { seq }),
        }
        if public.get("kind").and_then(Value::as_str) == Some(EventKind::PersonErased.code()) {
            let lines = public.get("detail").and_then(|detail| detail.get(erasure::LINES));
            let lines = lines.and_then(Value::as_str).unwrap_or_default();
            for range in erasure::ranges(lines).map_err(|error| foreign(error.to_string()))? {
                self.explained(range);
            }
        }
        Ok(())
    }

    /// An erasure speaks of lines before it; the set holds no others yet.
    fn explained(&mut self, range: RangeInclusive<u64>) {
        let beyond = self.unexplained.split_off(range.start());
        self.unexplained.extend(beyond.into_iter().filter(|seq| !range.contains(seq)));
    }

    /// Compares with whatever was signed at exactly this size.
    fn heads(&mut self) -> Result<(), Fault> {
        let (size, root) = (self.edge.size(), self.edge.root());
        if let Some(roots) = self.own.remove(&size) {
            if roots.iter().any(|signed| *signed != root) {
                return Err(Fault::Rewritten { from: self.report.signed, to: size.saturating_sub(1) });
            }
            self.report.signed = size;
        }
        if let Some(external) = self.external.take_if(|external| external.size() == size) {
            if external.root() != root {
                return Err(Fault::Forked { signed: size });
            }
            self.report.external = Some(size);
        }
        Ok(())
    }
}

/// Checks a log that an iterator gives, as [`Verifier`] does. `hashes` are all stored hashes in the order of their indexes.
///
/// # Errors
/// The first [`Fault`].
pub fn verify<'a>(
    rows: impl IntoIterator<Item = Row>,
    hashes: impl IntoIterator<Item = (u64, Hash)>,
    own: impl IntoIterator<Item = &'a str>,
    external: Option<&str>,
    key: &VerifierKey,
) -> Result<Report, Fault> {
    let mut verifier = Verifier::new(key, own, external)?;
    let mut hashes = hashes.into_iter();
    for row in rows {
        verifier.line(&row)?;
        for _ in tree::stored_count(row.seq)..tree::stored_count(row.seq.saturating_add(1)) {
            if let Some((index, hash)) = hashes.next() {
                verifier.hash(index, hash)?;
            }
        }
    }
    for (index, hash) in hashes {
        verifier.hash(index, hash)?;
    }
    verifier.finish()
}

#[cfg(test)]
mod tests;
