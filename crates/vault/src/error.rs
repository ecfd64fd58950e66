//! Why something was not sealed or opened. Never says what was in it.

use crate::key::KeyId;

/// Why something was not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Changed, moved from another place, cut off, or never ours.
    #[error("what is stored as `{0}` is not what was sealed there")]
    Invalid(String),
    /// Another key is needed (VLT-03).
    #[error("`{what}` was sealed under key `{needed}`, not `{given}`")]
    OtherKey {
        /// What should be opened.
        what: String,
        /// The key that sealed it.
        needed: KeyId,
        /// The key that was to open it.
        given: KeyId,
    },
    /// A text that should be a key is none. It is not repeated.
    #[error("this is not a key: a key is 64 hexadecimal digits")]
    NotAKey,
    /// Longer than [`crate::LONGEST_SECRET`], or empty.
    #[error("a secret has 1 to {most} bytes, not {bytes}")]
    Length {
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        most: usize,
    },
    /// The library has no randomness to give.
    #[error("sealing failed")]
    Sealing,
}

impl VaultError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "secret_invalid",
            Self::OtherKey { .. } => "secret_other_key",
            Self::NotAKey => "not_a_key",
            Self::Length { .. } => "secret_length",
            Self::Sealing => "sealing_failed",
        }
    }
}
