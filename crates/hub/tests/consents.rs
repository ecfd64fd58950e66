//! `user_oauth`: a person lets the hub use a server in their name; what is asked, believed, kept and given back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod consenting;

use consenting::*;
use deputy_core::{EventKind, Reason, TenantId};
use deputy_hub::exchange::ServerClient;
use deputy_hub::ports::Revoked;
use deputy_testkit::TestIssuer;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn who_has_not_connected_a_server_is_told_where_to_and_nothing_is_asked() {
    let rig = Rig::new().await;
    let refused = rig.token(&asker("alice")).await.unwrap_err();
    assert_eq!(refused.reason, Reason::ConsentRequired);
    assert_eq!(refused.open.as_deref(), Some("https://hub.example/connect/ledger"));
    assert!(refused.words.contains("https://hub.example/connect/ledger"), "{}", refused.words);
    assert!(rig.asked().is_empty() && rig.world.endpoints.fetched().is_empty());
}

#[tokio::test]
async fn after_a_consent_there_is_a_token_and_both_requests_name_the_resource() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let to = rig.connected(&alice).await;
    assert!(to.as_str().starts_with(&format!("{AS}/authorize?")), "{to}");
    let of = |name: &str| parameter(&to, name);
    assert_eq!(of("client_id").as_deref(), Some("https://hub.example/oauth/client.json"));
    assert_eq!((of("redirect_uri").as_deref(), of("resource").as_deref()), (Some(CALLBACK), Some(SERVER)));
    assert_eq!((of("code_challenge_method").as_deref(), of("scope")), (Some("S256"), None));
    assert_eq!(rig.token(&asker("alice")).await.unwrap(), "canary-access-1");
    let form = &rig.asked()[0].form;
    assert_eq!((form["resource"].as_str(), form["redirect_uri"].as_str()), (SERVER, CALLBACK));
    assert!(form.contains_key("code_verifier") && form.contains_key("client_assertion"));
    assert_eq!(rig.world.tables.of_kind(EventKind::ServerConnected).len(), 1);
}

#[tokio::test]
async fn d7_a_consent_is_one_persons_alone() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    assert_eq!(rig.token(&asker("bob")).await.unwrap_err().reason, Reason::ConsentRequired);
}

#[tokio::test]
async fn a_consent_survives_a_restart_and_stands_nowhere_in_plain() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    let kept = serde_json::to_string(&rig.world.tables.access_rows()).unwrap();
    let told = format!("{:?}", rig.world.tables.events());
    for text in [&kept, &told] {
        assert!(!text.contains("canary"), "{text}");
    }
    let again = rig.again(connection("ledger")).await;
    assert_eq!(again.token(&asker("alice")).await.unwrap(), "canary-access-1");
    assert_eq!(again.asked().len(), 1, "the code was redeemed once, and nothing was renewed");
}

#[tokio::test]
async fn d11_without_the_master_key_nothing_opens() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    rig.world.master_keys.seal();
    let refused = rig.token(&asker("alice")).await.unwrap_err();
    assert_eq!(refused.reason, Reason::UpstreamUnavailable);
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_once_for_all_and_the_newest_refresh_token_counts() {
    let rig = Arc::new(Rig::new().await);
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    for round in 2..4 {
        rig.world.clock.advance(Duration::from_secs(290));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let rig = Arc::clone(&rig);
            all.spawn(async move { rig.token(&asker("alice")).await.unwrap() });
        }
        let tokens = all.join_all().await;
        assert!(tokens.iter().all(|token| *token == format!("canary-access-{round}")), "{tokens:?}");
        let asked = rig.asked();
        assert_eq!(asked.len(), round);
        let form = &asked[round - 1].form;
        assert_eq!(form["grant_type"], "refresh_token");
        assert_eq!(form["refresh_token"], format!("canary-refresh-{}", round - 1));
        assert_eq!(form["resource"], SERVER);
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_not_good_any_more_ends_the_consent() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    rig.tokens(|_| (400, json!({ "error": "invalid_grant" })));
    rig.world.clock.advance(Duration::from_secs(301));
    assert_eq!(rig.token(&asker("alice")).await.unwrap_err().reason, Reason::ConsentRequired);
    assert!(rig.world.hub.access().consents_of(&alice.user).is_empty());
}

