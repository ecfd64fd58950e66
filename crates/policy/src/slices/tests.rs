use super::{Slice, names};
use crate::fixture::{engine, rule, set, verdict};
use deputy_core::Verdict;
use serde_json::json;
use std::collections::BTreeSet;

fn named(text: &str) -> Option<BTreeSet<String>> {
    let set = set(text);
    let found = set.parsed().cedar.policies().next().map(names);
    found.expect("a policy")
}

fn only(name: &str) -> Option<BTreeSet<String>> {
    Some(BTreeSet::from([name.to_owned()]))
}

#[test]
fn a_policy_is_about_the_tool_that_it_names_before_anything_that_can_fail() {
    for when in [
        r#"resource.name == "pay""#,
        r#"resource.effect == "read" && resource.name == "pay""#,
        r#"!resource.egress && context.approved && resource.name == "pay" && context.now > 5"#,
        r#"resource.name == "pay" && context.arguments.number.hasTag("n") && context.arguments.number.getTag("n") > 5"#,
    ] {
        assert_eq!(named(&rule("a", "forbid", when)), only("pay"), "{when}");
    }
    let scope = r#"@id("a") permit (principal, action, resource == Deputy::Tool::"crm__pay__all");"#;
    assert_eq!(named(scope), only("pay__all"));
}

#[test]
fn r14_a_policy_that_may_fail_before_it_names_its_tool_is_asked_about_every_tool() {
    for when in [
        r#"context.arguments.number.hasTag("n") && resource.name == "pay""#,
        r#"resource.name == "pay" || resource.name == "wipe""#,
        r#"resource.owner == principal && resource.name == "pay""#,
        r#"resource.name != "pay""#,
        r#"context.now + 9223372036854775807 > 0 && resource.name == "pay""#,
    ] {
        // What strict validation refuses cannot be in a set at all.
        let text = rule("a", "forbid", when);
        if crate::PolicySet::parse(&[("t.cedar".to_owned(), text.clone())]).is_ok() {
            assert_eq!(named(&text), None, "{when}");
        }
    }
    let unless = r#"@id("a") permit (principal, action, resource) unless { resource.name == "pay" };"#;
    assert_eq!(named(unless), None);
}

#[test]
fn r14_a_sliced_set_answers_as_the_whole_one() {
    // The same condition once so that it is understood, and once so that it is not.
    let plain = |name: &str| format!(r#"resource.name == "{name}""#);
    let veiled = |name: &str| format!(r#"(resource.name == "{name}" || resource.name == "{name}")"#);
    let text = |named: &dyn Fn(&str) -> String| {
        [
            rule("get", "permit", &named("get_customer")),
            rule("put", "permit", &format!("{} && context.approved", named("put_customer"))),
            rule("stop", "forbid", &format!("{} && resource.egress", named("get_customer"))),
            rule("fails", "permit", &format!("{} && context.now + 9223372036854775807 > 0", named("fail"))),
            rule("mail", "permit", r#"resource.source == "mail""#),
        ]
        .concat()
    };
    let (sliced, whole) = (engine(&text(&plain)), engine(&text(&veiled)));
    let mut seen = BTreeSet::new();
    for name in ["get_customer", "put_customer", "fail", "other"] {
        for class in [json!(["read"]), json!(["read", "egress"]), json!(["write"])] {
            for source in ["crm", "mail"] {
                let patch = json!({"tool": {"source": source, "name": name, "class": class}});
                let answer = verdict(&sliced, patch.clone());
                assert_eq!(answer, verdict(&whole, patch.clone()), "{patch}");
                seen.insert(format!("{:?}", answer.0));
            }
        }
    }
    assert!(
        [Verdict::Allow, Verdict::Ask, Verdict::Deny].iter().all(|one| seen.contains(&format!("{one:?}")))
    );
}

fn slice(text: &str) -> Slice {
    Slice::of(set(text).parsed().cedar.policies().cloned().collect()).expect("a slice")
}

#[test]
fn the_groups_that_policies_name_are_found_wherever_they_name_them() {
    for text in [
        r#"@id("a") permit (principal in Deputy::Group::"x", action, resource);"#,
        r#"@id("a") permit (principal is Deputy::User in Deputy::Group::"x", action, resource);"#,
        r#"@id("a") permit (principal, action, resource) when { principal in Deputy::Group::"x" };"#,
        r#"@id("a") permit (principal, action, resource) when { principal in [Deputy::Group::"y", Deputy::Group::"x"] };"#,
        r#"@id("a") forbid (principal, action, resource) unless { resource.egress || principal in Deputy::Group::"x" };"#,
        r#"@id("a") permit (principal, action, resource) when { (if resource.egress then Deputy::Group::"x" else Deputy::Group::"y") == Deputy::Group::"x" };"#,
    ] {
        let slice = slice(text);
        assert!(slice.names_group("x") && !slice.names_group("z"), "{text}");
    }
    assert!(!slice(&rule("a", "permit", r#"resource.name == "x""#)).names_group("x"));
}

#[test]
fn r14_a_group_counts_for_the_tool_that_a_policy_names_and_for_every_other() {
    let text = [
        r#"@id("in") permit (principal in Deputy::Group::"sales", action, resource) when { resource.name == "get_customer" };"#,
        r#"@id("out") forbid (principal in Deputy::Group::"guests", action, resource);"#,
        r#"@id("all") permit (principal, action, resource) when { resource.name == "put_customer" };"#,
    ]
    .concat();
    let engine = engine(&text);
    let ask = |groups: &[&str], name: &str| {
        verdict(
            &engine,
            json!({"principal": {"subject": "alice", "groups": groups}, "tool": {"source": "crm", "name": name, "class": ["read"]}}),
        )
    };
    for (groups, name, wanted) in [
        (&["sales", "staff"][..], "get_customer", Verdict::Allow),
        (&["staff"], "get_customer", Verdict::Deny),
        (&["sales", "guests"], "get_customer", Verdict::Deny),
        (&[], "put_customer", Verdict::Allow),
        (&["guests"], "put_customer", Verdict::Deny),
    ] {
        assert_eq!(ask(groups, name).0, wanted, "{groups:?} {name}");
    }
}
