//! Questions for tests: Alice reads `crm__get_customer` in her own tab; a patch changes what a test is about.

use crate::test::{Case, Question};
use crate::{Engine, PolicySet};
use deputy_core::Verdict;
use serde_json::{Value, json};

/// The question that the patched case asks.
pub(crate) fn question(patch: Value) -> Question {
    let mut case = json!({
        "name": "t", "principal": {"subject": "alice"}, "expect": "allow", "now": 1_000,
        "tool": {"source": "crm", "name": "get_customer", "class": ["read"]},
    });
    let patch = patch.as_object().expect("a patch is an object").clone();
    case.as_object_mut().expect("object").extend(patch);
    serde_json::from_value::<Case>(case).expect("case").question().expect("question")
}

/// Policies from their text.
pub(crate) fn set(text: &str) -> PolicySet {
    PolicySet::parse(&[("t.cedar".to_owned(), text.to_owned())]).expect("valid policies")
}

/// An engine with policies from their text.
pub(crate) fn engine(text: &str) -> Engine {
    Engine::new(set(text))
}

/// One policy with a condition.
pub(crate) fn rule(id: &str, effect: &str, when: &str) -> String {
    format!("@id(\"{id}\") {effect} (principal, action, resource) when {{ {when} }};\n")
}

/// What the engine says, in one word, with the policies that decided.
pub(crate) fn verdict(engine: &Engine, patch: Value) -> (Verdict, Vec<String>) {
    let Question { caller, call, now } = question(patch);
    let names = |ids: &[deputy_core::PolicyId]| ids.iter().map(|id| id.0.clone()).collect();
    match engine.decide(caller, call, now) {
        Ok(authorized) => (Verdict::Allow, names(authorized.policies())),
        Err(refusal) => (refusal.verdict, names(&refusal.policies)),
    }
}
