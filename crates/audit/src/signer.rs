//! Who signs checkpoints, and never two that contradict each other (AUD-05; C2SP `tlog-checkpoint`, signatures).

use crate::{AuditError, Checkpoint, Edge, Hash, Hashes, LogKey, tree};
use deputy_core::TenantId;
use std::sync::Arc;

/// Signs the checkpoints of one tenant's log. Its caller keeps the newest note outside the database that holds the log, and
/// gives it back to [`Signer::resume`], so that a database that was rolled back is found out.
pub struct Signer {
    key: Arc<LogKey>,
    tenant: TenantId,
    highest: Option<Checkpoint>,
}

impl Signer {
    /// Goes on after the newest note that was signed, if there is one.
    ///
    /// # Errors
    /// The note is not by this key.
    pub fn resume(key: Arc<LogKey>, tenant: TenantId, newest: Option<&str>) -> Result<Self, AuditError> {
        let verifier = key.verifier_key(&tenant)?;
        let highest = newest.map(|note| Checkpoint::open(note, &verifier)).transpose()?;
        Ok(Self { key, tenant, highest })
    }

    /// The highest checkpoint that was signed.
    #[must_use]
    pub const fn highest(&self) -> Option<&Checkpoint> {
        self.highest.as_ref()
    }

    /// Whether a stored log of `size` lines is the one that was signed: not shorter, and with the same beginning.
    ///
    /// # Errors
    /// [`AuditError::Inconsistent`] if not; a stored hash is missing.
    pub fn check(&self, size: u64, hashes: &impl Hashes) -> Result<(), AuditError> {
        let Some(highest) = &self.highest else { return Ok(()) };
        let known = size >= highest.size() && tree::root(highest.size(), hashes)? == highest.root();
        if known { Ok(()) } else { Err(AuditError::Inconsistent { size, signed: highest.size() }) }
    }

    /// Signs the head of the tree with this edge. `extension` is [`tree::prove_extension`] from the highest signed size to
    /// this one; it is not looked at before the first signature and if nothing was added.
    ///
    /// # Errors
    /// [`AuditError::Inconsistent`]: smaller, or not an extension.
    pub fn sign(&mut self, edge: &Edge, extension: &[Hash]) -> Result<String, AuditError> {
        self.sign_with(None, edge, extension)
    }

    /// Signs as [`Signer::sign`] does, with the key so far and with the one that takes over, and goes on with the latter
    /// (AUD-11). Whoever knows either of them can check this head: it ties what the one signed to what the other will.
    ///
    /// # Errors
    /// As [`Signer::sign`]; or the next key is not of this log.
    pub fn hand_over(
        &mut self,
        next: Arc<LogKey>,
        edge: &Edge,
        extension: &[Hash],
    ) -> Result<String, AuditError> {
        if next.log_id() != self.key.log_id() {
            return Err(AuditError::Key(next.log_id().to_owned()));
        }
        let note = self.sign_with(Some(&next), edge, extension)?;
        self.key = next;
        Ok(note)
    }

    fn sign_with(
        &mut self,
        next: Option<&LogKey>,
        edge: &Edge,
        extension: &[Hash],
    ) -> Result<String, AuditError> {
        let (size, root) = (edge.size(), edge.root());
        if let Some(highest) = &self.highest
            && !extends(highest, size, root, extension)
        {
            return Err(AuditError::Inconsistent { size, signed: highest.size() });
        }
        let note = self.key.sign(next, &self.tenant, size, root)?;
        self.highest = Some(Checkpoint::open(&note, &self.key.verifier_key(&self.tenant)?)?);
        Ok(note)
    }
}

