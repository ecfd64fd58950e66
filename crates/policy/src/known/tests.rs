use super::*;
use crate::engine::Decided;
use crate::fixture::{question, rule, set};
use crate::test::Question;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Policies that read each thing that there is to read, in one way or another.
const WHENS: [&str; 24] = [
    "true",
    "principal.subject == \"alice\"",
    "principal.tenant == \"other\"",
    "principal in Deputy::Group::\"finance\"",
    "resource has owner && resource.owner == principal",
    "resource has owner && resource.owner != principal",
    "resource.effect == \"read\" && !resource.egress",
    "resource.name == \"get\"",
    "resource.definition == \"sha256:0\"",
    "resource.source_kind == \"server\"",
    "resource in Deputy::App::\"crm\"",
    "resource == Deputy::Tool::\"crm__get\"",
    "resource.origin == \"https://crm.acme.example\"",
    "context.approved",
    "context.untrusted",
    "context.standing",
    "context.impersonated",
    "context.client == \"one\"",
    "context.agent has name && context.agent.name == \"n\"",
    "context.agent.type == \"browser_agent\"",
    "context.now < 2000",
    "context.arguments.number.hasTag(\"n\") && context.arguments.number.getTag(\"n\") > 3",
    "context.arguments.text.hasTag(resource.name)",
    "9223372036854775807 + 1 == 0 || resource.name == \"get\"",
];

fn policies() -> impl Strategy<Value = String> {
    let one = (prop::sample::select(WHENS.to_vec()), prop::bool::weighted(0.7));
    prop::collection::vec(one, 1..5).prop_map(|rules| {
        let text = |(place, (when, permits)): (usize, (&str, bool))| {
            rule(&format!("p{place}"), if permits { "permit" } else { "forbid" }, when)
        };
        rules.into_iter().enumerate().map(text).collect()
    })
}

fn asked() -> impl Strategy<Value = Value> {
    let pick = |words: &[&'static str]| prop::sample::select(words.to_vec());
    let who = (
        pick(&["alice", "bob"]),
        pick(&["default", "other"]),
        prop::sample::subsequence(vec!["finance", "staff"], 0..=2),
    );
    let what = (
        pick(&["get", "put"]),
        pick(&["app", "server"]),
        pick(&["read", "write"]),
        prop::option::of(pick(&["alice", "bob"])),
    );
    let how = (
        pick(&["one", "two"]),
        prop::option::of(pick(&["n", "m"])),
        any::<bool>(),
        1_998_u64..2_002,
        0_i64..6,
    );
    (who, what, how).prop_map(|((subject, tenant, groups), (name, kind, class, owner), (client, agent, approved, now, n))| {
        json!({
            "principal": {"subject": subject, "tenant": tenant, "groups": groups},
            "tool": {"source": "crm", "name": name, "kind": kind, "class": [class], "owner": owner.map(|owner| json!({"subject": owner}))},
            "client": client, "agent": {"name": agent}, "approved": approved, "now": now, "arguments": {"n": n},
        })
    })
}

fn said(set: &crate::PolicySet, question: &Question) -> (deputy_core::Verdict, bool, Answer) {
    let Decided { verdict, answer, approved, .. } =
        Decided::of(set, &question.caller, &question.call, question.now);
    (verdict, approved, answer)
}

proptest! {
    // Each case parses a set for each question.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_known_is_what_would_be_said_anew(text in policies(), asked in prop::collection::vec(asked(), 1..12)) {
        let long_lived = set(&text);
        for patch in asked {
            let question = question(patch);
            let anew = said(&set(&text), &question);
            prop_assert_eq!(&said(&long_lived, &question), &anew);
            prop_assert_eq!(said(&long_lived, &question), anew);
        }
    }
}

fn count(text: &str, patches: &[Value]) -> usize {
    let set = set(text);
    for patch in patches {
        said(&set, &question(patch.clone()));
    }
    set.parsed().known.answers.read().expect("whole").len()
}

#[test]
fn nothing_is_kept_where_policies_read_arguments_or_the_time() {
    for when in [
        "context.now < 2000",
        "context.arguments.text.hasTag(\"a\")",
        "context.arguments.text.hasTag(resource.name)",
    ] {
        assert_eq!(count(&rule("a", "permit", when), &[json!({})]), 0, "{when}");
    }
}

#[test]
fn callers_that_policies_can_tell_apart_are_asked_about_apart() {
    let alice = json!({"principal": {"subject": "alice"}});
    let bob = json!({"principal": {"subject": "bob"}, "tool": {"source": "crm", "name": "get_customer", "owner": {"subject": "bob"}}});
    assert_eq!(count(&rule("a", "permit", "true"), &[alice.clone(), alice, bob]), 2);
}

#[test]
fn an_error_is_not_kept() {
    let overflows = rule("a", "permit", "9223372036854775807 + 1 == 0");
    assert!(!said(&set(&overflows), &question(json!({}))).2.errors.is_empty());
    assert_eq!(count(&overflows, &[json!({})]), 0);
}

#[test]
fn what_is_kept_is_bounded() {
    let set = set(&rule("a", "permit", "true"));
    for place in 0..=MOST {
        let question = question(json!({"principal": {"subject": format!("u{place}")}}));
        said(&set, &question);
    }
    assert!(set.parsed().known.answers.read().expect("whole").len() <= MOST);
}
