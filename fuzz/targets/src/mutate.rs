//! Changed copies of a seed, the same ones every time: bytes, and the words that formats are made of.

/// Pieces that parsers trip over.
const PIECES: &[&str] = &[
    "",
    "\0",
    "\n",
    "\n\n",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    ".",
    "-",
    "=",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "-0.0",
    "18446744073709551616",
    "9007199254740993",
    "0.1",
    "{}",
    "[]",
    "\"\"",
    "\"a\":1,",
    "\"__proto__\":",
    "\\u0000",
    "\\ud800",
    "\u{200b}",
    "\u{202e}",
    "\u{1b}[31m",
    "\u{feff}",
    "é",
    "👨\u{200d}👩",
    "eyJhbGciOiJub25lIn0",
    "%00",
    "../",
    "//",
    "'",
    "when { true }",
    "@id(\"a\")",
    "sha256:",
    "$ref",
    "#",
];

/// A row of numbers that depends on its beginning alone (Vigna, splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a beginning.
    #[must_use]
    pub const fn new(beginning: u64) -> Self {
        Self(beginning)
    }

    /// The next number below `end`; zero if `end` is.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % (end.max(1) as u64)).unwrap_or_default()
    }
}

/// A copy with one to four changes. `other` is another seed of the same target, to take parts from.
#[must_use]
pub fn changed(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut copy = seed.to_vec();
    for _ in 0..=dice.below(4) {
        change(&mut copy, other, dice);
    }
    copy
}

fn change(copy: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let (at, end) = span(copy, dice);
    match dice.below(8) {
        0 => copy[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
        1 => copy[at..end]
            .iter_mut()
            .take(1)
            .for_each(|byte| *byte = u8::try_from(dice.below(256)).unwrap_or(0)),
        2 => drop(copy.drain(at..end)),
        3 => {
            let part = copy[at..end].to_vec();
            copy.splice(at..at, part);
        }
        4 => {
            let (from, to) = span(other, dice);
            copy.splice(at..end, other[from..to].to_vec());
        }
        5 => {
            let (first, last) = word(copy, at);
            copy.splice(first..last, PIECES[dice.below(PIECES.len())].bytes());
        }
        6 => copy.truncate(end),
        _ => drop(copy.splice(at..at, PIECES[dice.below(PIECES.len())].bytes())),
    }
}

/// Some part, short more often than long.
fn span(bytes: &[u8], dice: &mut Dice) -> (usize, usize) {
    let at = dice.below(bytes.len() + 1);
    let longest = [1, 4, 16, 64][dice.below(4)];
    (at, (at + 1 + dice.below(longest)).min(bytes.len()))
}

/// The word or number around a place: what a token of the format may be.
fn word(bytes: &[u8], at: usize) -> (usize, usize) {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+');
    let before = bytes[..at].iter().rev().take_while(|byte| belongs(byte)).count();
    let after = bytes[at..].iter().take_while(|byte| belongs(byte)).count();
    (at - before, at + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_beginning_makes_the_same_copies_and_they_differ() {
        let copies = |beginning| -> Vec<Vec<u8>> {
            let mut dice = Dice::new(beginning);
            (0..50).map(|_| changed(b"{\"a\":[1,2]}", b"[\"b\"]", &mut dice)).collect()
        };
        assert_eq!(copies(1), copies(1));
        assert_ne!(copies(1), copies(2));
    }
}
