//! What was signed of a log: its own checkpoints, and one that was kept elsewhere.

use super::Fault;
use crate::{Checkpoint, Edge, Hash, VerifierKeys};
use std::collections::BTreeMap;

/// What one key vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The id of the key.
    pub key: String,
    /// How many of the log's own checkpoints it is the newest signer of.
    pub checkpoints: u64,
    /// The size of the largest of them.
    pub up_to: u64,
}

/// The heads, and how far the lines went along with them.
pub(super) struct Heads {
    own: BTreeMap<u64, Vec<Hash>>,
    count: u64,
    outside: Option<Checkpoint>,
    external: Option<u64>,
    signed: u64,
    signers: Vec<Signed>,
}

impl Heads {
    /// Checks every signature, and that no key signed alone what is larger than the first checkpoint of a newer key.
    pub(super) fn open<'a>(
        keys: &VerifierKeys,
        own: impl IntoIterator<Item = &'a str>,
        external: Option<&str>,
    ) -> Result<Self, Fault> {
        let open = |note: &str| {
            keys.open(note).map_err(|error| Fault::NotSigned {
                origin: keys.origin().to_owned(),
                why: error.to_string(),
            })
        };
        let opened = own.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let outside = external.map(open).transpose()?;
        let signers: Vec<Signed> =
            keys.iter().enumerate().map(|(n, key)| signer(n, key.id(), &opened)).collect();
        let replaced: Vec<Option<u64>> = (0..signers.len()).map(|n| replaced(n, &opened)).collect();
        for (head, number) in opened.iter().chain(outside.as_ref()) {
            let by = replaced.get(*number).copied().flatten().zip(signers.get(*number));
            if let Some((replaced, signer)) = by.filter(|(replaced, _)| head.size() > *replaced) {
                return Err(Fault::OldKey { size: head.size(), key: signer.key.clone(), replaced });
            }
        }
        let mut heads = Self {
            own: BTreeMap::new(),
            count: opened.len() as u64,
            outside: outside.map(|(head, _)| head),
            external: None,
            signed: 0,
            signers: signers.into_iter().filter(|signed| signed.checkpoints > 0).collect(),
        };
        for (head, _) in opened {
            heads.own.entry(head.size()).or_default().push(head.root());
        }
        Ok(heads)
    }

    /// Compares the lines so far with whatever was signed at exactly this size.
    pub(super) fn compare(&mut self, edge: &Edge) -> Result<(), Fault> {
        let size = edge.size();
        if let Some(roots) = self.own.get(&size) {
            if roots.iter().any(|signed| *signed != edge.root()) {
                return Err(Fault::Rewritten { from: self.signed, to: size.saturating_sub(1) });
            }
            self.signed = size;
        }
        if let Some(outside) = self.outside.as_ref().filter(|outside| outside.size() == size) {
            if outside.root() != edge.root() {
                return Err(Fault::Forked { signed: size });
            }
            self.external = Some(size);
        }
        Ok(())
    }

    /// Whether the lines so far went along with an own checkpoint of this size and root.
    pub(super) fn signed_root(&self, size: u64, root: Hash) -> bool {
        size <= self.signed && self.own.get(&size).is_some_and(|roots| roots.contains(&root))
    }

    /// The size of the largest head.
    pub(super) fn highest(&self) -> Option<u64> {
        self.own.keys().next_back().copied().max(self.outside.as_ref().map(Checkpoint::size))
    }

    pub(super) const fn signed(&self) -> u64 {
        self.signed
    }

    pub(super) const fn external(&self) -> Option<u64> {
        self.external
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn signers(&self) -> Vec<Signed> {
        self.signers.clone()
    }
}

fn signer(number: usize, key: &str, opened: &[(Checkpoint, usize)]) -> Signed {
    let sizes = || opened.iter().filter(|(_, by)| *by == number).map(|(head, _)| head.size());
    Signed { key: key.to_owned(), checkpoints: sizes().count() as u64, up_to: sizes().max().unwrap_or(0) }
}

/// The size of the first head that a newer key signed.
fn replaced(number: usize, opened: &[(Checkpoint, usize)]) -> Option<u64> {
    opened.iter().filter(|(_, by)| *by > number).map(|(head, _)| head.size()).min()
}
