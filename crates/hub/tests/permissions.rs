//! How far a permission goes: its own agent, address, login and reach, and no farther; when a page is shown and when none is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod signing;

use deputy_core::{Client, Effect, Facts as _, SwitchTarget, TenantId};
use deputy_hub::ports::{AccessChange, AccessTable as _, Clock as _, Sources};
use deputy_hub::sign_in::{ApprovedAgent, SignInSetup, Step};
use deputy_hub::{Denied, Door};
use deputy_identity::authorization::ErrorCode;
use deputy_testkit::{TestIssuer, World};
use serde_json::json;
use signing::{BACK, Browser, CLIENT, Signing, VERIFIER, consent, document, query, redirected, said, shown};
use std::time::Duration;

const FILES: &str = "https://hub.example/s/files/mcp";
const OTHER: &str = "https://other.example/client.json";
const OTHER_BACK: &str = "https://other.example/callback";

async fn signed_in(signing: &Signing, subject: &str) -> Browser {
    let mut browser = Browser::default();
    signing.sign_in(&mut browser, subject).await.unwrap();
    browser
}

fn approving(sources: Option<&str>) -> SignInSetup {
    let agent = ApprovedAgent {
        tenant: TenantId::single(),
        client: Client(CLIENT.to_owned()),
        most: Effect::Write,
        sources: sources.map(|source| vec![source.parse().unwrap()]),
    };
    SignInSetup { agents: vec![agent], ..World::sign_in() }
}

#[tokio::test]
async fn rfc_8707_a_request_names_one_resource_and_its_code_brings_no_token_for_another() {
    let signing = Signing::new().await;
    let alice = signed_in(&signing, "alice").await;
    let both = format!("{}&resource={FILES}", query(&[]));
    let answer = said(&redirected(signing.authorize(&alice, &both).await));
    assert_eq!(answer["error"], "invalid_target");
    let code = signing.code(&alice, &query(&[])).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT),
        ("resource", FILES),
    ];
    assert_eq!(signing.token(&form).await.unwrap_err().code, ErrorCode::InvalidTarget);
}

#[tokio::test]
async fn scope_widening_the_page_of_one_server_gives_that_server_and_a_page_without_a_source_nothing() {
    let signing = Signing::new().await;
    let alice = signed_in(&signing, "alice").await;
    let user = signing.login_of(&alice).unwrap().user.clone();
    let page = consent(signing.authorize(&alice, &query(&[])).await);
    let body = format!("form={}&decision=allow&most=read", page.form);
    let step = signing.server().decide(body.as_bytes(), alice.login.as_deref()).await;
    assert_eq!(said(&redirected(step))["error"], "access_denied");
    assert!(signing.world.hub.access().grants_of(&user).is_empty());
    let page = consent(signing.authorize(&alice, &query(&[("resource", FILES)])).await);
    redirected(signing.decide(&alice, &page.form, "read").await);
    let given = signing.world.hub.access().grants_of(&user);
    assert_eq!(given[0].sources, Sources::Only(vec!["files".parse().unwrap()]), "the form said all");
}

/// Another agent, which signs nothing either.
fn other_agent(signing: &Signing) {
    let mut other = document();
    other["client_id"] = OTHER.into();
    other["redirect_uris"] = json!([OTHER_BACK]);
    signing.world.endpoints.publish(OTHER, other);
}

#[tokio::test]
async fn a_refresh_token_is_its_own_clients_to_use_and_to_give_back() {
    let signing = Signing::new().await;
    other_agent(&signing);
    let token = signing.agent_token(&mut Browser::default(), "alice", "read").await;
    let refresh = signing.refresh_token();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("client_id", OTHER)];
    assert_eq!(signing.token(&form).await.unwrap_err().code, ErrorCode::InvalidGrant);
    let body = format!("token={refresh}&client_id={OTHER}");
    signing.server().revoke(body.as_bytes(), None).await.unwrap();
    assert!(signing.world.hub.authenticate(&Door::Mcp, &token).await.is_ok());
    signing.refresh(&refresh).await.unwrap();
}