#[tokio::test]
async fn a_401_earns_one_renewal_and_then_the_person_consents_anew() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    let asker = asker("alice");
    let first = rig.token(&asker).await.unwrap();
    assert_eq!(rig.refused(&asker, &first).await, Ok(true));
    let second = rig.token(&asker).await.unwrap();
    assert_ne!(first, second);
    // Somebody who had come with the first, late: the second stays.
    assert_eq!(rig.refused(&asker, &first).await, Ok(true));
    assert_eq!(rig.token(&asker).await.unwrap(), second);
    assert_eq!(rig.refused(&asker, &second).await, Ok(true));
    assert_eq!(rig.token(&asker).await.unwrap_err().reason, Reason::ConsentRequired);
    assert_eq!(rig.asked().len(), 2);
}

#[tokio::test]
async fn a_step_up_asks_for_the_union_of_scopes_and_not_for_ever() {
    let rig = Rig::new().await;
    rig.world.endpoints.challenge_with(SERVER, "Bearer scope=\"read\"");
    let alice = rig.signed_in("alice").await;
    let to = rig.connected(&alice).await;
    assert_eq!(parameter(&to, "scope").as_deref(), Some("read"));
    let asker = asker("alice");
    assert_eq!(rig.wants(&asker, "read").await, Ok(false), "what was granted is not asked for again");
    let refused = rig.wants(&asker, "write").await.unwrap_err();
    assert_eq!(refused.reason, Reason::ConsentRequired);
    assert!(rig.token(&asker).await.is_ok(), "what needs no more goes on");
    let to = rig.depart(&alice).await.unwrap();
    assert_eq!(parameter(&to, "scope").as_deref(), Some("read write"));
    rig.arrive(Some(&alice), &answer_to(&to)).await.unwrap();
    assert!(rig.wants(&asker, "a").await.is_err() && rig.wants(&asker, "b").await.is_err());
    assert_eq!(rig.wants(&asker, "c").await, Ok(false), "three times in an hour");
}

#[tokio::test]
async fn login_csrf_an_answer_in_a_browser_of_somebody_else_connects_nothing() {
    let rig = Rig::new().await;
    let (mallory, alice) = (rig.signed_in("mallory").await, rig.signed_in("alice").await);
    let to = rig.depart(&mallory).await.unwrap();
    assert!(rig.arrive(Some(&alice), &answer_to(&to)).await.is_err());
    assert!(rig.asked().is_empty(), "no code was redeemed");
    assert!(rig.arrive(Some(&mallory), &answer_to(&to)).await.is_err(), "its state is used up");
}

#[tokio::test]
async fn session_fixation_another_login_of_the_same_person_is_not_the_one_that_began() {
    let rig = Rig::new().await;
    let (one, other) = (rig.signed_in("alice").await, rig.signed_in("alice").await);
    let to = rig.depart(&one).await.unwrap();
    assert!(rig.arrive(Some(&other), &answer_to(&to)).await.is_err());
    assert!(rig.arrive(None, &answer_to(&rig.depart(&one).await.unwrap())).await.is_err());
}

#[tokio::test]
async fn mix_up_an_answer_of_another_issuer_or_of_none_is_refused() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    for iss in [Some("https://evil.example"), Some("https://as.example/tenant/"), None] {
        let to = rig.depart(&alice).await.unwrap();
        let named = iss.map(|iss| ("iss", iss));
        let parameters: Vec<_> = [("code", "c0de")].into_iter().chain(named).collect();
        assert!(rig.arrive(Some(&alice), &answered(&to, &parameters)).await.is_err(), "{iss:?}");
    }
    assert!(rig.asked().is_empty());
}

