//! Okta: ID-JAGs from the organisation's own authorization server.

use super::{DOCUMENT, RAS, RESOURCE, exchanges, id_jag, names, open_resource_server, token};
use deputy_core::Reason;
use deputy_hub::exchange::Asker;
use deputy_identity::client_assertion::AssertionAudience;
use deputy_testkit::{Okta, OktaResource, World};
use std::sync::Arc;
use std::time::Duration;

const ALICE: &str = "00u1alice";

fn ledger() -> OktaResource {
    OktaResource {
        audience: RAS.to_owned(),
        resource: RESOURCE.to_owned(),
        client: DOCUMENT.to_owned(),
        scopes: vec!["ledger.read".to_owned()],
        people: vec![ALICE.to_owned()],
    }
}

async fn rig(scopes: &[&str]) -> (World, Arc<Okta>, Asker) {
    let (world, okta) = Okta::world(vec![id_jag(scopes)]).await;
    open_resource_server(&world);
    okta.connect(ledger());
    let alice = okta.sign_in(&world, ALICE).await;
    (world, okta, alice)
}

#[tokio::test]
async fn okta_gives_an_id_jag_for_the_id_token_of_the_sign_in_and_the_server_a_token_for_it() {
    let (world, _, alice) = rig(&["ledger.read"]).await;
    assert_eq!(alice.user.subject.as_str(), ALICE);
    assert_eq!(token(&world, &alice).await.unwrap(), "at-ledger");
    let asked = &exchanges(&world)[0];
    assert_eq!(asked.url, "https://acme.okta.example/oauth2/v1/token");
    let all = [
        "audience",
        "client_assertion",
        "client_assertion_type",
        "grant_type",
        "requested_token_type",
        "resource",
        "scope",
        "subject_token",
        "subject_token_type",
    ];
    assert_eq!(names(asked), all);
    assert_eq!((asked.form["audience"].as_str(), asked.form["resource"].as_str()), (RAS, RESOURCE));
    assert!(asked.form["subject_token_type"].ends_with(":id_token") && asked.authorization.is_none());
}

#[tokio::test]
async fn okta_takes_client_assertions_for_its_token_endpoint_alone_and_a_wrong_one_ends_the_connection() {
    let issuer = |_| AssertionAudience::Issuer;
    let (world, _) = Okta::world_with(vec![id_jag(&["ledger.read"])], issuer).await;
    let logins = world.hub.authorization().unwrap().logins();
    let departure = logins.begin(deputy_hub::sign_in::Wanted::default()).await.unwrap();
    let state = departure.to.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let back = format!("code=x&state={state}");
    let refused = logins.finish(back.as_bytes(), departure.cookie.expose()).await.err().unwrap();
    assert_eq!(refused.to_string(), "the identity provider refused: `invalid_client`");
}

#[tokio::test]
async fn d3_a_token_of_a_custom_server_that_an_agent_brought_goes_nowhere() {
    let (world, okta, alice) = rig(&["ledger.read"]).await;
    let inbound = okta.custom_access_token(ALICE);
    // The hub's door knows the organisation alone: with this token nobody gets in.
    assert!(world.hub.authenticate(&deputy_hub::Door::Mcp, &inbound).await.is_err());
    token(&world, &alice).await.unwrap();
    assert!(world.endpoints.asked().iter().all(|asked| !format!("{asked:?}").contains(&inbound)));
}

#[tokio::test]
async fn d9_what_okta_refuses_for_good_is_policy_and_not_asked_again_for_a_minute() {
    let wrong_resource = OktaResource { resource: format!("{RESOURCE}/"), ..ledger() };
    let other_server = OktaResource { audience: "https://other.example".to_owned(), ..ledger() };
    let other_people = OktaResource { people: vec!["00u2bob".to_owned()], ..ledger() };
    let fewer_scopes = OktaResource { scopes: vec!["ledger.list".to_owned()], ..ledger() };
    for (resource, why) in [
        (wrong_resource, "exchange_invalid_target"),
        (other_server, "exchange_invalid_target"),
        (other_people, "exchange_access_denied"),
        (fewer_scopes, "exchange_unauthorized_client"),
    ] {
        let (world, okta, alice) = rig(&["ledger.read"]).await;
        okta.disconnect();
        okta.connect(resource);
        for _ in 0..3 {
            assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::PolicyDenied, "{why}");
        }
        assert_eq!(exchanges(&world).len(), 1, "{why}");
        let lines = world.tables.of_kind(deputy_core::EventKind::ExchangeRefused);
        assert_eq!(lines[0].detail["why"], why);
        world.clock.advance(Duration::from_secs(61));
        okta.disconnect();
        okta.connect(ledger());
        token(&world, &alice).await.unwrap();
    }
}

#[tokio::test]
async fn okta_wants_a_scope_and_without_one_an_administrator_is_told() {
    let (world, _, alice) = rig(&[]).await;
    let refused = token(&world, &alice).await.unwrap_err();
    assert_eq!(refused.reason, Reason::PolicyDenied);
    assert!(refused.words.contains("an administrator has to look at it"), "{}", refused.words);
    assert!(!exchanges(&world)[0].form.contains_key("scope"), "no empty scope (D4)");
}

#[tokio::test]
async fn okta_is_asked_with_a_renewed_id_token_once_the_first_has_ended() {
    let (world, _, alice) = rig(&["ledger.read"]).await;
    world.clock.advance(Duration::from_secs(3601));
    token(&world, &alice).await.unwrap();
    let kinds: Vec<String> =
        world.endpoints.asked().into_iter().map(|one| one.form["grant_type"].clone()).collect();
    assert_eq!(kinds[1], "refresh_token");
    assert!(exchanges(&world)[0].form["subject_token_type"].ends_with(":id_token"));
}
