//! Policy files, their cases, and arguments as policy reads them.

use crate::text;
use deputy_core::Verdict;
use deputy_core::canonical::parse_strict;
use deputy_policy::PolicySet;
use deputy_policy::test::{self, Case};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What stands between two files of one set.
const NEXT_FILE: &str = "\n// ---\n";

/// Policy files. A set that parses has ids, each once and at a place in one of the files; it is the same whatever order the
/// files come in; and a fault says where.
pub(crate) fn policy(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut files: Vec<(String, String)> = text
        .split(NEXT_FILE)
        .enumerate()
        .map(|(at, text)| (format!("{at}.cedar"), text.to_owned()))
        .collect();
    let parsed = PolicySet::parse(&files);
    files.reverse();
    let turned = PolicySet::parse(&files);
    let set = match (parsed, turned) {
        (Ok(set), Ok(turned)) => {
            assert_eq!(turned.version(), set.version());
            set
        }
        (Err(one), Err(other)) => {
            return assert!(!one.to_string().is_empty() && !other.to_string().is_empty());
        }
        (one, other) => panic!("the order of the files matters: {one:?} {other:?}"),
    };
    let ids = set.ids();
    assert_eq!(ids.iter().map(|id| &id.0).collect::<BTreeSet<_>>().len(), ids.len(), "an id twice");
    for id in &ids {
        let at = set.position(id).expect("a position");
        let (_, text) = files.iter().find(|(name, _)| *name == at.file).expect("a file of the set");
        assert!(at.line >= 1 && at.column >= 1 && at.line <= text.split('\n').count());
    }
}

static SHIPPED: LazyLock<PolicySet> = LazyLock::new(|| PolicySet::shipped().expect("valid"));

/// Cases. They are run one by one, and nothing is allowed but by a policy.
pub(crate) fn case(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(cases) = test::parse("t.test.json", text) else { return };
    let Ok(results) = test::run(&SHIPPED, &cases) else { return };
    assert_eq!(results.len(), cases.len());
    for (case, result) in cases.iter().zip(&results) {
        assert_eq!(result.passed, result.difference.is_none());
        assert!(result.verdict == Verdict::Deny || !result.policies.is_empty(), "allowed by nothing");
        let expected = case.expect.code();
        assert!(!result.passed || format!("{:?}", result.verdict).eq_ignore_ascii_case(expected));
    }
}

/// Two ways to say that more than a hundred is forbidden: by a path that is written out, and by one that is computed.
const BOUNDED: [&str; 2] = [
    r#"@id("yes") permit (principal, action, resource);
@id("no") forbid (principal, action, resource) when {
  context.arguments.number.hasTag("amount") && context.arguments.number.getTag("amount") > 100
};"#,
    r#"@id("yes") permit (principal, action, resource);
@id("no") forbid (principal, action, resource) when {
  context.arguments.number.hasTag(resource.name) && context.arguments.number.getTag(resource.name) > 100
};"#,
];

static SETS: LazyLock<Vec<PolicySet>> = LazyLock::new(|| {
    let set = |text: &&str| PolicySet::parse(&[("t.cedar".to_owned(), (*text).to_owned())]);
    BOUNDED.iter().map(|text| set(text).unwrap_or_else(|error| panic!("{error}"))).collect()
});

static CASE: LazyLock<Case> = LazyLock::new(|| {
    let case = json!({
        "name": "t", "principal": {"subject": "alice"}, "expect": "allow", "now": 1_000,
        "tool": {"source": "crm", "name": "amount", "class": ["read"]},
    });
    test::parse("t", &case.to_string()).expect("a case").remove(0)
});

/// The arguments of a call. What is allowed under `forbid … when amount > 100` is a whole number up to a hundred, `null`, or
/// not there: no other type, no larger number, nothing that cannot be read slips past (R14).
pub(crate) fn arguments(data: &[u8]) {
    let Ok(Value::Object(arguments)) = parse_strict(data) else { return };
    for set in SETS.iter() {
        let case = Case { arguments: arguments.clone(), ..CASE.clone() };
        let results = test::run(set, &[case]).expect("a case that can exist");
        let is_allowed = results.iter().all(|result| result.verdict == Verdict::Allow);
        assert!(!is_allowed || is_small(&arguments), "slipped past: {arguments:?}");
    }
}

fn is_small(arguments: &Map<String, Value>) -> bool {
    match arguments.get("amount") {
        None | Some(Value::Null) => true,
        Some(Value::Number(amount)) => {
            amount.as_f64().is_some_and(|amount| amount <= 100.0 && amount.fract() == 0.0)
        }
        Some(_) => false,
    }
}