#[tokio::test]
async fn code_injection_a_state_works_once_and_a_verifier_goes_with_its_own_state_alone() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let to = rig.connected(&alice).await;
    assert!(rig.arrive(Some(&alice), &answer_to(&to)).await.is_err());
    let other = rig.connected(&alice).await;
    let asked = rig.asked();
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].form["code_verifier"], asked[1].form["code_verifier"]);
    assert_ne!(parameter(&to, "code_challenge"), parameter(&other, "code_challenge"));
}

#[tokio::test]
async fn a_state_ends_after_ten_minutes() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let to = rig.depart(&alice).await.unwrap();
    rig.world.clock.advance(Duration::from_secs(601));
    assert!(rig.arrive(Some(&alice), &answer_to(&to)).await.is_err());
}

#[tokio::test]
async fn r3_a_form_of_another_login_or_server_begins_nothing() {
    let rig = Rig::new().await;
    let (mallory, alice) = (rig.signed_in("mallory").await, rig.signed_in("alice").await);
    let page = rig.desk().connecting(&mallory, &server()).await.unwrap();
    let body = format!("form={}", page.form);
    assert!(rig.desk().depart(&alice, &server(), body.as_bytes()).await.is_err());
    assert!(rig.desk().depart(&alice, &server(), b"").await.is_err());
    assert!(rig.desk().connecting(&alice, &"other".parse().unwrap()).await.is_err());
    let rig = Rig::with_all(vec![connection("ledger"), connection("second")]).await;
    let alice = rig.signed_in("alice").await;
    let page = rig.desk().connecting(&alice, &"second".parse().unwrap()).await.unwrap();
    let body = format!("form={}", page.form);
    assert!(rig.desk().depart(&alice, &server(), body.as_bytes()).await.is_err());
    rig.desk().depart(&alice, &"second".parse().unwrap(), body.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_no_bearer_or_bound_to_a_key_is_not_taken() {
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"cnf":{"jkt":"x"}}"#);
    let bound = format!("e30.{claims}.c2ln");
    for answer in [
        json!({ "access_token": "a", "token_type": "DPoP" }),
        json!({ "access_token": "a", "token_type": "N_A" }),
        json!({ "access_token": "a", "token_type": "Bearer", "cnf": { "jkt": "x" } }),
        json!({ "access_token": bound, "token_type": "Bearer" }),
    ] {
        let rig = Rig::new().await;
        let alice = rig.signed_in("alice").await;
        let said = answer.clone();
        rig.tokens(move |_| (200, said.clone()));
        let to = rig.depart(&alice).await.unwrap();
        assert!(rig.arrive(Some(&alice), &answer_to(&to)).await.is_err(), "{answer}");
        assert!(rig.world.hub.access().consents_of(&alice.user).is_empty());
    }
}

#[tokio::test]
async fn d1_a_server_that_names_another_authorization_server_is_sent_nothing_any_more() {
    // Whoever finds it out: a person who connects the server, or a call of somebody who has.
    for connects in [true, false] {
        let rig = Rig::new().await;
        let alice = rig.signed_in("alice").await;
        rig.connected(&alice).await;
        rig.world
            .endpoints
            .publish(PRM, json!({ "resource": SERVER, "authorization_servers": ["https://evil.example"] }));
        if connects {
            assert!(rig.depart(&alice).await.is_err());
        }
        assert_eq!(rig.token(&asker("alice")).await.unwrap_err().reason, Reason::UpstreamUnavailable);
    }
}

#[tokio::test]
async fn what_was_consented_to_for_another_resource_is_worth_nothing_once_the_operator_names_one() {
    let rig = Rig::with(pinned(SERVER, &["read"])).await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    let again = rig.again(pinned("https://ledger.example/other", &["read"])).await;
    assert_eq!(again.token(&asker("alice")).await.unwrap_err().reason, Reason::ConsentRequired);
    assert!(again.world.hub.access().consents_of(&alice.user).is_empty());
}

#[tokio::test]
async fn scope_widening_no_server_asks_a_person_for_more_than_the_operator_pinned() {
    let rig = Rig::with(pinned(SERVER, &["read", "write"])).await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    let asker = asker("alice");
    assert_eq!(rig.wants(&asker, "admin").await, Ok(false));
    assert!(rig.wants(&asker, "write").await.is_err());
}

#[tokio::test]
async fn d2_metadata_of_another_issuer_without_pkce_or_with_foreign_endpoints_is_not_followed() {
    for (member, wrong) in [
        ("issuer", json!("https://as.example/tenant/")),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("authorization_endpoint", json!("https://evil.example/authorize")),
    ] {
        let rig = Rig::new().await;
        let alice = rig.signed_in("alice").await;
        let mut said = metadata();
        said[member] = wrong;
        rig.world.endpoints.publish(METADATA, said);
        assert!(rig.depart(&alice).await.is_err(), "{member}");
    }
}

#[tokio::test]
async fn the_scopes_are_those_of_the_challenge_else_of_the_metadata_else_none() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let mut prm =
        json!({ "resource": SERVER, "authorization_servers": [AS], "scopes_supported": ["a", "b"] });
    rig.world.endpoints.publish(PRM, prm.clone());
    assert_eq!(parameter(&rig.depart(&alice).await.unwrap(), "scope").as_deref(), Some("a b"));
    rig.world.endpoints.challenge_with(SERVER, "Bearer realm=\"x\", scope=\"c d\"");
    assert_eq!(parameter(&rig.depart(&alice).await.unwrap(), "scope").as_deref(), Some("c d"));
    prm["resource"] = json!("https://ledger.example");
    rig.world.endpoints.publish(PRM, prm.clone());
    let to = rig.depart(&alice).await.unwrap();
    assert_eq!(parameter(&to, "resource").as_deref(), Some("https://ledger.example"), "a place above it");
    prm["resource"] = json!("https://other.example/mcp");
    rig.world.endpoints.publish(PRM, prm);
    assert!(rig.depart(&alice).await.is_err(), "another resource");
}

