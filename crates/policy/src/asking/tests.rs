use crate::PolicySet;
use crate::fixture::{engine, question, rule, set};
use deputy_core::approval::{ApprovalRule, OnTimeout, Permission};
use deputy_core::{PolicyId, Verdict};
use serde_json::json;
use std::time::Duration;

fn asks(annotations: &str) -> String {
    format!("@id(\"a\") {annotations} permit (principal, action, resource) when {{ context.approved }};\n")
}

fn asked(text: &str) -> ApprovalRule {
    let question = question(json!({}));
    let refusal = engine(text).decide(question.caller, question.call, question.now).expect_err("asks");
    assert_eq!(refusal.verdict, Verdict::Ask);
    refusal.rule
}

#[test]
fn apr_04_a_policy_says_who_decides_how_many_and_what_silence_means() {
    let rule = asked(&asks(
        "@approvers(\"finance leads, controllers\") @quorum(\"2\") @decide_within(\"15m\") @execute_within(\"30s\") \
         @on_timeout(\"escalate\") @escalate_to(\"managers\") @break_glass(\"oncall\") @standing(\"never\")",
    ));
    assert_eq!(rule.approvers.len(), 1);
    assert_eq!(rule.approvers[0].groups, ["finance leads", "controllers"]);
    assert_eq!(
        (rule.quorum, rule.own),
        (2, Permission::Never),
        "requester is not approver where others are named"
    );
    assert_eq!(rule.decide_within, Some(Duration::from_secs(900)));
    assert_eq!(rule.execute_within, Some(Duration::from_secs(30)));
    assert_eq!((rule.on_timeout, rule.standing), (Some(OnTimeout::Escalate), Permission::Never));
    assert_eq!(asked(&asks("")), ApprovalRule::default());
}

#[test]
fn apr_06_the_strictest_of_all_policies_that_ask_holds_forbids_too() {
    let text = asks("@approvers(\"leads\") @decide_within(\"1h\")")
        + "@id(\"b\") @approvers(\"security\") @quorum(\"3\") permit (principal, action, resource) when { context.approved };\n"
        + "@id(\"c\") @decide_within(\"5m\") forbid (principal, action, resource) unless { context.approved };\n"
        + &rule("plain", "permit", "context.approved");
    let rule = asked(&text);
    assert_eq!((rule.quorum, rule.approvers.len()), (3, 2));
    assert_eq!(rule.decide_within, Some(Duration::from_secs(300)));
}

#[test]
fn apr_06_a_rule_that_cannot_be_kept_is_a_fault_of_the_set() {
    for (annotations, culprit) in [
        ("@quorum(\"2\")", "`@quorum` without"),
        ("@quorum(\"0\") @approvers(\"a\")", "`@quorum` cannot be `0`"),
        ("@approver_subjects(\"bob, carol\") @quorum(\"2\")", "2 of 2"),
        ("@approver_subjects(\"bob\")", "1 of 1"),
        ("@self_approval(\"off\")", "nobody could approve"),
        ("@self_approval(\"maybe\")", "`maybe`"),
        ("@approvers(\"a,,b\")", "`a,,b`"),
        ("@on_timeout(\"allow\")", "`allow`"),
        ("@on_timeout(\"escalate\")", "belong together"),
        ("@escalate_to(\"x\")", "belong together"),
        ("@decide_within(\"8d\")", "`8d`"),
        ("@approver(\"leads\")", "`@approver` is no annotation"),
    ] {
        let error = PolicySet::parse(&[("t.cedar".to_owned(), asks(annotations))]).expect_err(annotations);
        assert!(error.to_string().contains(culprit), "{annotations}: {error}");
        assert_eq!(error.code(), "policy_annotation");
    }
    assert!(set(&asks("@description(\"words for people\")")).ids().contains(&PolicyId("a".to_owned())));
}
