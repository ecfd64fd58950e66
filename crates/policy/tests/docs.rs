//! The examples in the documentation are policies and cases that work.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use deputy_policy::{PolicySet, test};

const REFERENCE: &str = include_str!("../../../docs/reference/policy.md");
const HOW_TO: &str = include_str!("../../../docs/how-to/write-a-policy.md");

/// The fenced blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned())).collect()
}

fn examples(text: &str) -> PolicySet {
    let shipped = ("default.cedar".to_owned(), PolicySet::shipped_text().to_owned());
    let names = (1..).map(|number| format!("example-{number}.cedar"));
    // The reference shows a shipped policy again.
    let own = blocks(text, "cedar").into_iter().filter(|block| !block.contains("@id(\"read\")"));
    let files: Vec<_> = std::iter::once(shipped).chain(names.zip(own)).collect();
    assert!(files.len() > 2, "the page has examples");
    PolicySet::parse(&files).expect("examples are valid")
}

fn cases_pass(text: &str) {
    let set = examples(text);
    let cases: Vec<_> =
        blocks(text, "json").iter().flat_map(|block| test::parse("page", block).expect("a case")).collect();
    assert!(!cases.is_empty(), "the page has cases");
    for result in test::run(&set, &cases).expect("run") {
        assert!(result.passed, "{}: {:?}", result.name, result.difference);
    }
}

#[test]
fn the_examples_of_the_reference_work() {
    cases_pass(REFERENCE);
}

#[test]
fn the_examples_of_the_how_to_work() {
    cases_pass(HOW_TO);
}

#[test]
fn the_reference_names_every_shipped_policy_and_every_attribute_of_a_tool() {
    for id in PolicySet::shipped().expect("shipped").ids() {
        assert!(REFERENCE.contains(&format!("| `{}` |", id.0)), "{}", id.0);
    }
    let schema = PolicySet::schema_text();
    let tool = schema.split("entity Tool").nth(1).and_then(|rest| rest.split("};").next()).expect("a tool");
    for line in tool.lines().filter(|line| line.contains(": ")) {
        let name = line.split(':').next().unwrap_or_default().trim().trim_end_matches('?');
        assert!(REFERENCE.contains(&format!("`resource.{name}`")), "{name}");
    }
}
