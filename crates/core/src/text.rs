//! Text that a person who reviews a tool does not see, and a model does: controls, bidirectional overrides, zero-width
//! and tag characters. `vectors/hidden-text.json` has cases that JavaScript agrees on.

mod clean;

pub use clean::{Clean, NamesMeet, clean, clean_string, clean_value};

use serde_json::Value;

/// Never shown, or changing the order of what is: refused everywhere.
const NEVER: &[(char, char)] = &[
    ('\u{0}', '\u{8}'),
    ('\u{b}', '\u{c}'),
    ('\u{e}', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200b}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The first hidden character in any text of a JSON value, names of members too.
#[must_use]
pub fn hidden(value: &Value) -> Option<char> {
    match value {
        Value::String(text) => hidden_in(text),
        Value::Array(items) => items.iter().find_map(hidden),
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| hidden_in(name).or_else(|| hidden(member)))
        }
        _ => None,
    }
}

/// The first hidden character in a text. Joiners and variation selectors are hidden where nothing that uses them stands
/// before.
#[must_use]
pub fn hidden_in(text: &str) -> Option<char> {
    let mut before: Option<char> = None;
    let mut misplaced = None;
    for c in text.chars() {
        if never(c) {
            return Some(c);
        }
        if misplaced.is_none() && is_misplaced(before, c) {
            misplaced = Some(c);
        }
        before = Some(c);
    }
    misplaced
}

fn never(c: char) -> bool {
    NEVER.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

const fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

fn is_misplaced(before: Option<char>, c: char) -> bool {
    let Some(before) = before else { return is_joiner(c) || is_selector(c) };
    if is_joiner(c) {
        return before.is_whitespace()
            || before.is_ascii()
            || is_joiner(before)
            || (c == '\u{200c}' && is_selector(before));
    }
    let plain = before.is_ascii() && !matches!(before, '#' | '*' | '0'..='9');
    is_selector(c) && (plain || before.is_whitespace() || is_joiner(before) || is_selector(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p27_rust_and_javascript_agree_on_what_is_hidden() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../vectors/hidden-text.json")).expect("vectors");
        for case in vectors["refused"].as_array().expect("refused") {
            let found =
                hidden_in(case["text"].as_str().expect("text")).map(|c| format!("U+{:04X}", u32::from(c)));
            assert_eq!(found.as_deref(), case["found"].as_str(), "{}", case["name"]);
        }
        for case in vectors["accepted"].as_array().expect("accepted") {
            assert_eq!(hidden_in(case["text"].as_str().expect("text")), None, "{}", case["name"]);
        }
        let ranges: Vec<_> = NEVER.iter().map(|(a, b)| (u32::from(*a), u32::from(*b))).collect();
        let listed: Vec<_> = vectors["never"]
            .as_array()
            .expect("never")
            .iter()
            .map(|range| {
                let end = |n: usize| u32::from_str_radix(range[n].as_str().expect("hex"), 16).expect("hex");
                (end(0), end(1))
            })
            .collect();
        assert_eq!(ranges, listed);
    }
}
