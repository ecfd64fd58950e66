//! Recomputes a whole log from its lines and names the first thing that is wrong (AUD-03).
//!
//! [`Verifier`] is fed line by line, so that a log of any length is checked in little memory; [`verify`] does it for
//! iterators. What a copied log alone cannot show (its own tail cut off, or an old copy put back) shows against a
//! checkpoint that was kept elsewhere.

mod fault;
mod heads;

pub use fault::Fault;
pub use heads::Signed;

use crate::record::{self, Personal};
use crate::{Edge, Hash, Pruning, VerifierKeys, erasure, tree};
use deputy_core::{EventKind, Timestamp};
use heads::Heads;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, VecDeque};
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
    /// Which keys signed, oldest first; those that signed nothing are left out.
    pub signers: Vec<Signed>,
    /// How many lines had their personal part erased.
    pub erased: u64,
    /// The beginning that lost its bytes for its age, if there is one.
    pub pruned: Option<Pruned>,
}

/// The beginning of a log of which only the hashes are left (AUD-10).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pruned {
    /// How many lines, from the first on.
    pub lines: u64,
    /// When the last of them were pruned.
    pub at: Timestamp,
    /// The size of the signed checkpoint that closes them.
    pub checkpoint: u64,
    /// Whether the line that says so is signed itself.
    pub signed: bool,
}

/// Checks a log as it is read.
pub struct Verifier {
    edge: Edge,
    heads: Heads,
    /// Stored hashes that follow from the lines so far and were not compared yet: (line, hash).
    pending: VecDeque<(u64, Hash)>,
    compared: u64,
    /// Lines without their personal part, of which no erasure said so yet.
    unexplained: BTreeSet<u64>,
    /// How many lines at the beginning have no bytes.
    without_bytes: u64,
    /// What the newest line about a pruning says, and its own number.
    pruning: Option<(Pruning, Timestamp, u64)>,
    holds: Holds,
    erased: u64,
}

/// What is read: all that a store holds, or a bundle, which has neither personal parts nor stored hashes.
enum Holds {
    Everything,
    PublicParts,
}

impl Verifier {
    /// Takes the signed notes first: those that the log holds itself, and one that was kept elsewhere.
    ///
    /// # Errors
    /// [`Fault::NotSigned`], [`Fault::OldKey`].
    pub fn new<'a>(
        keys: &VerifierKeys,
        own: impl IntoIterator<Item = &'a str>,
        external: Option<&str>,
    ) -> Result<Self, Fault> {
        let mut verifier = Self {
            edge: Edge::default(),
            heads: Heads::open(keys, own, external)?,
            pending: VecDeque::new(),
            compared: 0,
            unexplained: BTreeSet::new(),
            without_bytes: 0,
            pruning: None,
            holds: Holds::Everything,
            erased: 0,
        };
        verifier.heads.compare(&verifier.edge)?;
        Ok(verifier)
    }

    /// The same for a [`crate::bundle`].
    #[must_use]
    pub fn of_bundle(mut self) -> Self {
        self.holds = Holds::PublicParts;
        self
    }

    /// A line without bytes: its record hash stands for it. Only the first lines of a log may be such.
    ///
    /// # Errors
    /// [`Fault::Missing`], or what is wrong with what was signed up to it.
    pub fn pruned(&mut self, leaf: Hash) -> Result<(), Fault> {
        let seq = self.edge.size();
        if self.without_bytes != seq {
            return Err(Fault::Missing { expected: seq, found: seq.saturating_add(1) });
        }
        self.without_bytes += 1;
        self.add(seq, leaf)
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
        self.add(seq, row.leaf)
    }

    fn add(&mut self, seq: u64, leaf: Hash) -> Result<(), Fault> {
        let stored = self.edge.append(leaf);
        if matches!(self.holds, Holds::Everything) {
            self.pending.extend(stored.into_iter().map(|hash| (seq, hash)));
        }
        self.heads.compare(&self.edge)
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
    pub fn finish(self) -> Result<Report, Fault> {
        if let Some((seq, _)) = self.pending.front() {
            return Err(Fault::HashChanged { seq: *seq, index: self.compared });
        }
        let lines = self.edge.size();
        if let Some(signed) = self.heads.highest()
            && signed > lines
        {
            return Err(Fault::CutOff { lines, signed });
        }
        let explained = self.pruning.map_or(0, |(pruning, ..)| pruning.last.saturating_add(1));
        if self.without_bytes > explained {
            return Err(Fault::RemovedInSilence { from: explained, to: self.without_bytes - 1 });
        }
        if let Some(seq) = self.unexplained.first() {
            return Err(Fault::PersonalRemoved { seq: *seq });
        }
        let pruned = self.pruning.map(|(pruning, at, seq)| Pruned {
            lines: self.without_bytes,
            at,
            checkpoint: pruning.checkpoint,
            signed: seq < self.heads.signed(),
        });
        Ok(Report {
            lines,
            root: self.edge.root(),
            checkpoints: self.heads.count(),
            signed: self.heads.signed(),
            external: self.heads.external(),
            signers: self.heads.signers(),
            erased: self.erased,
            pruned: pruned.filter(|pruned| pruned.lines > 0),
        })
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
            (Some(_), None) if matches!(self.holds, Holds::PublicParts) => {}
            (Some(_), None) => {
                self.erased += 1;
                self.unexplained.insert(seq);
            }
            (Some(committed), Some(personal)) if personal.commitment().to_string() == committed => {}
            (_, Some(_)) => return Err(Fault::PersonalChanged { seq }),
        }
        self.takings(seq, &public).map_err(foreign)
    }

    /// What a line says of earlier lines that lost something.
    fn takings(&mut self, seq: u64, public: &Map<String, Value>) -> Result<(), String> {
        let kind = public.get("kind").and_then(Value::as_str);
        let detail = public.get("detail").unwrap_or(&Value::Null);
        if kind == Some(EventKind::PersonErased.code()) {
            let lines = detail.get(erasure::LINES).and_then(Value::as_str).unwrap_or_default();
            for range in erasure::ranges(lines).map_err(|error| error.to_string())? {
                self.explained(range);
            }
        }
        if kind == Some(EventKind::LinesPruned.code()) {
            let pruning = Pruning::read(detail).map_err(|error| error.to_string())?;
            if !self.heads.signed_root(pruning.checkpoint, pruning.root) {
                return Err("it names a closing checkpoint that was not signed before it".to_owned());
            }
            let at = public.get("at").and_then(Value::as_u64).unwrap_or_default();
            self.pruning = Some((pruning, Timestamp::from_millis(at), seq));
        }
        Ok(())
    }

    /// An erasure speaks of lines before it; the set holds no others yet.
    fn explained(&mut self, range: RangeInclusive<u64>) {
        let beyond = self.unexplained.split_off(range.start());
        self.unexplained.extend(beyond.into_iter().filter(|seq| !range.contains(seq)));
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
    keys: &VerifierKeys,
) -> Result<Report, Fault> {
    let mut verifier = Verifier::new(keys, own, external)?;
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
