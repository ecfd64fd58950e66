//! The one place that prints. What strangers wrote is made harmless before it reaches a terminal (APR-10).

use super::Failure;
use crate::settings::environment;
use std::io::{IsTerminal as _, Write as _};

/// Where a command prints: results to standard output, the rest to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    colour: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Good,
    /// Works, but ought to be looked at.
    Warning,
    /// Does not work.
    Bad,
}

impl Terminal {
    /// The process's own standard output and error.
    #[must_use]
    pub fn of_process() -> Self {
        Self { colour: std::io::stdout().is_terminal() && !environment::no_color() }
    }

    /// A line of the result.
    ///
    /// # Errors
    /// Nobody reads it (any more), or the disk is full.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::output)
    }

    /// A line for the person who waits, not part of the result.
    pub fn note(self, text: &str) {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// A question, with the cursor left behind it.
    pub fn question(self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "{text} ").and_then(|()| out.flush());
    }

    /// A line with a mark and, below it, what to do.
    ///
    /// # Errors
    /// As [`Terminal::line`].
    pub fn marked(self, mark: Mark, text: &str, mend: Option<&str>) -> Result<(), Failure> {
        let (word, colour) = match mark {
            Mark::Good => ("ok  ", "32"),
            Mark::Warning => ("warn", "33"),
            Mark::Bad => ("FAIL", "31"),
        };
        let word = if self.colour { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() };
        self.line(&format!("{word}  {text}"))?;
        mend.map_or(Ok(()), |mend| self.line(&format!("      mend: {mend}")))
    }
}

/// The text with everything that could move the cursor, hide or reorder letters spelled out as `\u{…}`.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_tricky(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Controls, bidirectional marks, invisible letters, line separators, tags and variation selectors.
fn is_tricky(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apr_10_control_and_bidi_characters_are_spelled_out() {
        assert_eq!(harmless("\u{1b}[2Jpay \u{202e}001$"), "\\u{1b}[2Jpay \\u{202e}001$");
        assert_eq!(
            harmless("a\r\nb\u{9b}c\u{2066}d\u{200b}e\u{e0041}"),
            "a\\u{d}\\u{a}b\\u{9b}c\\u{2066}d\\u{200b}e\\u{e0041}"
        );
        assert_eq!(harmless("Grüße, 日本語"), "Grüße, 日本語");
    }
}
