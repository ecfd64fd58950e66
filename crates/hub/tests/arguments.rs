//! How much of a call's arguments reaches the log, and where it stands.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::EventKind;
use deputy_testkit::{World, wish};
use serde_json::json;

#[tokio::test]
async fn aud_06_recorded_arguments_are_redacted_personal_and_there_once() {
    let world = World::new().await;
    let mut tab = world.tab("alice").await;
    let caller = world.caller("alice").await;
    let arguments = json!({"text": "hello", "password": "swordfish"});
    let call = wish("list", &arguments);
    let (answer, _) = tokio::join!(world.run(caller, call), tab.answer("done"));
    answer.unwrap();
    let intent = &world.tables.of_kind(EventKind::Intent)[0];
    assert_eq!(intent.detail["personal.arguments"], json!({"text": "hello", "password": "[redacted]"}));
    assert!(intent.arguments.is_some());
    let outcome = &world.tables.of_kind(EventKind::Outcome)[0];
    assert!(outcome.detail.get("personal.arguments").is_none());
    assert_eq!(outcome.arguments, intent.arguments);
    for event in world.tables.events() {
        assert!(!format!("{event:?}").contains("swordfish"));
    }
}
