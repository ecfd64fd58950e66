//! The Merkle tree of RFC 6962 section 2.1, kept as *stored hashes*: one dense sequence in which each line adds its leaf
//! hash and the hash of every subtree that it completes (the order of Go's `sumdb/tlog`; two hashes per line on average).

use crate::AuditError;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tlog_tiles::tlog::{self, Hash, HashReader};

/// Where stored hashes come from.
pub trait Hashes {
    /// The stored hash with this index, if it is there.
    fn hash(&self, index: u64) -> Option<Hash>;
}

/// Stored hashes in memory, by index: all of a log, or the few that a proof needs.
pub type StoredHashes = BTreeMap<u64, Hash>;

impl Hashes for StoredHashes {
    fn hash(&self, index: u64) -> Option<Hash> {
        self.get(&index).copied()
    }
}

/// The right edge of a tree: the roots of its complete subtrees, at most 64. It is all that appending needs, so a writer
/// that keeps it never reads the database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edge {
    size: u64,
    /// Largest subtree first, one for each 1 bit of `size`.
    roots: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of `size` lines.
    ///
    /// # Errors
    /// A stored hash is missing.
    pub fn load(size: u64, hashes: &impl Hashes) -> Result<Self, AuditError> {
        let roots = indexes_for_edge(size)
            .into_iter()
            .map(|index| hashes.hash(index).ok_or(AuditError::HashMissing(index)));
        Ok(Self { size, roots: roots.collect::<Result<_, _>>()? })
    }

    /// How many lines the tree has; also the number of the next line.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a line. Returns the hashes to store, the first of them under [`first_index`] of its number.
    pub fn append(&mut self, leaf: Hash) -> Vec<Hash> {
        let mut stored = vec![leaf];
        let mut node = leaf;
        let mut line = self.size;
        while line & 1 == 1 {
            // INVARIANT: there is one root per 1 bit of `size`, so there is one to take here.
            let Some(left) = self.roots.pop() else { break };
            node = tlog::node_hash(left, node);
            stored.push(node);
            line >>= 1;
        }
        self.roots.push(node);
        self.size += 1;
        stored
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.roots.iter().rev().copied();
        let Some(last) = smallest_first.next() else { return tlog::EMPTY_HASH };
        smallest_first.fold(last, |right, left| tlog::node_hash(left, right))
    }
}

/// The index of the first stored hash of a line: its leaf hash.
#[must_use]
pub fn first_index(line: u64) -> u64 {
    tlog::stored_hash_index(0, line)
}

/// How many hashes a log of `size` lines stores.
#[must_use]
pub fn stored_count(size: u64) -> u64 {
    tlog::stored_hash_count(size)
}

/// Which stored hashes [`Edge::load`] and [`root`] read.
#[must_use]
pub fn indexes_for_edge(size: u64) -> Vec<u64> {
    tlog::sub_tree_index(0, size, Vec::new())
}

/// Which stored hashes [`prove_line`] reads. Empty if there is no such line.
#[must_use]
pub fn indexes_for_line_proof(size: u64, line: u64) -> Vec<u64> {
    let wanted = Wanted::default();
    let _ = tlog::prove_record(size, line, &wanted);
    wanted.0.into_inner()
}

/// Which stored hashes [`prove_extension`] reads. Empty if there is nothing to prove.
#[must_use]
pub fn indexes_for_extension_proof(size: u64, earlier: u64) -> Vec<u64> {
    let wanted = Wanted::default();
    let _ = tlog::prove_tree(size, earlier, &wanted);
    wanted.0.into_inner()
}

/// The root of the tree of the first `size` lines.
///
/// # Errors
/// A stored hash is missing.
pub fn root(size: u64, hashes: &impl Hashes) -> Result<Hash, AuditError> {
    Edge::load(size, hashes).map(|edge| edge.root())
}

/// The audit path of one line (RFC 6962 section 2.1.1), from the leaf's sibling up.
///
/// # Errors
/// There is no such line, or a stored hash is missing.
pub fn prove_line(size: u64, line: u64, hashes: &impl Hashes) -> Result<Vec<Hash>, AuditError> {
    tlog::prove_record(size, line, &Reader(hashes)).map_err(|error| AuditError::Proof(error.to_string()))
}

/// That the tree of `size` lines begins with the tree of `earlier` lines (RFC 6962 section 2.1.2).
///
/// # Errors
/// `earlier` is 0 or above `size`, or a stored hash is missing.
pub fn prove_extension(size: u64, earlier: u64, hashes: &impl Hashes) -> Result<Vec<Hash>, AuditError> {
    tlog::prove_tree(size, earlier, &Reader(hashes)).map_err(|error| AuditError::Proof(error.to_string()))
}

struct Reader<'a, H>(&'a H);

impl<H: Hashes> HashReader for Reader<'_, H> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        indexes.iter().map(|index| self.0.hash(*index).ok_or(tlog::Error::IndexesNotInTree)).collect()
    }
}

/// Answers every question with zeros and notes what was asked, for readers that cannot wait inside a callback.
#[derive(Default)]
struct Wanted(RefCell<Vec<u64>>);

impl HashReader for Wanted {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        self.0.borrow_mut().extend_from_slice(indexes);
        Ok(vec![Hash::default(); indexes.len()])
    }
}

#[cfg(test)]
mod tests;
