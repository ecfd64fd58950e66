//! Calls that a server interrupted: the state that the client comes back with is used up last, once, and not in vain
//! (gateway rule 20).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use deputy_core::{EventKind, Reason, SwitchTarget, TenantId};
use deputy_hub::approvals::standing::StandingWish;
use deputy_hub::approvals::{Say, Word};
use deputy_hub::limits::Limit;
use deputy_hub::ports::upstream::{Ask, Failure, Reply};
use deputy_hub::{CallEvent, Caller, Trust, Wish};
use deputy_policy::PolicySet;
use deputy_protocol::relay::Object;
use deputy_testkit::{FakeUpstream, World, relayed, result};
use serde_json::{Value, json};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

const ALLOW: &str = "@id(\"t\") permit(principal, action, resource);";
const ASK: &str = "@id(\"t\") permit(principal, action, resource) when { context.approved };";
const DENY: &str = "@id(\"t\") forbid(principal, action, resource);";

fn files(policy: &str) -> Vec<(String, String)> {
    vec![("test.cedar".to_owned(), policy.to_owned())]
}

/// Asks back once, then is done.
fn asks_back(ask: &Ask) -> Result<Reply, Failure> {
    let params = Object::parse(ask.params.as_deref().unwrap()).unwrap();
    let kind = if params.get("requestState").is_none() { "input_required" } else { "complete" };
    Ok(result(&json!({"resultType": kind, "requestState": "theirs", "content": []})))
}

async fn world(policy: &str, limits: Vec<Limit>) -> (World, Arc<FakeUpstream>) {
    let server = FakeUpstream::with_tools(&["note"]);
    server.answers(asks_back);
    let policy = PolicySet::parse(&files(policy)).unwrap();
    let servers = vec![("files", Arc::clone(&server), Trust::FirstUse)];
    (World::with_servers_and_limits(policy, servers, limits).await, server)
}

fn note() -> Wish {
    relayed("files", "tools/call", &json!({"name": "note"}))
}

fn second(state: &Value) -> Wish {
    relayed("files", "tools/call", &json!({"name": "note", "requestState": state, "inputResponses": {}}))
}

/// How a call ends: the kind of its result, the code of a fault, or a refusal.
async fn end(world: &World, caller: &Caller, wish: Wish) -> Result<Value, Reason> {
    let mut events = world.hub.call(caller.clone(), wish);
    match events.next().await.expect("a call ends with an event") {
        CallEvent::Replied(Reply::Result(result)) => Ok(serde_json::from_str(result.get()).unwrap()),
        CallEvent::Replied(Reply::Fault { code, .. }) => Ok(json!({"resultType": code})),
        CallEvent::Done(Err(refused)) => Err(refused.reason),
        CallEvent::Parked { .. } => Ok(json!({"resultType": "parked"})),
        other => panic!("{other:?}"),
    }
}

async fn begun(world: &World, caller: &Caller) -> Value {
    let first = end(world, caller, note()).await.unwrap();
    assert_eq!(first["resultType"], "input_required");
    first["requestState"].clone()
}

/// Comes back, is refused with this reason, and once that has passed goes on with the same state.
async fn goes_on(world: &World, caller: &Caller, state: &Value) {
    assert_eq!(end(world, caller, second(state)).await.unwrap()["resultType"], "complete");
    assert_eq!(end(world, caller, second(state)).await.unwrap()["resultType"], -32602, "and never twice");
}

