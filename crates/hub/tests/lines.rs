//! What the lines of a call say (AUD-07).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{EventKind, Outcome};
use deputy_hub::Door;
use deputy_hub::ports::Clock as _;
use deputy_testkit::{PUBLIC_URL, TestIssuer, World, wish};
use serde_json::json;

#[tokio::test]
async fn aud_07_an_intent_names_who_through_whom_what_and_by_which_right_and_the_outcome_how_it_ended() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let now = world.clock.now().seconds();
    let act = json!({ "sub": "agent-7", "act": { "sub": "agent-3" } });
    let token = world.issuer.sign(
        "at+jwt",
        &json!({
            "iss": TestIssuer::ISSUER, "sub": "alice", "aud": format!("{PUBLIC_URL}/mcp"), "client_id": "agent-1",
            "iat": now, "exp": now + 3600, "jti": "token-1", "act": act,
        }),
    );
    let caller = world.hub.authenticate(&Door::Mcp, &token).await.unwrap();
    let (answer, _) = tokio::join!(world.run(caller, wish("list", &json!({}))), tab.answer("done"));
    answer.unwrap();
    let (intents, outcomes) =
        (world.tables.of_kind(EventKind::Intent), world.tables.of_kind(EventKind::Outcome));
    for line in [&intents[0], &outcomes[0]] {
        assert_eq!(line.user.as_ref().unwrap().subject.as_str(), "alice");
        assert_eq!(line.client.as_ref().unwrap().0, "agent-1");
        assert!(line.agent.is_some());
        assert_eq!(line.detail["personal.acting"], json!({ "act": act }), "the whole chain");
        assert_eq!(line.call, intents[0].call);
        assert!(line.call.is_some() && line.source.is_some() && line.class.is_some());
        assert!(line.definition.is_some() && line.arguments.is_some() && line.tab.is_some());
        assert_eq!(line.tool.as_ref().unwrap().as_str(), "list");
    }
    assert!(!intents[0].policies.is_empty() && intents[0].policy_version.is_some());
    assert_eq!(intents[0].lane.as_deref(), Some("session"));
    assert_eq!(outcomes[0].outcome, Some(Outcome::Succeeded));
}
