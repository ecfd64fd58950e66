//! Takes out of a text what nobody sees and a terminal or a model obeys (P29): escape sequences, controls, bidirectional
//! overrides, hidden characters. What is left has none of them, so cleaning it again changes nothing.

use super::{is_misplaced, never};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A text without hidden characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean<'a> {
    /// What is left. Lines end in `\n`.
    pub text: Cow<'a, str>,
    /// How many characters were taken out. A line end that is written otherwise counts as none.
    pub removed: usize,
}

/// Two members of an object have one name once what is hidden is taken out of it, so one of the two would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two members of an object differ only by hidden characters in their names")]
pub struct NamesMeet;

/// Takes out whole escape sequences (ECMA-48: CSI; OSC, DCS, APC, PM and SOS up to their end; the rest of ESC), controls
/// but for `\n` and tab, and whatever [`super::hidden_in`] finds.
#[must_use]
pub fn clean(text: &str) -> Clean<'_> {
    if text.bytes().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')) {
        return Clean { text: Cow::Borrowed(text), removed: 0 };
    }
    let mut cleaner = Cleaner { kept: String::with_capacity(text.len()), last: None, removed: 0, ends: true };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = cleaner.step(c, rest.get(c.len_utf8()..).unwrap_or_default());
    }
    Clean { text: Cow::Owned(cleaner.kept), removed: cleaner.removed }
}

/// Cleans every string of a value in place, names of members too; how many characters were taken out.
///
/// # Errors
/// [`NamesMeet`]; the value is then half cleaned and of no use.
pub fn clean_value(value: &mut Value) -> Result<usize, NamesMeet> {
    match value {
        Value::String(text) => Ok(clean_string(text)),
        Value::Array(items) => items.iter_mut().try_fold(0, |sum, item| Ok(sum + clean_value(item)?)),
        Value::Object(members) => clean_members(members),
        _ => Ok(0),
    }
}

/// Cleans a text in place; how many characters were taken out.
pub fn clean_string(text: &mut String) -> usize {
    let Clean { text: Cow::Owned(kept), removed } = clean(text) else { return 0 };
    *text = kept;
    removed
}

fn clean_members(members: &mut Map<String, Value>) -> Result<usize, NamesMeet> {
    let mut removed = 0;
    for member in members.values_mut() {
        removed += clean_value(member)?;
    }
    if members.keys().all(|name| matches!(clean(name).text, Cow::Borrowed(_))) {
        return Ok(removed);
    }
    for (mut name, member) in std::mem::take(members) {
        removed += clean_string(&mut name);
        if members.insert(name, member).is_some() {
            return Err(NamesMeet);
        }
    }
    Ok(removed)
}

struct Cleaner {
    kept: String,
    /// The last character that was kept: joiners and selectors are judged by what stands before them in the end.
    last: Option<char>,
    removed: usize,
    /// Whether a string sequence may still end somewhere: looked for in vain once, it is not looked for again.
    ends: bool,
}

impl Cleaner {
    /// Takes one character in; what comes after it, and after the sequence that it began.
    fn step<'a>(&mut self, c: char, after: &'a str) -> &'a str {
        match c {
            '\r' => {
                if !after.starts_with('\n') {
                    self.keep('\n');
                }
                after
            }
            '\u{1b}' => self.escape(after),
            '\u{9b}' => self.gone(after, control(after)),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => {
                let length = self.string(after);
                self.gone(after, length)
            }
            c if !matches!(c, '\n' | '\t') && (never(c) || is_misplaced(self.last, c)) => {
                self.removed += 1;
                after
            }
            c => {
                self.keep(c);
                after
            }
        }
    }

    fn keep(&mut self, c: char) {
        self.kept.push(c);
        self.last = Some(c);
    }

    /// After ESC: its sequence goes with it.
    fn escape<'a>(&mut self, after: &'a str) -> &'a str {
        let rest = after.get(1..).unwrap_or_default();
        let length = match after.bytes().next() {
            Some(b'[') => 1 + control(rest),
            Some(b']' | b'P' | b'X' | b'^' | b'_') => 1 + self.string(rest),
            // Intermediates, and one final.
            Some(b' '..=b'/') => {
                let middle = after.bytes().take_while(|byte| matches!(byte, b' '..=b'/')).count();
                middle
                    + usize::from(
                        after.as_bytes().get(middle).is_some_and(|byte| matches!(byte, b'0'..=b'~')),
                    )
            }
            Some(b'0'..=b'~') => 1,
            _ => 0,
        };
        self.gone(after, length)
    }

    /// The length of a string sequence with its end, BEL or ST; none if it has no end.
    fn string(&mut self, rest: &str) -> usize {
        if !self.ends {
            return 0;
        }
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\u{7}' | '\u{9c}' => return at + c.len_utf8(),
                '\u{1b}' if chars.peek().is_some_and(|(_, next)| *next == '\\') => return at + 2,
                _ => {}
            }
        }
        self.ends = false;
        0
    }

    fn gone<'a>(&mut self, after: &'a str, length: usize) -> &'a str {
        let (sequence, rest) = after.split_at_checked(length).unwrap_or(("", after));
        self.removed += 1 + sequence.chars().count();
        rest
    }
}