#[tokio::test]
async fn a_client_with_a_key_that_shows_none_or_calls_itself_another_gets_no_token() {
    let signing = Signing::new().await;
    other_agent(&signing);
    let agent = TestIssuer::new();
    let mut signs = document();
    signs["token_endpoint_auth_method"] = json!("private_key_jwt");
    signs["jwks"] = agent.set();
    signing.world.endpoints.publish(CLIENT, signs);
    let browser = signed_in(&signing, "alice").await;
    let now = signing.world.clock.now().seconds();
    let claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": "https://hub.example", "jti": "j", "iat": now, "exp": now + 60});
    let proof = agent.sign("client-authentication+jwt", &claims);
    let code = signing.code(&browser, &query(&[("prompt", "consent")])).await;
    let with = |more: &[(&'static str, &str)]| {
        let usual = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        usual.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let shown = ("client_assertion", proof.as_str());
    for form in [with(&[("client_id", CLIENT)]), with(&[("client_id", OTHER), kind, shown])] {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(signing.token(&form).await.unwrap_err().code, ErrorCode::InvalidClient, "{form:?}");
    }
    let form = with(&[kind, shown]);
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    signing.token(&form).await.unwrap();
}

#[tokio::test]
async fn what_was_allowed_needs_no_page_again_for_this_agent_address_login_and_reach_alone() {
    let signing = Signing::new().await;
    other_agent(&signing);
    let alice = signed_in(&signing, "alice").await;
    signing.code(&alice, &query(&[])).await;
    assert!(said(&redirected(signing.authorize(&alice, &query(&[])).await)).contains_key("code"));
    for otherwise in [
        &[("scope", "write")][..],
        &[("resource", FILES)],
        &[("client_id", OTHER), ("redirect_uri", OTHER_BACK)],
        &[("prompt", "consent")],
    ] {
        consent(signing.authorize(&alice, &query(otherwise)).await);
    }
    let elsewhere = signed_in(&signing, "alice").await;
    consent(signing.authorize(&elsewhere, &query(&[])).await);
}

#[tokio::test]
async fn an_agent_that_is_approved_for_some_servers_shows_a_page_for_another() {
    for (sources, shows) in [("files", false), ("crm", true)] {
        let signing = Signing::with(approving(Some(sources))).await;
        let alice = signed_in(&signing, "alice").await;
        let step = signing.authorize(&alice, &query(&[("resource", FILES)])).await;
        assert_eq!(matches!(step, Step::Consent(_)), shows, "{sources}: {}", shown(&step));
    }
}

#[tokio::test]
async fn a_login_that_is_too_old_or_too_weak_for_an_agent_is_not_enough() {
    let signing = Signing::with(approving(None)).await;
    let alice = signed_in(&signing, "alice").await;
    signing.world.clock.advance(Duration::from_secs(120));
    redirected(signing.authorize(&alice, &query(&[])).await);
    for wanted in [("max_age", "60"), ("prompt", "login"), ("acr_values", "urn:acme:mfa")] {
        let step = signing.authorize(&alice, &query(&[wanted])).await;
        let Step::SignIn(departure) = step else { panic!("{wanted:?}: {}", shown(&step)) };
        assert_eq!(said(&departure.to).get(wanted.0).map(String::as_str), Some(wanted.1));
    }
}

#[tokio::test]
async fn neither_a_permission_nor_a_token_outlives_the_login() {
    let signing = Signing::with(SignInSetup { session: Duration::from_secs(100), ..World::sign_in() }).await;
    let alice = signed_in(&signing, "alice").await;
    let login = signing.login_of(&alice).unwrap();
    let code = signing.code(&alice, &query(&[])).await;
    let tokens = signing.redeem(&code).await.unwrap();
    assert_eq!(tokens["expires_in"], 100);
    assert_eq!(signing.world.hub.access().grants_of(&login.user)[0].ends_at, login.ends_at);
    signing.world.clock.advance(Duration::from_secs(100));
    assert!(signing.login_of(&alice).is_none());
    assert!(signing.refresh(tokens["refresh_token"].as_str().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_permission_that_was_not_renewed_in_time_is_renewed_no_more_though_its_person_is_signed_in() {
    let signing = Signing::with(SignInSetup { grant: Duration::from_secs(60), ..World::sign_in() }).await;
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "read").await;
    signing.world.clock.advance(Duration::from_secs(59));
    assert!(signing.world.hub.authenticate(&Door::Mcp, &token).await.is_ok());
    signing.world.clock.advance(Duration::from_secs(1));
    assert!(signing.refresh(&signing.refresh_token()).await.is_err());
    assert!(signing.login_of(&alice).is_some());
}

#[tokio::test]
async fn a_person_who_is_stopped_stops_their_agents_that_the_hub_gave_tokens_to() {
    let signing = Signing::new().await;
    let token = signing.agent_token(&mut Browser::default(), "alice", "read").await;
    let caller = signing.world.hub.authenticate(&Door::Mcp, &token).await.unwrap();
    let user = caller.user();
    let target = SwitchTarget::User { issuer: user.issuer.clone(), subject: user.subject.clone() };
    signing.world.hub.switches().throw_as(&caller, target, None).await.unwrap();
    assert_eq!(signing.world.hub.authenticate(&Door::Mcp, &token).await.unwrap_err(), Denied::Refused);
}

#[tokio::test]
async fn c4_a_login_that_was_being_taken_away_when_the_hub_stopped_is_not_taken_up_again() {
    let signing = Signing::new().await;
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "read").await;
    let (user, tables) = (signing.login_of(&alice).unwrap().user.clone(), &signing.world.tables);
    let rows = tables.access_rows();
    signing.world.hub.revocations().shut_out(&user, "operator").await.unwrap();
    let nobody = || tables.access_rows().iter().all(|row| row.person().is_none());
    signing.world.until("all of it is gone", nobody).await;
    // As if the hub had stopped before.
    tables.change_access(AccessChange { put: rows, ..AccessChange::default() }).await.unwrap();
    let again = signing.again(World::sign_in()).await;
    assert!(again.login_of(&alice).is_none());
    assert!(again.world.hub.authenticate(&Door::Mcp, &token).await.is_err());
}
