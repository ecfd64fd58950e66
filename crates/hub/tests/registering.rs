//! Clients that register themselves, more of them than there is room for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod signing;

use deputy_hub::access::MOST_CLIENTS;
use deputy_hub::sign_in::{SignInSetup, Step};
use deputy_identity::authorization::ErrorCode;
use deputy_testkit::World;
use serde_json::json;
use signing::{BACK, Browser, Signing, query};
use std::time::Duration;

async fn registered(signing: &Signing) -> Result<String, ErrorCode> {
    let body = json!({"client_name": "any", "redirect_uris": [BACK], "token_endpoint_auth_method": "none"})
        .to_string();
    match signing.server().register(body.as_bytes()).await {
        Ok(registered) => Ok(registered["client_id"].as_str().unwrap().to_owned()),
        Err(fault) => Err(fault.expect("it is allowed").code),
    }
}

async fn is_known(signing: &Signing, browser: &Browser, client: &str) -> bool {
    !matches!(
        signing.authorize(browser, &query(&[("client_id", client)])).await,
        Step::Shown { code: ErrorCode::InvalidClient, .. }
    )
}

#[tokio::test]
async fn r16_open_registration_a_stranger_who_takes_every_place_shuts_nobody_out_for_long() {
    let signing = Signing::with(SignInSetup { dynamic_registration: true, ..World::sign_in() }).await;
    let mut alice = Browser::default();
    signing.sign_in(&mut alice, "alice").await.unwrap();
    let old = registered(&signing).await.unwrap();
    signing.world.clock.set_forward(Duration::from_secs(1));
    let last = async |count: usize| {
        let mut last = String::new();
        for _ in 0..count {
            last = registered(&signing).await.unwrap();
        }
        last
    };
    let flood = last(MOST_CLIENTS - 1).await;
    // Who has just registered has time to be allowed.
    assert_eq!(registered(&signing).await, Err(ErrorCode::TemporarilyUnavailable));
    signing.world.clock.set_forward(Duration::from_secs(601));
    let newest = registered(&signing).await.unwrap();
    assert!(is_known(&signing, &alice, &newest).await);
    assert!(is_known(&signing, &alice, &old).await, "who was there first stays");
    let step = signing.authorize(&alice, &query(&[("client_id", &newest)])).await;
    let Step::Consent(page) = step else { panic!("a consent page") };
    signing.decide(&alice, &page.form, "read").await;
    signing.world.clock.set_forward(Duration::from_secs(602));
    for _ in 0..3 {
        registered(&signing).await.unwrap();
    }
    assert!(is_known(&signing, &alice, &newest).await, "whom somebody lets act stays");
    drop(flood);
}
