//! What is shown against what could be allowed, over random small policy sets.

use crate::fixture::{engine, question, rule};
use crate::{Engine, PolicySet};
use deputy_core::Verdict;
use proptest::prelude::*;
use serde_json::{Value, json};

const FACTS: &[&str] = &[
    "true",
    "resource.effect == \"read\"",
    "resource.egress",
    "context.approved",
    "principal in Deputy::Group::\"g\"",
    "context.now > 500",
    "(resource has owner && resource.owner == principal)",
    "(resource has owner && resource.owner.subject == \"bob\")",
    "context.agent.verification == \"verified\"",
    "9223372036854775807 + context.now > 0",
];

const ARGUMENTS: &[&str] = &[
    "(context.arguments.number.hasTag(\"n\") && context.arguments.number.getTag(\"n\") <= 5)",
    "(context.arguments.number.hasTag(\"n\") && context.arguments.number.getTag(\"n\") + 9223372036854775807 > 0)",
    "(context.arguments.text.hasTag(\"s\") && context.arguments.text.getTag(\"s\") == \"x\")",
    "(context.arguments.decimal.hasTag(\"n\") && context.arguments.decimal.getTag(\"n\").lessThan(decimal(\"1.5\")))",
    "context.arguments.flag.hasTag(\"f\")",
    "(context.arguments.kind.hasTag(\"s\") && [\"text\"].contains(context.arguments.kind.getTag(\"s\")))",
    "context.arguments.text.hasTag(resource.name)",
];

const OF_TOOLS: &[&str] = &[
    "resource.effect == \"read\"",
    "resource.name == \"get_customer\"",
    "resource.name like \"get*\"",
    "resource == Deputy::Tool::\"crm__list\"",
    "[\"get_all\"].contains(resource.name)",
    "resource in Deputy::App::\"crm\"",
    "resource in [Deputy::Tool::\"crm__get_all\", Deputy::App::\"erp\"]",
    "resource.source == \"crm\"",
    "resource.definition like \"sha256:0*\"",
    "(resource has owner && resource.owner == principal)",
    "context.arguments.text.hasTag(resource.name)",
    "context.approved",
];

fn condition(atoms: Vec<&'static str>) -> impl Strategy<Value = String> {
    prop::sample::select(atoms).prop_map(str::to_owned).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
}

/// A set of one to four policies. `None` where the validator finds one that can never apply.
fn engines(atoms: Vec<&'static str>) -> impl Strategy<Value = (String, Option<Engine>)> {
    let effect = prop::sample::select(vec!["permit", "permit", "forbid"]);
    prop::collection::vec((effect, condition(atoms)), 1..5).prop_map(|policies| {
        let numbered = policies.iter().enumerate();
        let text: String = numbered.map(|(n, (effect, when))| rule(&format!("p{n}"), effect, when)).collect();
        let set = PolicySet::parse(&[("t.cedar".to_owned(), text.clone())]);
        (text, set.ok().map(Engine::new))
    })
}

fn facts() -> impl Strategy<Value = Value> {
    let groups = prop::sample::select(vec![json!([]), json!(["g"])]);
    let owner = prop::sample::select(vec![Value::Null, json!({"subject": "bob"})]);
    let class = prop::sample::select(vec![json!(["read"]), json!(["write"]), json!(["read", "egress"])]);
    let kind = prop::sample::select(vec!["app", "server"]);
    let verification = prop::sample::select(vec!["verified", "none"]);
    let now = prop::sample::select(vec![0, 1000]);
    (groups, owner, class, kind, verification, now, any::<bool>()).prop_map(
        |(groups, owner, class, kind, verification, now, approved)| {
            json!({
                "principal": {"subject": "alice", "groups": groups}, "now": now, "approved": approved,
                "agent": {"verification": verification},
                "tool": {"source": "crm", "name": "s", "owner": owner, "class": class, "kind": kind},
            })
        },
    )
}

