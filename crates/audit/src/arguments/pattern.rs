//! What looks like a secret: by its name, or by its form.

use super::REDACTED;

/// Names under which secrets stand, without case, `-`, `_`, `.` and spaces; the end of a name is enough.
const NAMES: &[&str] = &[
    "password",
    "passwort",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "accesskey",
    "apikey",
    "privatekey",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "bearertoken",
    "authtoken",
    "sessiontoken",
    "token",
    "pin",
    "otp",
    "cvv",
    "cvc",
    "cardnumber",
    "iban",
    "ssn",
];
/// How keys and tokens of well-known makers begin, and how long the whole is at least.
const BEGINNINGS: &[(&str, usize)] = &[
    ("eyJ", 20),
    ("sk-", 16),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("pk_live_", 16),
    ("whsec_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xapp-", 16),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("ya29.", 20),
    ("SG.", 20),
    ("npm_", 20),
    ("pypi-", 20),
    ("dop_v1_", 20),
    ("hf_", 20),
    ("dep_ticket_", 16),
];
/// The fewest and the most digits of a card number (ISO/IEC 7812).
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Whether what stands under this name is a secret.
pub(super) fn is_telling_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    // Three letters are the end of many a harmless word.
    NAMES.iter().any(|known| plain == *known || (known.len() > 4 && plain.ends_with(known)))
}

/// The text without what looks like a secret.
pub(super) fn without_secrets(text: &str) -> String {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
        return REDACTED.to_owned();
    }
    let kept = without_words(text);
    without_cards(&kept)
}

/// Whether these digits are those of a card.
pub(super) fn is_card_number(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    text.bytes().all(|byte| byte.is_ascii_digit()) && CARD_DIGITS.contains(&digits.len()) && luhn(&digits)
}

/// Takes out words that begin as keys and tokens do, and what stands behind `Bearer` and `Basic`.
fn without_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_scheme = false;
    for piece in text.split_inclusive(|letter: char| !is_of_token(letter)) {
        let word = piece.trim_end_matches(|letter: char| !is_of_token(letter));
        let rest = piece.get(word.len()..).unwrap_or_default();
        let known = BEGINNINGS.iter().any(|(begins, least)| word.starts_with(begins) && word.len() >= *least);
        if known || (after_scheme && word.len() >= 8) {
            out.push_str(REDACTED);
        } else {
            out.push_str(word);
        }
        out.push_str(rest);
        if !word.is_empty() {
            after_scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
        }
    }
    out
}

const fn is_of_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '+' | '/' | '~')
}

/// Takes out runs of digits, perhaps in groups with a space or `-` between, that pass for a card number.
fn without_cards(text: &str) -> String {
    if text.bytes().filter(u8::is_ascii_digit).count() < *CARD_DIGITS.start() {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        let run = if letter.is_ascii_digit() { digits_from(&letters, at) } else { 0 };
        if run == 0 {
            out.push(letter);
            at += 1;
            continue;
        }
        let part: Vec<char> = letters.iter().skip(at).take(run).copied().collect();
        let digits: Vec<u32> = part.iter().filter_map(|letter| letter.to_digit(10)).collect();
        if CARD_DIGITS.contains(&digits.len()) && luhn(&digits) {
            out.push_str(REDACTED);
        } else {
            out.extend(part);
        }
        at += run;
    }
    out
}

/// How many letters the run of grouped digits from here has.
fn digits_from(letters: &[char], from: usize) -> usize {
    let is_digit = |at: usize| letters.get(at).is_some_and(char::is_ascii_digit);
    let mut at = from;
    while is_digit(at) || (matches!(letters.get(at), Some(' ' | '-')) && is_digit(at + 1)) {
        at += 1;
    }
    at - from
}

/// The check digit of ISO/IEC 7812.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}