/// The length of a control sequence behind its introducer: parameters, intermediates, a final. One that is broken off is
/// gone as far as it came.
fn control(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let parameters = bytes.iter().take_while(|byte| matches!(byte, b'0'..=b'?')).count();
    let middle = bytes.iter().skip(parameters).take_while(|byte| matches!(byte, b' '..=b'/')).count();
    let before = parameters + middle;
    before + usize::from(bytes.get(before).is_some_and(|byte| matches!(byte, b'@'..=b'~')))
}

#[cfg(test)]
mod tests {
    use super::super::{hidden, hidden_in};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn cleaned(text: &str) -> (String, usize) {
        let Clean { text, removed } = clean(text);
        (text.into_owned(), removed)
    }

    #[test]
    fn p29_whole_escape_sequences_go_and_the_words_between_them_stay() {
        for (dirty, words) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[2J\u{1b}[1;1Hgone", "gone"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}]8;;https://evil.example\u{1b}\\click\u{1b}]8;;\u{7}", "click"),
            ("\u{9d}0;title\u{9c}x", "x"),
            ("\u{1b}Pq#0\u{1b}\\x", "x"),
            ("\u{1b}(Bx\u{1b}cy\u{1b}", "xy"),
            ("\u{1b}]no end, so the words stay", "no end, so the words stay"),
            ("\u{1b}[31\u{1b}[0mx", "x"),
            ("\u{1b}\u{1b}[[31mx", "31mx"),
        ] {
            let (text, removed) = cleaned(dirty);
            assert_eq!(text, words, "{dirty:?}");
            assert_eq!(removed, dirty.chars().count() - words.chars().count(), "{dirty:?}");
        }
    }

    #[test]
    fn p29_controls_overrides_and_hidden_characters_go_and_lines_and_scripts_stay() {
        assert_eq!(cleaned("a\0b\u{8}c\u{7f}d\u{85}"), ("abcd".to_owned(), 4));
        assert_eq!(cleaned("pay \u{202e}001\u{202c} now\u{200b}\u{feff}"), ("pay 001 now".to_owned(), 4));
        assert_eq!(cleaned("a\u{e0041}\u{e0042}b"), ("ab".to_owned(), 2));
        assert_eq!(cleaned("a\r\nb\rc\td\n"), ("a\nb\nc\td\n".to_owned(), 0));
        for same in ["Grüße, 世界, שלום, नमस्ते", "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}", "می\u{200c}خواهم"]
        {
            assert_eq!(cleaned(same), (same.to_owned(), 0));
        }
    }

    #[test]
    fn p29_a_value_is_cleaned_in_texts_and_names_and_never_loses_a_member() {
        let mut value = json!({"na\u{200b}me": ["\u{1b}[1mx", {"y": "\u{202e}z"}], "n": 1});
        assert_eq!(clean_value(&mut value), Ok(6));
        assert_eq!(value, json!({"name": ["x", {"y": "z"}], "n": 1}));
        let mut twice = json!({"a": 1, "a\u{200b}": 2});
        assert_eq!(clean_value(&mut twice), Err(NamesMeet));
    }

    #[test]
    fn p29_a_text_of_nothing_but_openings_takes_no_quadratic_time() {
        let (text, removed) = cleaned(&"\u{1b}]".repeat(500_000));
        assert_eq!((text.len(), removed), (0, 1_000_000));
    }

    fn nasty() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "\\PC{0,6}",
            any::<char>().prop_map(String::from),
            prop::sample::select(vec![
                "\u{1b}", "[", "]", "\u{9b}", "\u{9d}", "\u{7}", "\\", "31m", ";", "\u{200d}", "\u{200c}",
                "\u{fe0f}", "\u{202e}", "\r", "\n", "\t", "a", " ", "👨", "#",
            ])
            .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn p29_a_cleaned_text_has_nothing_hidden_and_cleaning_it_again_changes_nothing(text in nasty()) {
            let (once, removed) = cleaned(&text);
            prop_assert_eq!(hidden_in(&once), None);
            prop_assert!(once.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()), "{:?}", once);
            prop_assert_eq!(cleaned(&once), (once.clone(), 0));
            prop_assert!(removed > 0 || once == text.replace("\r\n", "\n").replace('\r', "\n"));
        }

        #[test]
        fn p29_a_cleaned_value_has_nothing_hidden(name in nasty(), text in nasty()) {
            let mut value = json!({ name: [text] });
            clean_value(&mut value).expect("one name");
            prop_assert_eq!(hidden(&value), None);
        }
    }
}
