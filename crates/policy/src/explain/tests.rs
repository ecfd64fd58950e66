use super::*;
use crate::fixture::{question, rule, set};
use crate::test::Question;

fn explained(set: &PolicySet, patch: Value) -> Explanation {
    let Question { caller, call, now } = question(patch);
    explain(set, &caller, &call, now)
}

#[test]
fn an_explanation_says_who_decided_and_what_the_others_lacked() {
    let shipped = PolicySet::shipped().expect("shipped");
    let patch = json!({"tool": {"source": "crm", "name": "x", "class": ["write"]}});
    let text = explained(&shipped, patch).to_string();
    let wanted = [
        "verdict: ask\ndecided by: approved\n",
        "  forbid `own-tools-only` (default.cedar:6:1): not satisfied, for want of `!(resource.owner == principal)`",
        "  permit `read` (default.cedar:24:1): not satisfied, for want of `resource.effect == \"read\"`",
        "  permit `approved` (default.cedar:33:1): satisfied once a person approves this call",
        &format!("policy version: {}", shipped.version()),
    ];
    for line in wanted {
        assert!(text.contains(line), "{line}\n---\n{text}");
    }
}

#[test]
fn parts_are_asked_in_order_and_those_behind_the_first_false_one_are_not() {
    let guarded = "context.arguments.number.hasTag(\"n\") && context.arguments.number.getTag(\"n\") <= 5";
    let policies = set(&rule("a", "permit", guarded));
    let outcome =
        |arguments: Value| explained(&policies, json!({"arguments": arguments})).policies.remove(0).outcome;
    assert_eq!(outcome(json!({"n": 5})), Outcome::Satisfied);
    let missing = |part: &str| Outcome::Missing(part.to_owned());
    assert_eq!(outcome(json!({})), missing("context.arguments.number.hasTag(\"n\")"));
    assert_eq!(outcome(json!({"n": 6})), missing("context.arguments.number.getTag(\"n\") <= 5"));
    assert!(matches!(outcome(json!({"n": "5"})), Outcome::Failed(part, _) if part.contains("getTag")));
}

#[test]
fn scope_unless_and_no_rule_are_told_apart() {
    let policies = set("@id(\"a\") permit (principal, action, resource in Deputy::App::\"hr\");\n\
         @id(\"b\") permit (principal, action, resource) unless { resource.effect == \"read\" };");
    let explanation = explained(&policies, json!({}));
    assert_eq!(explanation.policies[0].outcome, Outcome::OutOfScope);
    let unless = Outcome::Missing("!(resource.effect == \"read\")".to_owned());
    assert_eq!(explanation.policies[1].outcome, unless);
    assert!(explanation.to_string().contains("what none allows is denied"), "{explanation}");
}