#[tokio::test]
async fn a_hub_whose_document_is_not_read_registers_itself_once_and_remembers() {
    let rig = Rig::with(as_client(ServerClient::SelfRegistered)).await;
    rig.world.endpoints.answer(&format!("{AS}/register"), |_| {
        (
            201,
            json!({
                "client_id": "registered", "client_secret": "canary-secret",
                "token_endpoint_auth_method": "client_secret_post",
            }),
        )
    });
    let alice = rig.signed_in("alice").await;
    let to = rig.connected(&alice).await;
    assert_eq!(parameter(&to, "client_id").as_deref(), Some("registered"));
    assert_eq!(rig.asked()[0].form["client_secret"], "canary-secret");
    let kept = serde_json::to_string(&rig.world.tables.access_rows()).unwrap();
    assert!(!kept.contains("canary"), "{kept}");
    let again = rig.again(as_client(ServerClient::SelfRegistered)).await;
    let bob = again.signed_in("bob").await;
    again.connected(&bob).await;
    assert_eq!(again.posted("register").len(), 1);
}

#[tokio::test]
async fn c4_a_revoked_user_has_no_consent_any_more_and_the_tokens_are_given_back() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    rig.token(&asker("alice")).await.unwrap();
    assert_eq!(rig.desk().kept_tokens(), 1);
    let target =
        Revoked::User { issuer: TestIssuer::ISSUER.parse().unwrap(), subject: "alice".parse().unwrap() };
    rig.world.hub.revocations().end(TenantId::single(), target, "operator").await.unwrap();
    assert_eq!(rig.token(&asker("alice")).await.unwrap_err().reason, Reason::ConsentRequired);
    rig.world.until("given back", || rig.posted("revoke").len() == 2).await;
    assert_eq!(rig.posted("revoke")[0].form["token"], "canary-refresh-1");
    let has_row = || serde_json::to_string(&rig.world.tables.access_rows()).unwrap().contains("\"consent\"");
    rig.world.until("forgotten", || !has_row()).await;
    rig.desk().sweep();
    assert_eq!(rig.desk().kept_tokens(), 0);
}

