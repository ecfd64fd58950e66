//! `docs/reference/reasons.md` and `Reason::ALL` are one list, in one order.

use deputy_core::Reason;

const PAGE: &str = include_str!("../../../docs/reference/reasons.md");

/// The codes of the table: the first cell of each row, between backticks.
fn documented() -> Vec<&'static str> {
    PAGE.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(code, _)| code)
        .collect()
}

#[test]
fn every_reason_is_documented_once_and_in_order() {
    let all: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(documented(), all, "docs/reference/reasons.md and crates/core/src/verdict.rs differ");
}

#[test]
fn every_reason_is_documented_with_the_words_that_an_agent_reads() {
    for reason in Reason::ALL {
        assert!(PAGE.contains(reason.words()), "docs/reference/reasons.md lacks the words of `{reason}`");
    }
}
