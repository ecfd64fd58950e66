//! Google Cloud's Security Token Service, for people of another provider (here Okta).

use super::{connection, exchanges, names, provider, token};
use deputy_core::Reason;
use deputy_hub::exchange::{Asker, Connection, Way};
use deputy_testkit::{Okta, WorkforcePool, World};
use std::time::Duration;

fn pool(audience: &str, project: Option<&str>, scopes: &[&str]) -> Connection {
    let way = Way::GoogleSts {
        provider: provider(),
        audience: audience.to_owned(),
        user_project: project.map(str::to_owned),
        token_endpoint: WorkforcePool::URL.parse().unwrap(),
    };
    connection(way, scopes)
}

async fn rig(connection: Connection, client: &str) -> (World, Asker) {
    let (world, okta) = Okta::world(vec![connection]).await;
    WorkforcePool::open(&world, Okta::ISSUER, client);
    let alice = okta.sign_in(&world, "00u1alice").await;
    (world, alice)
}

fn good() -> Connection {
    pool(WorkforcePool::AUDIENCE, Some(WorkforcePool::PROJECT), &[WorkforcePool::SCOPE])
}

#[tokio::test]
async fn google_turns_the_other_providers_id_token_into_one_of_google_cloud_without_any_client() {
    let (world, alice) = rig(good(), Okta::CLIENT).await;
    assert_eq!(token(&world, &alice).await.unwrap(), "ya29.workforce");
    let asked = &exchanges(&world)[0];
    let all = [
        "audience",
        "grant_type",
        "options",
        "requested_token_type",
        "scope",
        "subject_token",
        "subject_token_type",
    ];
    assert_eq!(names(asked), all);
    assert_eq!(asked.url, WorkforcePool::URL);
    assert!(asked.authorization.is_none(), "a header would make it fail");
}

#[tokio::test]
async fn google_knows_no_other_pool_and_wants_a_project_and_the_operator_is_told() {
    let workload = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x";
    for wrong in [
        pool(workload, Some(WorkforcePool::PROJECT), &[WorkforcePool::SCOPE]),
        pool(WorkforcePool::AUDIENCE, None, &[WorkforcePool::SCOPE]),
    ] {
        let (world, alice) = rig(wrong, Okta::CLIENT).await;
        assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::UpstreamUnavailable);
        drop(token(&world, &alice).await);
        assert_eq!(exchanges(&world).len(), 1, "not asked again for a minute");
    }
}

#[tokio::test]
async fn d4_without_a_scope_none_is_sent_and_google_refuses() {
    let none = pool(WorkforcePool::AUDIENCE, Some(WorkforcePool::PROJECT), &[]);
    let (world, alice) = rig(none, Okta::CLIENT).await;
    assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::PolicyDenied);
    assert!(!exchanges(&world)[0].form.contains_key("scope"));
}

#[tokio::test]
async fn google_refuses_an_id_token_for_another_client_and_the_hub_stops_after_one_renewal() {
    let (world, alice) = rig(good(), "another-client").await;
    assert_eq!(token(&world, &alice).await.unwrap_err().reason, Reason::SessionEnded);
    assert_eq!(exchanges(&world).len(), 2);
}

#[tokio::test]
async fn an_id_token_that_ended_is_renewed_before_google_sees_it() {
    let (world, alice) = rig(good(), Okta::CLIENT).await;
    world.clock.advance(Duration::from_secs(3601));
    token(&world, &alice).await.unwrap();
    assert_eq!(exchanges(&world).len(), 1);
}
