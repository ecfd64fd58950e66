//! A set of a hundred policies, as an organisation of nine desks may have, with cases of its own; the same that
//! `deputy policy test crates/policy/fixtures/hundred` runs.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use deputy_policy::{PolicySet, test};

const FILES: &[(&str, &str)] = &[
    ("10-house.cedar", include_str!("../fixtures/hundred/10-house.cedar")),
    ("20-sales.cedar", include_str!("../fixtures/hundred/20-sales.cedar")),
    ("21-support.cedar", include_str!("../fixtures/hundred/21-support.cedar")),
    ("22-finance.cedar", include_str!("../fixtures/hundred/22-finance.cedar")),
    ("23-legal.cedar", include_str!("../fixtures/hundred/23-legal.cedar")),
    ("24-people.cedar", include_str!("../fixtures/hundred/24-people.cedar")),
    ("25-logistics.cedar", include_str!("../fixtures/hundred/25-logistics.cedar")),
    ("26-security.cedar", include_str!("../fixtures/hundred/26-security.cedar")),
    ("27-engineering.cedar", include_str!("../fixtures/hundred/27-engineering.cedar")),
    ("28-marketing.cedar", include_str!("../fixtures/hundred/28-marketing.cedar")),
];
const CASES: &str = include_str!("../fixtures/hundred/desks.test.json");

fn files() -> Vec<(String, String)> {
    FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn failed(set: &PolicySet) -> Vec<String> {
    let cases = test::parse("desks.test.json", CASES).expect("cases");
    let results = test::run(set, &cases).expect("run");
    results.into_iter().filter(|result| !result.passed).map(|result| result.name).collect()
}

#[test]
fn a_set_of_a_hundred_policies_passes_its_own_cases() {
    let set = PolicySet::parse(&files()).expect("valid");
    assert_eq!(set.ids().len(), 100);
    assert_eq!(failed(&set), Vec::<String>::new());
}

#[test]
fn a_policy_that_is_left_out_fails_the_cases_that_name_it() {
    for (left_out, of) in [
        ("suspended", 9),
        ("read", 9),
        ("sales-members-write", 2),
        ("legal-small-sums", 2),
        ("marketing-no-bulk", 1),
        ("finance-exports-ask", 1),
        ("security-leads-destroy", 1),
    ] {
        let without = |text: &str| {
            let policies =
                text.split("\n\n").filter(|policy| !policy.contains(&format!("@id(\"{left_out}\")")));
            policies.collect::<Vec<_>>().join("\n\n")
        };
        let files: Vec<_> = files().into_iter().map(|(name, text)| (name, without(&text))).collect();
        let set = PolicySet::parse(&files).expect("valid");
        assert_eq!(set.ids().len(), 99, "{left_out}");
        assert_eq!(failed(&set).len(), of, "{left_out}");
    }
}
