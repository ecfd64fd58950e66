//! Signed tree heads: C2SP `tlog-checkpoint` in a C2SP `signed-note`, Ed25519.

use crate::{AuditError, Hash};
use deputy_core::{Digest, Secret, TenantId};
use ed25519_dalek::{Signer as _, SigningKey};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};
use std::fmt;

/// The signature type of Ed25519 in a note's key (C2SP `signed-note`, signature types).
const ED25519: u8 = 1;

/// The secret with which one hub signs its logs, one log per tenant.
pub struct LogKey {
    signing: SigningKey,
    log_id: String,
}

impl LogKey {
    /// A new one.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn generate() -> Result<Self, AuditError> {
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(AuditError::Randomness)?;
        Ok(Self::from_secret(&Secret::new(secret)))
    }

    /// From the 32 bytes that [`LogKey::secret`] gave.
    #[must_use]
    pub fn from_secret(secret: &Secret<[u8; 32]>) -> Self {
        let signing = SigningKey::from_bytes(secret.expose());
        let digest = Digest::of_bytes(signing.verifying_key().as_bytes());
        let log_id = hex::encode(digest.as_bytes()).chars().take(16).collect();
        Self { signing, log_id }
    }

    /// The key of a log that another key began: of the 32 bytes that [`LogKey::secret`] gave, and [`LogKey::log_id`].
    ///
    /// # Errors
    /// The log id is not 16 hexadecimal digits.
    pub fn of_log(secret: &Secret<[u8; 32]>, log_id: &str) -> Result<Self, AuditError> {
        let is_id =
            log_id.len() == 16 && log_id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !is_id {
            return Err(AuditError::Key(log_id.chars().take(120).collect()));
        }
        Ok(Self { log_id: log_id.to_owned(), ..Self::from_secret(secret) })
    }

    /// A new key for the same logs (AUD-11).
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn successor(&self) -> Result<Self, AuditError> {
        Ok(Self { log_id: self.log_id.clone(), ..Self::generate()? })
    }

    /// What tells the logs of this hub from those of others, whatever key signs them.
    #[must_use]
    pub fn log_id(&self) -> &str {
        &self.log_id
    }

    /// What to keep, readable by nobody else.
    #[must_use]
    pub fn secret(&self) -> Secret<[u8; 32]> {
        Secret::new(self.signing.to_bytes())
    }

    /// The origin line of a tenant's checkpoints, and the name of its key: `deputy/{tenant}@{log id}`, where the log id is
    /// the beginning of the first public key's hash.
    #[must_use]
    pub fn origin(&self, tenant: &TenantId) -> String {
        format!("deputy/{tenant}@{}", self.log_id)
    }

    /// The public half, for whoever checks this tenant's log.
    ///
    /// # Errors
    /// Never in practice: the origin of a tenant is a valid key name.
    pub fn verifier_key(&self, tenant: &TenantId) -> Result<VerifierKey, AuditError> {
        signed_note::new_ed25519_verifier_key(&self.origin(tenant), &self.signing.verifying_key()).parse()
    }

    /// Signs a tree head; where a second key of the same log is given, with that too. Callers use [`crate::Signer`], which
    /// refuses what contradicts an earlier one.
    pub(crate) fn sign(
        &self,
        second: Option<&Self>,
        tenant: &TenantId,
        size: u64,
        root: Hash,
    ) -> Result<String, AuditError> {
        let wrong = |error: String| AuditError::Checkpoint(error);
        let origin = self.origin(tenant);
        let text = tlog_tiles::Checkpoint::new(&origin, size, root, "")
            .map_err(|e| wrong(e.to_string()))?
            .to_bytes();
        let mut note = Note::new(&text, &[]).map_err(|e| wrong(e.to_string()))?;
        for key in std::iter::once(self).chain(second) {
            note.add_sigs(&[&NoteSigner { name: origin.clone(), key: &key.signing }])
                .map_err(|e| wrong(e.to_string()))?;
        }
        String::from_utf8(note.to_bytes()).map_err(|e| wrong(e.to_string()))
    }
}

struct NoteSigner<'a> {
    name: String,
    key: &'a SigningKey,
}

