//! All public keys of one log: one, and one more for each time that its key was rotated (AUD-11). What an older key signed
//! stays good, up to where the next one took over.

use crate::{AuditError, Checkpoint, VerifierKey};
use deputy_core::TenantId;

/// The public keys of one log, oldest first; never none.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifierKeys {
    earlier: Vec<VerifierKey>,
    newest: VerifierKey,
}

impl VerifierKeys {
    /// A tenant's keys out of a text with one key per line, as the hub's `log.vkey` is. Of several logs the last counts.
    ///
    /// # Errors
    /// There is none, or one is not a key.
    pub fn read(text: &str, tenant: &TenantId) -> Result<Self, AuditError> {
        let begins = format!("deputy/{tenant}@");
        let of_tenant = text.lines().map(str::trim).filter(|line| line.starts_with(&begins));
        let mut keys = of_tenant.map(str::parse).collect::<Result<Vec<VerifierKey>, _>>()?;
        let newest = keys.pop().ok_or_else(|| AuditError::Key(text.trim().chars().take(120).collect()))?;
        keys.retain(|key| key.origin() == newest.origin() && *key != newest);
        Ok(Self { earlier: keys, newest })
    }

    /// The origin of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.newest.origin()
    }

    /// The key that signs now.
    #[must_use]
    pub const fn newest(&self) -> &VerifierKey {
        &self.newest
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &VerifierKey> {
        self.earlier.iter().chain(std::iter::once(&self.newest))
    }

    /// Checks a signed note. Gives its head and the number of the newest key that signed it, counted from the oldest.
    ///
    /// # Errors
    /// Malformed, signed by none of these keys, or of another log.
    pub fn open(&self, note: &str) -> Result<(Checkpoint, usize), AuditError> {
        let earlier = self.earlier.iter().enumerate().rev();
        match Checkpoint::open(note, &self.newest) {
            Ok(head) => Ok((head, self.earlier.len())),
            Err(error) => earlier
                .map(|(number, key)| (number, Checkpoint::open(note, key)))
                .find_map(|(number, opened)| opened.ok().map(|head| (head, number)))
                .ok_or(error),
        }
    }
}

impl From<VerifierKey> for VerifierKeys {
    fn from(newest: VerifierKey) -> Self {
        Self { earlier: Vec::new(), newest }
    }
}
