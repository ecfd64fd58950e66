use super::*;

const CASES: &str = r#"[
  {
    "name": "reading in one's own tab is allowed",
    "principal": { "subject": "alice" },
    "tool": { "source": "crm", "name": "get_customer", "class": ["read"] },
    "expect": "allow",
    "policies": ["read"]
  },
  {
    "name": "writing asks",
    "principal": { "subject": "alice", "groups": ["sales"] },
    "agent": { "type": "browser_agent", "verification": "verified" },
    "tool": { "source": "ledger", "name": "post_entry", "kind": "server", "class": ["write"] },
    "arguments": { "amount": 5 },
    "expect": "ask"
  },
  {
    "name": "somebody else's tab is out of reach",
    "principal": { "subject": "alice" },
    "tool": { "source": "crm", "name": "get_customer", "class": ["read"], "owner": { "subject": "bob" } },
    "approved": true,
    "expect": "deny",
    "policies": ["own-tools-only"]
  }
]"#;

#[test]
fn cases_pass_and_fail_with_the_difference() {
    let shipped = PolicySet::shipped().expect("shipped");
    let mut cases = parse("a.test.json", CASES).expect("cases");
    assert!(run(&shipped, &cases).expect("run").iter().all(|result| result.passed));
    cases[0].expect = Expect::Deny;
    cases[0].policies = Some(vec!["approved".to_owned()]);
    let result = &run(&shipped, &cases).expect("run")[0];
    assert!(!result.passed);
    let difference = result.difference.clone().expect("difference");
    assert!(
        difference.contains("expected deny, got allow") && difference.contains("\"approved\""),
        "{difference}"
    );
}

#[test]
fn a_single_case_needs_no_list() {
    let one = r#"{"name":"x","principal":{"subject":"a"},"tool":{"source":"s","name":"t"},"expect":"ask"}"#;
    let cases = parse("a.test.json", one).expect("case");
    assert!(run(&PolicySet::shipped().expect("shipped"), &cases).expect("run")[0].passed);
}

#[test]
fn a_misspelt_member_a_double_one_and_an_impossible_value_are_named() {
    let wrong = CASES.replace("\"approved\": true", "\"aproved\": true");
    let error = parse("a.test.json", &wrong).expect_err("typo").to_string();
    assert!(error.starts_with("a.test.json: unknown field `aproved`") && error.contains("line"), "{error}");
    let double = CASES.replacen("\"expect\": \"ask\"", "\"expect\": \"ask\", \"expect\": \"deny\"", 1);
    assert!(parse("a.test.json", &double).is_err());
    let cases = parse("a.test.json", &CASES.replace("\"ledger\"", "\"Led ger\"")).expect("shape");
    let error = run(&PolicySet::shipped().expect("shipped"), &cases).expect_err("source").to_string();
    assert!(error.contains("case `writing asks`") && error.contains("`Led ger`"), "{error}");
}

#[test]
fn the_shipped_cases_pass() {
    let text = include_str!("../../../../policy/default.test.json");
    let cases = parse("default.test.json", text).expect("cases");
    for result in run(&PolicySet::shipped().expect("shipped"), &cases).expect("run") {
        assert!(result.passed, "{}: {:?}", result.name, result.difference);
    }
}