#[tokio::test]
async fn rule_20_a_second_leg_that_policy_refused_has_not_used_up_its_state() {
    let (world, server) = world(ALLOW, Vec::new()).await;
    let alice = world.caller_at("files", "alice").await;
    let state = begun(&world, &alice).await;
    world.hub.policies().reload(&files(DENY)).await.unwrap();
    assert_eq!(end(&world, &alice, second(&state)).await, Err(Reason::PolicyDenied));
    world.hub.policies().reload(&files(ALLOW)).await.unwrap();
    goes_on(&world, &alice, &state).await;
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn rule_20_a_second_leg_that_no_limit_left_room_for_comes_again_later() {
    let limit = Limit {
        name: "some".to_owned(),
        calls: NonZeroU64::new(1).unwrap(),
        per: Duration::from_secs(60),
        each: Vec::new(),
        source: None,
        tool: None,
        class: None,
    };
    let (world, server) = world(ALLOW, vec![limit]).await;
    let alice = world.caller_at("files", "alice").await;
    let state = begun(&world, &alice).await;
    assert_eq!(end(&world, &alice, second(&state)).await, Err(Reason::RateLimited));
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(end(&world, &alice, second(&state)).await.unwrap()["resultType"], "complete");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn rule_20_a_second_leg_that_a_switch_stopped_goes_on_once_it_is_released() {
    let (world, _server) = world(ALLOW, Vec::new()).await;
    let (alice, olga) = (world.caller_at("files", "alice").await, world.operator("olga").await);
    let state = begun(&world, &alice).await;
    world.hub.switches().throw_as(&olga, SwitchTarget::All, None).await.unwrap();
    assert_eq!(end(&world, &alice, second(&state)).await, Err(Reason::Stopped));
    let id = SwitchTarget::All.id(&TenantId::single());
    assert!(world.hub.switches().release_as(&olga, &id).await.unwrap());
    goes_on(&world, &alice, &state).await;
}

#[tokio::test]
async fn rule_20_a_second_leg_whose_line_could_not_be_written_goes_on_once_it_can() {
    let (world, server) = world(ALLOW, Vec::new()).await;
    let alice = world.caller_at("files", "alice").await;
    let state = begun(&world, &alice).await;
    world.tables.set_broken(true);
    assert_eq!(end(&world, &alice, second(&state)).await, Err(Reason::AuditUnavailable));
    assert_eq!(server.asked().len(), 1, "nothing was sent");
    world.tables.set_broken(false);
    goes_on(&world, &alice, &state).await;
}

#[tokio::test]
async fn rule_20_a_second_leg_that_was_not_sent_can_be_sent_and_one_that_was_lost_cannot() {
    for (failure, comes_again) in
        [(Failure::NotSent("refused".to_owned()), true), (Failure::Lost("gone".to_owned()), false)]
    {
        let (world, server) = world(ALLOW, Vec::new()).await;
        let alice = world.caller_at("files", "alice").await;
        let state = begun(&world, &alice).await;
        let failed = failure.clone();
        server.answers(move |_| Err(failed.clone()));
        assert!(end(&world, &alice, second(&state)).await.is_err());
        server.answers(asks_back);
        let again = end(&world, &alice, second(&state)).await.unwrap();
        assert_eq!(again["resultType"] == "complete", comes_again, "{failure:?}: {again}");
    }
}

#[tokio::test]
async fn rule_20_of_many_second_legs_that_race_one_goes_on() {
    let (world, server) = world(ALLOW, Vec::new()).await;
    let alice = world.caller_at("files", "alice").await;
    let state = begun(&world, &alice).await;
    let racing = (0..32).map(|_| end(&world, &alice, second(&state)));
    let ends = futures_util::future::join_all(racing).await;
    let through = ends.iter().filter(|end| end.as_ref().is_ok_and(|end| end["resultType"] == "complete"));
    assert_eq!((through.count(), server.asked().len()), (1, 2));
}

/// A person's yes to the call, that stands for this many uses.
async fn stands(world: &World, caller: &Caller, uses: u32) {
    assert_eq!(end(world, caller, note()).await.unwrap()["resultType"], "parked");
    let person = world.person("alice").await;
    let pending = world.hub.approvals().pending(&person).await.unwrap();
    let standing = Some(StandingWish { within: Duration::from_secs(300), uses, pattern: None });
    let record = &pending[0].record;
    let word = Word { standing, ..Word::plain(record.id.clone(), record.digest, Say::Approve) };
    world.hub.approvals().decide(&person, vec![word]).await.unwrap();
}

#[tokio::test]
async fn apr_08_a_call_that_is_interrupted_uses_a_standing_yes_once_for_all_its_legs() {
    let (world, _server) = world(ASK, Vec::new()).await;
    let alice = world.caller_at("files", "alice").await;
    stands(&world, &alice, 1).await;
    let state = begun(&world, &alice).await;
    goes_on(&world, &alice, &state).await;
    assert_eq!(world.tables.of_kind(EventKind::GrantUsed).len(), 1);
    assert_eq!(end(&world, &alice, note()).await.unwrap()["resultType"], "parked", "used up");
}

#[tokio::test]
async fn apr_08_a_standing_yes_that_ended_between_the_legs_of_a_call_lets_the_second_one_through_no_more() {
    for ends in ["taken back", "time", "policy"] {
        let (world, server) = world(ASK, Vec::new()).await;
        let alice = world.caller_at("files", "alice").await;
        stands(&world, &alice, 2).await;
        let state = begun(&world, &alice).await;
        let (person, standing) = (world.person("alice").await, world.hub.approvals().standing());
        match ends {
            "taken back" => {
                let id = standing.list(&person).await.unwrap()[0].id.clone();
                assert!(standing.revoke(&person, &id).await.unwrap());
            }
            "time" => world.clock.advance(Duration::from_secs(301)),
            _ => {
                let stricter = format!("@quorum(\"2\") @approvers(\"group:leads\") {ASK}");
                world.hub.policies().reload(&files(&stricter)).await.unwrap();
            }
        }
        let again = end(&world, &alice, second(&state)).await.unwrap();
        assert_eq!(again["resultType"], "parked", "{ends}");
        assert_eq!(server.asked().len(), 1, "{ends}");
    }
}

#[tokio::test]
async fn a_hub_that_is_killed_while_its_client_is_asked_says_that_nobody_knows_and_never_makes_the_call_again()
 {
    let (killed, server) = world(ALLOW, Vec::new()).await;
    let state = begun(&killed, &killed.caller_at("files", "alice").await).await;
    let policy = PolicySet::parse(&files(ALLOW)).unwrap();
    let world = killed.again_behind(policy, vec![("files", Arc::clone(&server), Trust::FirstUse)]).await;
    let caller = world.caller_at("files", "alice").await;
    let event = world.hub.call(caller, second(&state)).next().await;
    let Some(CallEvent::Replied(Reply::Fault { code: -32602, data: Some(data), .. })) = event else {
        panic!("{event:?}")
    };
    assert_eq!(data.get(), r#"{"reason":"outcome_unknown"}"#);
    assert_eq!(server.asked().len(), 1, "only by the hub that is gone");
}
