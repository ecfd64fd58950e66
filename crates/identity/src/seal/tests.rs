//! R3: a sealed string opens as it was made, for what it was made, in its time, and not otherwise.

use super::*;
use proptest::prelude::*;

const LATER: Timestamp = Timestamp::from_seconds(1000);
const NOW: Timestamp = Timestamp::from_seconds(999);

fn sealer() -> Sealer {
    Sealer::new(&Secret::new([7; 32]))
}

#[test]
fn r3_it_expires_from_the_very_moment_it_expires() {
    let text = sealer().seal("p", &[b"u"], b"x", LATER).unwrap();
    assert_eq!(sealer().open("p", &[b"u"], &text, NOW), Ok(b"x".to_vec()));
    assert_eq!(sealer().open("p", &[b"u"], &text, LATER), Err(SealError::Expired { expired_at: LATER }));
}

#[test]
fn r3_another_key_does_not_open_it() {
    let text = sealer().seal("p", &[], b"x", LATER).unwrap();
    assert_eq!(Sealer::new(&Secret::new([8; 32])).open("p", &[], &text, NOW), Err(SealError::Invalid));
}

#[test]
fn an_expired_string_of_somebody_else_does_not_tell_that_it_expired() {
    let text = sealer().seal("p", &[b"alice"], b"x", LATER).unwrap();
    assert_eq!(sealer().open("p", &[b"bob"], &text, LATER), Err(SealError::Invalid));
}

#[test]
fn two_strings_with_one_content_differ() {
    let seal = || sealer().seal("p", &[], b"x", LATER).unwrap();
    assert_ne!(seal(), seal());
}

proptest! {
    #[test]
    fn r3_it_opens_as_it_was_sealed(purpose in ".{0,20}", binding in prop::collection::vec(any::<Vec<u8>>(), 0..4), payload in any::<Vec<u8>>()) {
        let binding: Vec<&[u8]> = binding.iter().map(Vec::as_slice).collect();
        let text = sealer().seal(&purpose, &binding, &payload, LATER).unwrap();
        prop_assert_eq!(sealer().open(&purpose, &binding, &text, NOW), Ok(payload));
    }

    #[test]
    fn r3_any_changed_byte_is_refused(payload in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), change in 1_u8..) {
        let text = sealer().seal("p", &[b"u"], &payload, LATER).unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert_eq!(sealer().open("p", &[b"u"], &URL_SAFE_NO_PAD.encode(&bytes), NOW), Err(SealError::Invalid));
        bytes[at] ^= change;
        bytes.truncate(at);
        prop_assert_eq!(sealer().open("p", &[b"u"], &URL_SAFE_NO_PAD.encode(&bytes), NOW), Err(SealError::Invalid));
    }

    #[test]
    fn r3_another_purpose_or_binding_is_refused(
        made in prop::collection::vec("[a-c]{0,2}", 1..4), used in prop::collection::vec("[a-c]{0,2}", 1..4),
    ) {
        let split = |parts: &[String]| -> (String, Vec<Vec<u8>>) {
            (parts[0].clone(), parts[1..].iter().map(|part| part.clone().into_bytes()).collect())
        };
        let ((made_for, made_with), (used_for, used_with)) = (split(&made), split(&used));
        let made_with: Vec<&[u8]> = made_with.iter().map(Vec::as_slice).collect();
        let used_with: Vec<&[u8]> = used_with.iter().map(Vec::as_slice).collect();
        let text = sealer().seal(&made_for, &made_with, b"x", LATER).unwrap();
        prop_assert_eq!(sealer().open(&used_for, &used_with, &text, NOW).is_ok(), made == used);
    }

    #[test]
    fn no_text_makes_opening_panic(text in "[A-Za-z0-9_-]{0,120}") {
        prop_assert_eq!(sealer().open("p", &[], &text, NOW), Err(SealError::Invalid));
    }
}