fn arguments() -> impl Strategy<Value = Value> {
    let number =
        prop::sample::select(vec![json!(1), json!(9), json!(1.25), json!(1e300), json!("1"), json!(0)]);
    let text = prop::sample::select(vec![json!("x"), json!("y"), json!(3), Value::Null]);
    let members = (prop::option::of(number), prop::option::of(text), prop::option::of(any::<bool>()));
    members.prop_map(|(n, s, f)| {
        let members = [("n", n), ("s", s), ("f", f.map(Value::from))];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

fn verdict(engine: &Engine, mut facts: Value, arguments: Value) -> (Verdict, bool) {
    facts["arguments"] = arguments;
    let question = question(facts);
    let visible = engine.visible(&question.caller, &question.call.tool, question.now).is_visible();
    let decided = engine.decide(question.caller, question.call, question.now);
    (decided.map_or_else(|refusal| refusal.verdict, |_| Verdict::Allow), visible)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn r1_what_some_arguments_are_allowed_for_is_never_hidden(
        (text, engine) in engines([FACTS, ARGUMENTS].concat()), facts in facts(), arguments in arguments()
    ) {
        if let Some(engine) = engine {
            let (verdict, visible) = verdict(&engine, facts, arguments);
            prop_assert!(visible || verdict == Verdict::Deny, "{verdict:?} but hidden: {text}");
        }
    }

    #[test]
    fn where_no_argument_is_read_exactly_the_allowed_and_the_asked_for_is_shown(
        (text, engine) in engines(FACTS.to_vec()), facts in facts()
    ) {
        if let Some(engine) = engine {
            let (verdict, visible) = verdict(&engine, facts, json!({}));
            prop_assert_eq!(visible, verdict != Verdict::Deny, "{}", text);
        }
    }
}

fn shown(policies: &str) -> bool {
    let question = question(json!({}));
    engine(policies).visible(&question.caller, &question.call.tool, question.now).is_visible()
}

const SMALL: &str = "context.arguments.number.hasTag(\"n\") && context.arguments.number.getTag(\"n\") <= 5";

#[test]
fn a_tool_that_depends_on_its_arguments_is_shown() {
    assert!(shown(&rule("a", "permit", SMALL)));
    assert!(shown(&(rule("a", "permit", "true") + &rule("b", "forbid", SMALL))));
    assert!(shown(&rule("a", "permit", &format!("context.approved && {SMALL}"))));
}

#[test]
fn a_tool_that_is_denied_whatever_the_arguments_is_hidden() {
    assert!(!shown(&(rule("a", "permit", SMALL) + &rule("b", "forbid", "resource.effect == \"read\""))));
    assert!(!shown(&rule("a", "permit", &format!("resource.egress && {SMALL}"))));
    assert!(!shown(&rule("a", "forbid", SMALL)));
}

#[test]
fn r14_a_tool_whose_policies_error_whatever_the_arguments_is_hidden() {
    let overflow = rule("broken", "forbid", "9223372036854775807 + context.now > 0");
    assert!(!shown(&(rule("yes", "permit", "true") + &overflow)));
}

#[test]
fn a_list_does_not_depend_on_what_the_agent_has_read() {
    for when in ["context.untrusted", "!context.untrusted"] {
        let policies = engine(&(rule("all", "permit", "true") + &rule("after-reading", "forbid", when)));
        for untrusted in [false, true] {
            let question = question(json!({"untrusted": untrusted}));
            assert!(policies.visible(&question.caller, &question.call.tool, question.now).is_visible());
        }
    }
    assert!(!shown(&rule("never", "forbid", "context.untrusted || !context.untrusted")));
}

proptest! {
    #[test]
    fn a_look_at_many_tools_says_of_each_what_a_look_at_it_alone_says((text, engine) in engines(OF_TOOLS.to_vec())) {
        let Some(engine) = engine else { return Ok(()) };
        let asked = question(json!({}));
        let mut sight = engine.sight(&asked.caller, asked.now);
        for source in ["crm", "erp"] {
            for name in ["get_customer", "list", "get_all", "put"] {
                for class in [json!(["read"]), json!(["write"])] {
                    for owner in [Value::Null, json!({"subject": "alice"})] {
                        let tool = json!({"source": source, "name": name, "class": class, "owner": owner});
                        let tool = question(json!({ "tool": tool })).call.tool;
                        let alone = engine.visible(&asked.caller, &tool, asked.now);
                        prop_assert_eq!(sight.of(&tool), alone, "{} {}\n{}", source, name, &text);
                    }
                }
            }
        }
    }
}

#[test]
fn tools_that_no_policy_tells_apart_are_asked_about_once() {
    let one = |text: &str| crate::fixture::set(text).parsed().slices.about("any").takes_tools_alike;
    assert!(one(&rule("a", "permit", "resource.effect == \"read\" && resource in Deputy::App::\"crm\"")));
    assert!(one("@id(\"a\") permit (principal, action, resource in Deputy::App::\"crm\");"));
    assert!(one(&rule("a", "permit", "resource.name == \"other\"")), "it says nothing about this one");
    for own in [
        "resource.name like \"a*\"",
        "resource.definition like \"sha256:0*\"",
        "resource == Deputy::Tool::\"crm__any\"",
    ] {
        assert!(!one(&rule("a", "permit", own)), "{own}");
    }
}
