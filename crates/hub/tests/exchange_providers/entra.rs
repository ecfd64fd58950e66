//! Microsoft Entra ID: on behalf of.

use super::{connection, exchanges, names, provider, token};
use deputy_core::Reason;
use deputy_hub::exchange::{Asker, Connection, Way};
use deputy_testkit::{Entra, World, wanted_by};
use std::sync::Arc;
use std::time::Duration;

const ALICE: &str = "690222be-ff1a-4d56-abd1-7e4f7d38e474";
const OWN: [&str; 3] = ["openid", "offline_access", Entra::OWN_SCOPE];
const CHALLENGE: &str =
    r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#;

fn on_behalf_of(scope: &str) -> Connection {
    connection(Way::EntraObo { provider: provider(), token_endpoint: None }, &[scope])
}

async fn rig(scopes: &[&str], scope: &str) -> (World, Arc<Entra>, Asker) {
    let (world, entra) = Entra::world(scopes, vec![on_behalf_of(scope)]).await;
    let alice = entra.sign_in(&world, ALICE).await;
    (world, entra, alice)
}

#[tokio::test]
async fn entra_gives_a_token_of_the_downstream_for_the_hubs_own_access_token() {
    let (world, _, alice) = rig(&OWN, Entra::SCOPE).await;
    assert_eq!(alice.user.subject.as_str(), ALICE, "`oid`, not the pairwise `sub`");
    token(&world, &alice).await.unwrap();
    let asked = &exchanges(&world)[0];
    assert_eq!(names(asked), ["assertion", "client_id", "grant_type", "requested_token_use", "scope"]);
    assert_eq!(
        (asked.form["scope"].as_str(), asked.form["client_id"].as_str()),
        (Entra::SCOPE, Entra::CLIENT)
    );
    assert!(asked.url.ends_with("/oauth2/v2.0/token"));
}

#[tokio::test]
async fn entra_refuses_a_token_for_graph_and_the_hub_stops_after_one_renewal() {
    // The hub's own scope was forgotten under `[sign_in]`: what it has is for Graph.
    let (world, _, alice) = rig(&["openid", "offline_access"], Entra::SCOPE).await;
    assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::SessionEnded);
    assert_eq!(exchanges(&world).len(), 2);
}

#[tokio::test]
async fn entra_refuses_the_token_of_an_application() {
    let (world, entra) = Entra::world(&OWN, vec![on_behalf_of(Entra::SCOPE)]).await;
    let daemon = entra.sign_in(&world, "app-daemon").await;
    assert_eq!(token(&world, &daemon).await.unwrap_err().reason, Reason::SessionEnded);
}

#[tokio::test]
async fn d9_a_scope_that_is_not_there_and_a_consent_that_was_not_given_are_an_administrators_matter() {
    let (world, _, alice) = rig(&OWN, "api://other/read").await;
    assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::PolicyDenied);

    let (world, entra, alice) = rig(&OWN, Entra::SCOPE).await;
    entra.withdraw_consent();
    for _ in 0..3 {
        let refused = token(&world, &alice).await.unwrap_err();
        assert_eq!(refused.reason, Reason::PolicyDenied, "a new sign-in would change nothing");
        assert!(refused.words.contains("an administrator has to look at it"), "{}", refused.words);
    }
    assert_eq!(exchanges(&world).len(), 1);
}

#[tokio::test]
async fn d9_a_claims_challenge_goes_to_the_person_in_the_address_where_they_sign_in_and_is_met_there() {
    let (world, entra, alice) = rig(&OWN, Entra::SCOPE).await;
    entra.want(CHALLENGE);
    let refused = token(&world, &alice).await.unwrap_err();
    assert_eq!(refused.reason, Reason::StepUpRequired);
    assert_eq!(token(&world, &alice).await.unwrap_err(), refused);
    assert_eq!(exchanges(&world).len(), 1, "not tried again");
    let wanted = wanted_by(&refused.words);
    assert_eq!((wanted.claims.as_deref(), wanted.provider.as_deref()), (Some(CHALLENGE), Some("idp")));
    // Of two sign-ins the newest counts.
    world.clock.advance(Duration::from_secs(1));
    // The same person, another sign-in: what was wanted went to the provider, and the exchange is asked for at once.
    let again = entra.sign_in_for(&world, ALICE, wanted).await;
    assert_eq!(again, alice);
    token(&world, &alice).await.unwrap();
}

#[tokio::test]
async fn d7_a_token_on_behalf_of_is_kept_for_ten_minutes_at_most() {
    let (world, _, alice) = rig(&OWN, Entra::SCOPE).await;
    token(&world, &alice).await.unwrap();
    world.clock.advance(Duration::from_secs(569));
    token(&world, &alice).await.unwrap();
    assert_eq!(exchanges(&world).len(), 1);
    world.clock.advance(Duration::from_secs(2));
    token(&world, &alice).await.unwrap();
    assert_eq!(exchanges(&world).len(), 2);
}