#[tokio::test]
async fn who_signs_out_while_their_consent_is_written_has_none_and_nothing_is_kept() {
    let rig = Rig::new().await;
    let cookie = rig.browser("alice").await;
    let alice = rig.world.hub.authorization().unwrap().logins().of_cookie(&cookie).unwrap();
    let to = rig.depart(&alice).await.unwrap();
    let tables = &rig.world.tables;
    tables.set_stalled(true);
    let sign_out = async {
        tables.until_held_up().await;
        assert!(rig.world.hub.sign_out(&cookie, "person"));
        tables.set_stalled(false);
    };
    let answer = answer_to(&to);
    let (arrived, ()) = tokio::join!(rig.arrive(Some(&alice), &answer), sign_out);
    assert!(arrived.is_err());
    assert!(rig.world.hub.access().consents_of(&alice.user).is_empty());
    let has_row = || serde_json::to_string(&tables.access_rows()).unwrap().contains("\"consent\"");
    assert!(!has_row());
}

#[tokio::test]
async fn a_consent_that_is_taken_back_while_it_is_renewed_or_recorded_gives_no_token() {
    for renewed in [true, false] {
        let rig = Rig::new().await;
        let alice = rig.signed_in("alice").await;
        rig.connected(&alice).await;
        if renewed {
            rig.world.clock.advance(Duration::from_secs(301));
        }
        let tables = &rig.world.tables;
        tables.set_stalled(true);
        let take_back = async {
            if renewed {
                tables.until_held_up().await;
            } else {
                tables.until_handed_over(&[EventKind::TokenExchanged]).await;
            }
            assert!(rig.desk().disconnect(&alice.user, &server()));
            tables.set_stalled(false);
        };
        let asker = asker("alice");
        let (token, ()) = tokio::join!(rig.token(&asker), take_back);
        assert_eq!(token.unwrap_err().reason, Reason::ConsentRequired, "renewed: {renewed}");
        assert!(rig.world.hub.access().consents_of(&alice.user).is_empty());
        assert_eq!(rig.desk().kept_tokens(), 0);
    }
}

#[tokio::test]
async fn a_session_that_ends_leaves_the_consent_and_its_person_can_end_it() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.connected(&alice).await;
    let target =
        Revoked::User { issuer: TestIssuer::ISSUER.parse().unwrap(), subject: "alice".parse().unwrap() };
    rig.world.hub.revocations().end(TenantId::single(), target, "back_channel_logout").await.unwrap();
    assert!(rig.token(&asker("alice")).await.is_ok());
    assert!(rig.desk().disconnect(&alice.user, &server()));
    assert!(!rig.desk().disconnect(&alice.user, &server()));
    assert_eq!(rig.token(&asker("alice")).await.unwrap_err().reason, Reason::ConsentRequired);
    // What is taken away is gone at once; its line comes as soon as it can be written.
    let lines = || rig.world.tables.of_kind(EventKind::ServerDisconnected).len();
    rig.world.until("recorded", || lines() == 1).await;
}

#[tokio::test]
async fn what_an_authorization_server_wants_beyond_the_standard_is_said_and_changes_nothing_else() {
    let mut own = connection("ledger");
    let deputy_hub::exchange::Way::UserOauth { consent, .. } = &mut own.way else { panic!("by consent") };
    let more = [("access_type", "offline"), ("prompt", "consent")];
    consent.authorization_parameters = more.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let rig = Rig::with(own).await;
    let alice = rig.signed_in("alice").await;
    let to = rig.connected(&alice).await;
    for (name, value) in more {
        assert_eq!(parameter(&to, name).as_deref(), Some(value));
    }
    assert_eq!(parameter(&to, "redirect_uri").as_deref(), Some(CALLBACK));
    assert!(rig.token(&asker("alice")).await.is_ok());
}

#[tokio::test]
async fn nobody_says_a_reserved_parameter_in_the_hubs_place() {
    let mut own = connection("ledger");
    let deputy_hub::exchange::Way::UserOauth { consent, .. } = &mut own.way else { panic!("by consent") };
    consent.authorization_parameters = vec![("state".to_owned(), "known".to_owned())];
    let rig = Rig::with(own).await;
    let alice = rig.signed_in("alice").await;
    assert!(rig.depart(&alice).await.is_err());
}
