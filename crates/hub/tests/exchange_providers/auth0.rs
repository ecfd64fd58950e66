//! Auth0: Custom Token Exchange, with the hub's own ID token under a type of the administrators' own.

use super::{RESOURCE, connection, exchanges, names, provider, token};
use deputy_core::Reason;
use deputy_hub::Door;
use deputy_hub::exchange::{Asker, Connection, Subject, Way};
use deputy_testkit::{Auth0, World};
use std::sync::Arc;
use std::time::Duration;

fn exchange(subject: Subject, audience: &str) -> Connection {
    let way = Way::TokenExchange {
        provider: provider(),
        audience: audience.to_owned(),
        unasked_scopes: Vec::new(),
        subject,
        token_endpoint: None,
    };
    connection(way, &["ledger.read"])
}

fn own_type() -> Subject {
    Subject::IdTokenAs(Auth0::PROFILE.to_owned())
}

async fn rig(connection: Connection) -> (World, Arc<Auth0>, Asker) {
    let (world, auth0) = Auth0::world(vec![connection]).await;
    let alice = auth0.sign_in(&world, "auth0|alice").await;
    (world, auth0, alice)
}

#[tokio::test]
async fn auth0_exchanges_the_hubs_id_token_under_a_type_of_its_administrators_own() {
    let (world, _, alice) = rig(exchange(own_type(), RESOURCE)).await;
    let access = token(&world, &alice).await.unwrap();
    assert_eq!(access.split('.').count(), 3);
    let asked = &exchanges(&world)[0];
    assert_eq!(names(asked), ["audience", "grant_type", "scope", "subject_token", "subject_token_type"]);
    assert_eq!(asked.form["subject_token_type"], Auth0::PROFILE);
    assert!(asked.authorization.as_deref().is_some_and(|header| header.starts_with("Basic ")));
}

#[tokio::test]
async fn d3_the_token_with_which_an_agent_came_does_not_travel_on() {
    let (world, auth0, alice) = rig(exchange(own_type(), RESOURCE)).await;
    let inbound = auth0.access_token("auth0|alice");
    let caller = world.hub.authenticate(&Door::Mcp, &inbound).await.unwrap();
    let asker = Asker::of_principal(&caller.principal()).unwrap();
    assert_eq!(asker.user, alice.user);
    token(&world, &asker).await.unwrap();
    assert!(world.endpoints.asked().iter().all(|asked| !format!("{asked:?}").contains(&inbound)));
}

#[tokio::test]
async fn auth0_refuses_the_registered_type_and_the_operator_is_told() {
    // Without a type of one's own an access token would be sent, and the one that the hub has is opaque here.
    let (world, _, alice) = rig(exchange(Subject::AccessToken, RESOURCE)).await;
    assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::UpstreamUnavailable);
    assert!(exchanges(&world)[0].form["subject_token_type"].starts_with("urn:ietf"));
    let lines = world.tables.of_kind(deputy_core::EventKind::ExchangeRefused);
    assert_eq!(lines[0].detail["why"], "exchange_unknown");
}

#[tokio::test]
async fn auth0_knows_no_other_api_and_says_so_as_policy() {
    let (world, _, alice) = rig(exchange(own_type(), "https://other.example")).await;
    assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::PolicyDenied);
}

#[tokio::test]
async fn d9_an_action_that_denies_is_policy_and_is_not_asked_again_for_a_minute() {
    let (world, auth0, alice) = rig(exchange(own_type(), RESOURCE)).await;
    auth0.deny("access_denied");
    for _ in 0..3 {
        let refused = token(&world, &alice).await.unwrap_err();
        assert_eq!(refused.reason, Reason::PolicyDenied);
        assert!(refused.words.contains("does not let this user"), "{}", refused.words);
    }
    assert_eq!(exchanges(&world).len(), 1);
    world.clock.advance(Duration::from_secs(61));
    drop(token(&world, &alice).await);
    assert_eq!(exchanges(&world).len(), 2);
}

#[tokio::test]
async fn an_action_that_denies_in_words_of_its_own_is_the_operators_matter() {
    let (world, auth0, alice) = rig(exchange(own_type(), RESOURCE)).await;
    auth0.deny("Unauthorized_login");
    let refused = token(&world, &alice).await.unwrap_err();
    assert_eq!(refused.reason, Reason::UpstreamUnavailable);
    assert!(!refused.words.contains("Unauthorized_login"), "no word of a stranger");
}

#[tokio::test]
async fn d5_a_token_for_another_api_is_not_used() {
    let (world, auth0, alice) = rig(exchange(own_type(), RESOURCE)).await;
    auth0.mistake_audience("https://acme.eu.auth0.example/userinfo");
    assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::UpstreamUnavailable);
    assert_eq!(world.hub.exchange().kept_tokens(), 0);
}
