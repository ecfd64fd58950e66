//! The shipped policies against a model of them that a person can check by reading.

use crate::fixture::verdict;
use crate::{Engine, PolicySet};
use deputy_core::Verdict;
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

#[derive(Debug, Clone)]
struct World {
    asking: String,
    owner: Option<String>,
    app: bool,
    effect: &'static str,
    egress: bool,
    approved: bool,
}

fn model(world: &World) -> Verdict {
    let own = match &world.owner {
        Some(owner) => *owner == world.asking,
        None => !world.app,
    };
    if !own {
        return Verdict::Deny;
    }
    if world.effect == "read" && !world.egress {
        return Verdict::Allow;
    }
    if world.approved { Verdict::Allow } else { Verdict::Ask }
}

fn world() -> impl Strategy<Value = World> {
    let name = || prop::sample::select(vec!["alice", "bob", "\"]", "Alice"]).prop_map(str::to_owned);
    let effect = prop::sample::select(vec!["read", "write", "destructive"]);
    (name(), prop::option::of(name()), any::<bool>(), effect, any::<bool>(), any::<bool>()).prop_map(
        |(asking, owner, app, effect, egress, approved)| World {
            asking,
            owner,
            app,
            effect,
            egress,
            approved,
        },
    )
}

proptest! {
    #[test]
    fn the_shipped_policies_decide_as_their_model(world in world()) {
        // A case gives an app's tool to the one who asks unless it names an owner; an app's tool without one cannot
        // be written as a case and has a test of its own.
        prop_assume!(!(world.app && world.owner.is_none()));
        let mut class = vec![world.effect];
        if world.egress {
            class.push("egress");
        }
        let kind = if world.app { "app" } else { "server" };
        let owner = world.owner.as_ref().map(|owner| json!({"subject": owner}));
        let tool = json!({"source": "crm", "name": "x", "kind": kind, "class": class, "owner": owner});
        let patch = json!({"principal": {"subject": world.asking}, "tool": tool, "approved": world.approved});
        static SHIPPED: LazyLock<Engine> = LazyLock::new(|| Engine::new(PolicySet::shipped().expect("shipped")));
        prop_assert_eq!(verdict(&SHIPPED, patch).0, model(&world));
    }
}

#[test]
fn an_app_tool_without_an_owner_is_nobodys() {
    let engine = Engine::new(PolicySet::shipped().expect("shipped"));
    let mut question = crate::fixture::question(json!({"approved": true}));
    question.call.tool.owner = None;
    assert!(!engine.visible(&question.caller, &question.call.tool, question.now).is_visible());
    let refusal = engine.decide(question.caller, question.call, question.now).expect_err("nobody's");
    assert_eq!(refusal.verdict, Verdict::Deny);
}

#[test]
fn the_same_subject_of_another_tenant_or_issuer_is_somebody_else() {
    let engine = Engine::new(PolicySet::shipped().expect("shipped"));
    for owner in [
        json!({"subject": "alice", "tenant": "other"}),
        json!({"subject": "alice", "issuer": "https://other.example"}),
    ] {
        let tool = json!({"source": "crm", "name": "x", "class": ["read"], "owner": owner});
        assert_eq!(verdict(&engine, json!({"tool": tool})).0, Verdict::Deny);
    }
}
