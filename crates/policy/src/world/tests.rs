use super::*;
use crate::fixture::{question, rule, set as parse};
use crate::set::schema;
use serde_json::json;

fn conforms(patch: Value, read: &str) {
    let set = parse(&rule("a", "permit", read));
    let question = question(patch);
    let given = Given::Arguments(question.call.arguments.value());
    let world =
        World::new(set.parsed(), &question.caller, &question.call.tool, &given, question.now).expect("world");
    let schema = schema().expect("schema");
    Entities::from_entities(world.entities.iter().cloned(), Some(&schema)).expect("entities conform");
    for approved in [false, true] {
        let request = world.request(approved).expect("request");
        let (principal, action, resource) = (request.principal(), request.action(), request.resource());
        Request::new(
            principal.expect("known").clone(),
            action.expect("known").clone(),
            resource.expect("known").clone(),
            request.context().expect("known").clone(),
            Some(&schema),
        )
        .expect("the request conforms");
    }
}

#[test]
fn every_world_conforms_to_the_schema() {
    conforms(json!({}), "true");
    conforms(json!({"tool": {"source": "ledger", "name": "post.entry", "kind": "server"}}), "true");
    conforms(
        json!({
            "principal": {"subject": "alice", "groups": ["finance", "finance", "staff"]},
            "agent": {"type": "browser_agent", "name": "n", "origin": "https://a.example", "verification": "verified"},
            "tool": {"source": "crm", "name": "x", "owner": {"subject": "bob"}, "class": ["destructive", "egress"]},
        }),
        "true",
    );
    let reads_one_of_each = "context.arguments.text.hasTag(\"t\") && context.arguments.number.hasTag(\"n\")";
    conforms(json!({"arguments": {}}), reads_one_of_each);
}

#[test]
fn a_group_a_source_and_a_tool_can_be_named_in_the_scope() {
    let policies = "@id(\"a\") permit (principal in Deputy::Group::\"finance\", action == Deputy::Action::\"call\", \
         resource in Deputy::Server::\"ledger\"); \
         @id(\"b\") permit (principal, action, resource == Deputy::Tool::\"crm__get.x\");";
    let engine = crate::Engine::new(parse(policies));
    let ledger = json!({"source": "ledger", "name": "post", "kind": "server"});
    let finance = json!({"subject": "alice", "groups": ["finance"]});
    let verdict = |patch| crate::fixture::verdict(&engine, patch).1;
    assert_eq!(verdict(json!({"principal": finance, "tool": ledger})), ["a"]);
    assert!(verdict(json!({"tool": ledger})).is_empty());
    assert!(verdict(json!({"principal": finance, "tool": {"source": "ledger", "name": "post"}})).is_empty());
    assert_eq!(verdict(json!({"tool": {"source": "crm", "name": "get.x"}})), ["b"]);
}
