//! Which lines an erasure was about, as its own line says it: numbers and ranges, `3-5,9`. So nobody can take a person out
//! of the log in silence: a personal part that is gone, and of which no line says so, is a fault.

use crate::AuditError;
use std::ops::RangeInclusive;

/// The member of an erasure's `detail` that holds the lines.
pub const LINES: &str = "lines";
/// The most ranges that one line of the log carries.
const RANGES: usize = 500;

/// Ascending numbers as texts, each short enough for one line of the log. Empty if there are none.
#[must_use]
pub fn texts(lines: &[u64]) -> Vec<String> {
    let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
    for line in lines.iter().copied() {
        match ranges.last_mut() {
            Some(last) if *last.end() + 1 == line => *last = *last.start()..=line,
            _ => ranges.push(line..=line),
        }
    }
    let written = |range: &RangeInclusive<u64>| match (range.start(), range.end()) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    };
    ranges.chunks(RANGES).map(|some| some.iter().map(written).collect::<Vec<_>>().join(",")).collect()
}

/// The ranges of such a text.
///
/// # Errors
/// It is no list of numbers and ranges.
pub fn ranges(text: &str) -> Result<Vec<RangeInclusive<u64>>, AuditError> {
    let wrong =
        || AuditError::Unreadable("the lines of an erasure are no list of numbers and ranges".to_owned());
    text.split(',')
        .map(|part| {
            let (start, end) = part.split_once('-').unwrap_or((part, part));
            let (start, end) = (start.parse().map_err(|_| wrong())?, end.parse().map_err(|_| wrong())?);
            if start > end { Err(wrong()) } else { Ok(start..=end) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_that_follow_each_other_become_a_range() {
        assert_eq!(texts(&[3, 4, 5, 9]), ["3-5,9"]);
        assert_eq!(texts(&[]), [""; 0]);
        let far_apart: Vec<u64> = (0..1001).map(|at| at * 2).collect();
        assert_eq!(texts(&far_apart).len(), 3);
    }

    #[test]
    fn what_is_no_list_of_lines_is_refused() {
        for text in ["", "a", "5-3", "1,,2", "1-", "-1", "1 - 2"] {
            assert!(ranges(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_texts_give_the_numbers_back(lines in prop::collection::btree_set(0_u64..200, 0..60)) {
            let sorted: Vec<u64> = lines.iter().copied().collect();
            let again: BTreeSet<u64> = texts(&sorted)
                .iter()
                .flat_map(|text| ranges(text).expect("reads back"))
                .flatten()
                .collect();
            prop_assert_eq!(again, lines);
        }
    }
}