fn extends(earlier: &Checkpoint, size: u64, root: Hash, extension: &[Hash]) -> bool {
    if earlier.size() == size {
        return earlier.root() == root;
    }
    // Every log extends the empty one, and RFC 6962 has no proof for it.
    earlier.size() == 0
        || (earlier.size() < size
            && tlog_tiles::check_tree(&extension.to_vec(), size, root, earlier.size(), earlier.root())
                .is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StoredHashes, record};
    use deputy_core::Secret;

    fn key() -> Arc<LogKey> {
        Arc::new(LogKey::from_secret(&Secret::new([1; 32])))
    }

    fn log(lines: &[&str]) -> (Edge, StoredHashes) {
        let (mut edge, mut stored) = (Edge::default(), StoredHashes::new());
        for line in lines {
            for hash in edge.append(record::leaf(line.as_bytes())) {
                stored.insert(stored.len() as u64, hash);
            }
        }
        (edge, stored)
    }

    fn signed(lines: &[&str]) -> (Signer, String) {
        let mut signer = Signer::resume(key(), TenantId::single(), None).expect("signer");
        let note = signer.sign(&log(lines).0, &[]).expect("note");
        (signer, note)
    }

    #[test]
    fn aud_05_an_extension_is_signed_with_its_proof_and_not_without() {
        let (mut signer, _) = signed(&["a", "b", "c"]);
        let (edge, stored) = log(&["a", "b", "c", "d", "e"]);
        assert!(matches!(signer.sign(&edge, &[]), Err(AuditError::Inconsistent { size: 5, signed: 3 })));
        signer.sign(&edge, &tree::prove_extension(5, 3, &stored).expect("proof")).expect("note");
        assert_eq!(signer.highest().map(Checkpoint::size), Some(5));
        signer.sign(&edge, &[]).expect("the same head again");
    }

    #[test]
    fn aud_11_a_hand_over_is_signed_by_both_keys_and_what_follows_by_the_next() {
        let (mut signer, _) = signed(&["a", "b", "c"]);
        let next = Arc::new(key().successor().expect("random"));
        let tenant = TenantId::single();
        let (old, new) =
            (key().verifier_key(&tenant).expect("key"), next.verifier_key(&tenant).expect("key"));
        assert_eq!(old.origin(), new.origin());
        let (edge, stored) = log(&["a", "b", "c", "d"]);
        let proof = tree::prove_extension(4, 3, &stored).expect("proof");
        let both = signer.hand_over(Arc::clone(&next), &edge, &proof).expect("note");
        assert!(Checkpoint::open(&both, &old).is_ok() && Checkpoint::open(&both, &new).is_ok());
        let (edge, stored) = log(&["a", "b", "c", "d", "e"]);
        let after = signer.sign(&edge, &tree::prove_extension(5, 4, &stored).expect("proof")).expect("note");
        assert!(Checkpoint::open(&after, &old).is_err() && Checkpoint::open(&after, &new).is_ok());
        let again = LogKey::of_log(&next.secret(), next.log_id()).expect("key");
        assert_eq!(again.verifier_key(&tenant).expect("key"), new);
        let stranger = Arc::new(LogKey::generate().expect("random"));
        assert!(signer.hand_over(stranger, &edge, &[]).is_err());
        assert!(LogKey::of_log(&next.secret(), "x").is_err());
    }

    #[test]
    fn aud_05_a_smaller_or_a_forked_log_is_never_signed() {
        let (mut signer, note) = signed(&["a", "b", "c"]);
        assert!(signer.sign(&log(&["a", "b"]).0, &[]).is_err());
        assert!(signer.sign(&log(&["a", "b", "x"]).0, &[]).is_err());
        let (edge, stored) = log(&["a", "x", "c", "d"]);
        let proof = tree::prove_extension(4, 3, &stored).expect("proof");
        let mut resumed = Signer::resume(key(), TenantId::single(), Some(&note)).expect("signer");
        assert!(resumed.sign(&edge, &proof).is_err());
        assert_eq!(resumed.highest().map(Checkpoint::size), Some(3));
    }

    #[test]
    fn aud_05_a_rolled_back_store_is_found_out_at_start() {
        let (signer, note) = signed(&["a", "b", "c"]);
        assert!(signer.check(3, &log(&["a", "b", "c"]).1).is_ok());
        assert!(signer.check(4, &log(&["a", "b", "c", "d"]).1).is_ok());
        assert!(signer.check(2, &log(&["a", "b"]).1).is_err());
        assert!(signer.check(4, &log(&["a", "x", "c", "d"]).1).is_err());
        assert!(Signer::resume(key(), TenantId::new("other").expect("tenant"), Some(&note)).is_err());
    }
}
