//! Random secrets that Deputy hands out once and keeps only as a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Digest, Secret};
use zeroize::Zeroize;

const PREFIX: &str = "dep_ticket_";
const TICKET_BYTES: usize = 32;
/// Length of 32 bytes as base64url.
const ENCODED_LEN: usize = 43;

/// A ticket for one tab: 256 random bits, shown to its receiver once.
pub struct Ticket {
    text: Secret<String>,
    digest: Digest,
}

impl Ticket {
    /// Draws one.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; TICKET_BYTES];
        getrandom::fill(&mut bytes)?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        bytes.zeroize();
        let digest = Digest::of_bytes(text.as_bytes());
        Ok(Self { text: Secret::new(text), digest })
    }

    /// What the receiver gets.
    #[must_use]
    pub const fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// What is stored.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// What a presented ticket would be stored as; none if it has not a ticket's shape. A random value of 256 bits needs
/// no salt and no slow hash, and a lookup by hash tells nothing by its timing.
#[must_use]
pub fn ticket_digest(presented: &str) -> Option<Digest> {
    let random = presented.strip_prefix(PREFIX)?;
    let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let shaped = random.len() == ENCODED_LEN && random.bytes().all(base64url);
    shaped.then(|| Digest::of_bytes(presented.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_found_by_its_hash() {
        let ticket = Ticket::fresh().unwrap();
        assert!(ticket.text().expose().starts_with("dep_ticket_"));
        assert_eq!(ticket_digest(ticket.text().expose()), Some(*ticket.digest()));
        assert_ne!(Ticket::fresh().unwrap().digest(), ticket.digest());
    }

    #[test]
    fn what_has_not_the_shape_of_a_ticket_is_none() {
        let ticket = Ticket::fresh().unwrap();
        let text = ticket.text().expose();
        for bad in
            ["", "dep_ticket_", &text[1..], &format!("{text}x"), &text.replace("dep_", "Dep_"), &text[..53]]
        {
            assert_eq!(ticket_digest(bad), None, "{bad}");
        }
    }
}