impl signed_note::Signer for NoteSigner<'_> {
    fn name(&self) -> &str {
        &self.name
    }
    fn key_id(&self) -> u32 {
        let public = [&[ED25519][..], self.key.verifying_key().as_bytes()].concat();
        signed_note::key_id(&self.name, &public)
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.key.try_sign(message)?.to_vec())
    }
}

/// The public key of one tenant's log as text, `name+id+base64`. All that an offline verifier needs.
#[derive(Clone)]
pub struct VerifierKey {
    text: String,
    verifier: StandardVerifier,
}

impl VerifierKey {
    /// The origin of the log that this key belongs to.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// The id that tells it from other keys of the same log: eight hexadecimal digits (C2SP `signed-note`, key id).
    #[must_use]
    pub fn id(&self) -> &str {
        self.text.split('+').nth(1).unwrap_or_default()
    }

    /// The text of the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = AuditError;
    fn from_str(text: &str) -> Result<Self, AuditError> {
        let text = text.trim();
        let verifier =
            StandardVerifier::new(text).map_err(|_| AuditError::Key(text.chars().take(120).collect()))?;
        Ok(Self { text: text.to_owned(), verifier })
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A tree head whose signature was checked. The private fields are the proof.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    size: u64,
    root: Hash,
}

impl Checkpoint {
    /// Checks a signed note. Signatures by other keys (witnesses) are let be.
    ///
    /// # Errors
    /// Malformed, not signed by this key, or of another log.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, AuditError> {
        let wrong = |error: String| AuditError::Checkpoint(error);
        let note = Note::from_bytes(note.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        note.verify(&VerifierList::new(vec![Box::new(key.verifier.clone())]))
            .map_err(|e| wrong(e.to_string()))?;
        let head = tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|e| wrong(e.to_string()))?;
        if head.origin() != key.origin() {
            return Err(wrong(format!("its origin is `{}`, not `{}`", head.origin(), key.origin())));
        }
        Ok(Self { size: head.size(), root: *head.hash() })
    }

    /// How many lines it covers.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree of these lines.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> LogKey {
        LogKey::from_secret(&Secret::new([byte; 32]))
    }

    #[test]
    fn aud_02_a_checkpoint_opens_with_its_public_key_and_no_other() {
        let tenant = TenantId::single();
        let note = key(1).sign(None, &tenant, 7, Hash([3; 32])).expect("note");
        let verifier: VerifierKey =
            key(1).verifier_key(&tenant).expect("key").to_string().parse().expect("reads back");
        let checkpoint = Checkpoint::open(&note, &verifier).expect("good");
        assert_eq!((checkpoint.size(), checkpoint.root()), (7, Hash([3; 32])));
        assert!(Checkpoint::open(&note, &key(2).verifier_key(&tenant).expect("key")).is_err());
        let other = TenantId::new("other").expect("tenant");
        assert!(Checkpoint::open(&note, &key(1).verifier_key(&other).expect("key")).is_err());
    }

    #[test]
    fn aud_02_a_checkpoint_has_the_three_lines_and_the_signature_line_of_c2sp() {
        let tenant = TenantId::single();
        let note = key(1).sign(None, &tenant, 7, Hash([3; 32])).expect("note");
        let origin = key(1).origin(&tenant);
        assert!(note.starts_with(&format!(
            "{origin}\n7\nAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n\n— {origin} "
        )));
        assert!(note.ends_with('\n') && signed_note::is_key_name_valid(&origin));
    }

    #[test]
    fn aud_03_one_changed_character_breaks_the_signature() {
        let tenant = TenantId::single();
        let verifier = key(1).verifier_key(&tenant).expect("key");
        let note = key(1).sign(None, &tenant, 7, Hash([3; 32])).expect("note");
        assert!(Checkpoint::open(&note.replacen("\n7\n", "\n8\n", 1), &verifier).is_err());
        assert!(Checkpoint::open("", &verifier).is_err());
        assert!(Checkpoint::open("a\n\n", &verifier).is_err());
    }

    #[test]
    fn a_key_reads_back_from_its_secret() {
        let fresh = LogKey::generate().expect("random");
        let again = LogKey::from_secret(&fresh.secret());
        let tenant = TenantId::single();
        assert_eq!(
            fresh.verifier_key(&tenant).expect("key").as_str(),
            again.verifier_key(&tenant).expect("key").as_str()
        );
        assert!("not a key".parse::<VerifierKey>().is_err());
    }
}
