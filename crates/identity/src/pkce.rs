//! Proof Key for Code Exchange (RFC 7636), S256 alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Digest, Secret};

/// Length of a challenge: 32 bytes as base64url.
const CHALLENGE_LEN: usize = 43;

/// The challenge of a verifier (section 4.2).
#[must_use]
pub fn challenge(verifier: &Secret<String>) -> String {
    URL_SAFE_NO_PAD.encode(Digest::of_bytes(verifier.expose().as_bytes()).as_bytes())
}

/// Whether a text has the shape of a challenge of method S256.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_LEN && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether a presented verifier is one (43 to 128 unreserved characters, section 4.1) and has this challenge.
#[must_use]
pub fn proves(challenge: &str, verifier: &Secret<String>) -> bool {
    let text = verifier.expose();
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let shaped = (43..=128).contains(&text.len()) && text.bytes().all(unreserved);
    // Hashes of what is secret: comparing them tells nothing by its timing.
    shaped && is_challenge(challenge) && self::challenge(verifier) == challenge
}

/// 256 random bits as text: a verifier, a `state`, a `nonce`.
///
/// # Errors
/// The operating system has no randomness to give.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    Ok(URL_SAFE_NO_PAD.encode(deputy_core::id::random_bytes::<32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 7636 appendix B.
    #[test]
    fn the_example_of_the_rfc_holds() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert!(proves("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", &verifier));
    }

    #[test]
    fn a_short_or_odd_verifier_proves_nothing() {
        for bad in [String::new(), "a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(43))] {
            let verifier = Secret::new(bad);
            assert!(!proves(&challenge(&verifier), &verifier));
        }
    }

    proptest! {
        #[test]
        fn a_verifier_proves_its_own_challenge_alone(one in "[a-zA-Z0-9._~-]{43,128}", other in "[a-z]{43}") {
            let (one, other) = (Secret::new(one), Secret::new(other));
            prop_assert!(proves(&challenge(&one), &one));
            prop_assert_eq!(proves(&challenge(&one), &other), one.expose() == other.expose());
        }
    }
}
