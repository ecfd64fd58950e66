//! Tokens for servers: what is asked of whom, what is believed, what is kept, and what an agent is told (list D of the
//! identity reference).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use deputy_core::{Client, EventKind, Reason, SourceName, TenantId, User};
use deputy_hub::exchange::{Asker, AtServer, Connection, ExchangeRefusal, ServerClient, Way};
use deputy_hub::ports::{Clock as _, Revoked};
use deputy_hub::sign_in::Wanted;
use deputy_identity::ProviderName;
use deputy_testkit::{Asked, TestIssuer, World};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const RAS: &str = "https://ras.example";
const RESOURCE: &str = "https://ledger.example/mcp";
const DOCUMENT: &str = "https://hub.example/oauth/client.json";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

fn id_jag(server: &str) -> Connection {
    Connection {
        server: server.parse().unwrap(),
        tenant: TenantId::single(),
        resource: RESOURCE.to_owned(),
        scopes: vec!["ledger.read".to_owned()],
        way: Way::IdJag {
            provider: ProviderName::new("idp").unwrap(),
            at: AtServer {
                issuer: RAS.parse().unwrap(),
                token_endpoint: None,
                client: ServerClient::OwnDocument,
            },
        },
    }
}

/// What the provider answers to a token exchange.
type Leg = Arc<dyn Fn(&Asked) -> (u16, Value) + Send + Sync>;

struct Rig {
    world: World,
    first: Arc<Mutex<Leg>>,
    nonce: Arc<Mutex<String>>,
    renewals: Arc<AtomicUsize>,
    /// For how many seconds the ID tokens of the provider are good.
    life: Arc<AtomicU64>,
}

impl Rig {
    async fn new() -> Self {
        Self::with(vec![id_jag("ledger"), id_jag("second")]).await
    }

    async fn with(connections: Vec<Connection>) -> Self {
        let world = World::exchanging(World::sign_in(), connections).await;
        let (nonce, renewals) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
        let first: Arc<Mutex<Leg>> = Arc::new(Mutex::new(good_first(&world, |_| {})));
        let (leg, issuer, clock) = (Arc::clone(&first), Arc::clone(&world.issuer), Arc::clone(&world.clock));
        let (said, renewed) = (Arc::clone(&nonce), Arc::clone(&renewals));
        let life = Arc::new(AtomicU64::new(3600));
        let lasts = Arc::clone(&life);
        world.endpoints.answer(&format!("{}/token", TestIssuer::ISSUER), move |asked| {
            let kind = asked.form["grant_type"].as_str();
            if kind == EXCHANGE {
                let leg = leg.lock().unwrap().clone();
                return leg(asked);
            }
            let subject = if kind == "refresh_token" {
                renewed.fetch_add(1, Ordering::SeqCst);
                asked.form["refresh_token"].trim_start_matches("refresh-").to_owned()
            } else {
                asked.form["code"].clone()
            };
            let now = clock.now().seconds();
            let mut claims = json!({ "iss": TestIssuer::ISSUER, "sub": subject, "aud": "deputy", "iat": now,
                "exp": now + lasts.load(Ordering::SeqCst) });
            if kind == "authorization_code" {
                claims["nonce"] = json!(*said.lock().unwrap());
            }
            (
                200,
                json!({
                    "access_token": format!("access-{subject}"), "token_type": "Bearer", "expires_in": 3600,
                    "refresh_token": format!("refresh-{subject}"), "id_token": issuer.sign("JWT", &claims),
                }),
            )
        });
        world.endpoints.publish(
            &format!("{RAS}/.well-known/oauth-authorization-server"),
            json!({ "issuer": RAS, "token_endpoint": format!("{RAS}/token") }),
        );
        world.endpoints.answer(&format!("{RAS}/token"), |asked| {
            let token = format!("at-{}", asked.form.get("assertion").map_or(0, String::len));
            (200, json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 }))
        });
        Self { world, first, nonce, renewals, life }
    }

    async fn signed_in(&self, subject: &str) -> Asker {
        let logins = self.world.hub.authorization().unwrap().logins();
        let departure = logins.begin(Wanted::default()).await.unwrap();
        let of = |name: &str| departure.to.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        *self.nonce.lock().unwrap() = of("nonce");
        let query = format!("code={subject}&state={}&iss={}", of("state"), "https%3A%2F%2Fidp.example");
        logins.finish(query.as_bytes(), departure.cookie.expose()).await.unwrap();
        asker(subject)
    }

    fn first(&self, leg: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) {
        *self.first.lock().unwrap() = Arc::new(leg);
    }

    fn provider_says(&self, status: u16, body: Value) {
        self.first(move |_| (status, body.clone()));
    }

    async fn token(&self, asker: &Asker) -> Result<String, ExchangeRefusal> {
        self.token_of(asker, "ledger").await
    }

    async fn token_of(&self, asker: &Asker, server: &str) -> Result<String, ExchangeRefusal> {
        let server: SourceName = server.parse().unwrap();
        self.world.hub.exchange().token(asker, &server).await.map(|token| token.expose().clone())
    }

    fn first_legs(&self) -> Vec<Asked> {
        let asked = self.world.endpoints.asked();
        asked.into_iter().filter(|one| one.form["grant_type"] == EXCHANGE).collect()
    }

    fn second_legs(&self) -> Vec<Asked> {
        let asked = self.world.endpoints.asked();
        asked.into_iter().filter(|one| one.url == format!("{RAS}/token")).collect()
    }

    fn reason(result: Result<String, ExchangeRefusal>) -> Reason {
        result.unwrap_err().reason
    }
}

fn asker(subject: &str) -> Asker {
    let user = User {
        tenant: TenantId::single(),
        issuer: TestIssuer::ISSUER.parse().unwrap(),
        subject: subject.parse().unwrap(),
    };
    Asker { user, client: Client("agent-1".to_owned()) }
}

/// A provider that gives an ID-JAG, changed by `change`.
fn good_first(world: &World, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Leg {
    let (issuer, clock, count) = (Arc::clone(&world.issuer), Arc::clone(&world.clock), AtomicUsize::new(0));
    Arc::new(move |asked| {
        let now = clock.now().seconds();
        let jti = format!("jag-{}", count.fetch_add(1, Ordering::SeqCst));
        let mut claims = json!({
            "iss": TestIssuer::ISSUER, "sub": "pairwise", "aud": asked.form["audience"], "client_id": DOCUMENT,
            "resource": asked.form["resource"], "scope": asked.form["scope"], "jti": jti, "iat": now, "exp": now + 300,
        });
        change(&mut claims);
        (
            200,
            json!({
                "access_token": issuer.sign("oauth-id-jag+jwt", &claims), "token_type": "N_A", "expires_in": 300,
                "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            }),
        )
    })
}

#[tokio::test]
async fn d3_d4_leg_1_has_exactly_its_parameters_and_the_hubs_own_id_token_as_subject() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.token(&alice).await.unwrap();
    let asked = &rig.first_legs()[0];
    let names: Vec<&str> = asked.form.keys().map(String::as_str).collect();
    let all = [
        "audience",
        "grant_type",
        "requested_token_type",
        "resource",
        "scope",
        "subject_token",
        "subject_token_type",
    ];
    assert_eq!(names, all);
    assert_eq!((asked.form["audience"].as_str(), asked.form["resource"].as_str()), (RAS, RESOURCE));
    assert!(asked.form["subject_token_type"].ends_with(":id_token"));
    assert!(asked.authorization.is_some(), "the hub shows which client it is");
}

#[tokio::test]
async fn d3_the_bearer_with_which_an_agent_came_goes_nowhere() {
    let rig = Rig::new().await;
    let inbound = rig.world.access_token("alice", "/mcp");
    let caller = rig.world.caller("alice").await;
    rig.signed_in("alice").await;
    let asker = Asker::of_principal(&caller.principal()).unwrap();
    rig.token(&asker).await.unwrap();
    for asked in rig.world.endpoints.asked() {
        let all = format!("{asked:?}");
        assert!(!all.contains(&inbound), "{}", asked.url);
    }
}

#[tokio::test]
async fn d6_d10_leg_2_has_the_assertion_no_scope_and_a_signed_proof_of_the_hubs_own_document() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.token(&alice).await.unwrap();
    let asked = &rig.second_legs()[0];
    assert!(!asked.form.contains_key("scope") && asked.form.contains_key("assertion"));
    assert!(asked.form["client_assertion_type"].ends_with(":jwt-bearer"));
    let document = deputy_hub::exchange::Exchange::client_document("https://hub.example");
    assert_eq!(document["client_id"], DOCUMENT);
    assert_eq!(document["token_endpoint_auth_method"], "private_key_jwt");
}

#[tokio::test]
async fn d6_after_a_lost_second_leg_a_new_id_jag_is_had_and_none_is_sent_twice() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.world.endpoints.answer(&format!("{RAS}/token"), |_| (503, json!({})));
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable);
    rig.world.clock.advance(Duration::from_secs(2));
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable);
    let sent: Vec<String> = rig.second_legs().iter().map(|one| one.form["assertion"].clone()).collect();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0], sent[1]);
}

#[tokio::test]
async fn d5_d16_an_id_jag_that_is_not_what_was_asked_for_is_not_redeemed() {
    for (name, value) in [
        ("aud", json!("https://ras.example/")),
        ("aud", json!([RAS, "https://other.example"])),
        ("iss", json!("https://idp.example/")),
        ("client_id", json!("other")),
        ("resource", json!("https://ledger.example/mcp/")),
        ("scope", json!("ledger.read ledger.write")),
    ] {
        let rig = Rig::new().await;
        let alice = rig.signed_in("alice").await;
        let (member, wrong) = (name.to_owned(), value.clone());
        *rig.first.lock().unwrap() = good_first(&rig.world, move |claims| claims[&member] = wrong.clone());
        assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable, "{name} {value}");
        assert_eq!(rig.second_legs().len(), 0, "{name} {value}");
    }
}

#[tokio::test]
async fn d7_a_token_is_kept_until_before_its_end_and_never_shared() {
    let rig = Rig::new().await;
    let (alice, bob) = (rig.signed_in("alice").await, rig.signed_in("bob").await);
    for _ in 0..3 {
        rig.token(&alice).await.unwrap();
    }
    assert_eq!(rig.first_legs().len(), 1);
    rig.token(&bob).await.unwrap();
    assert_eq!(rig.first_legs().len(), 2, "another person");
    rig.token_of(&alice, "second").await.unwrap();
    assert_eq!(rig.first_legs().len(), 3, "another connection");
    rig.world.clock.advance(Duration::from_secs(269));
    rig.token(&alice).await.unwrap();
    assert_eq!(rig.first_legs().len(), 3);
    rig.world.clock.advance(Duration::from_secs(2));
    rig.token(&alice).await.unwrap();
    assert_eq!(rig.first_legs().len(), 4, "30 s before its end");
}

#[tokio::test]
async fn d7_a_token_ends_with_what_it_was_had_for_and_with_the_login_that_it_is_of() {
    let rig = Rig::new().await;
    rig.life.store(120, Ordering::SeqCst);
    let alice = rig.signed_in("alice").await;
    rig.token(&alice).await.unwrap();
    rig.world.clock.advance(Duration::from_secs(119));
    rig.token(&alice).await.unwrap();
    assert_eq!(rig.first_legs().len(), 1);
    rig.world.clock.advance(Duration::from_secs(2));
    rig.token(&alice).await.unwrap();
    assert_eq!(rig.first_legs().len(), 2, "the ID token ended");
    rig.signed_in("alice").await;
    rig.token(&alice).await.unwrap();
    assert_eq!(rig.first_legs().len(), 3, "a new login");
}

#[tokio::test]
async fn a_connection_of_another_tenant_is_none() {
    let other = Connection { tenant: "other".parse().unwrap(), ..id_jag("ledger") };
    let rig = Rig::with(vec![other]).await;
    let alice = rig.signed_in("alice").await;
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable);
    assert!(rig.first_legs().is_empty());
}

#[tokio::test]
async fn d7_a_refused_token_is_had_anew_once_and_then_no_more() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let server: SourceName = "ledger".parse().unwrap();
    for _ in 0..5 {
        rig.token(&alice).await.unwrap();
        rig.world.hub.exchange().drop_token(&alice, &server);
    }
    assert_eq!(rig.first_legs().len(), 2);
}

#[tokio::test]
async fn c4_r19_who_was_signed_out_is_given_no_token_and_none_stays_in_memory() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.token(&alice).await.unwrap();
    let target =
        Revoked::User { issuer: TestIssuer::ISSUER.parse().unwrap(), subject: "alice".parse().unwrap() };
    rig.world.hub.revocations().end(TenantId::single(), target, "operator").await.unwrap();
    let refused = rig.token(&alice).await.unwrap_err();
    assert_eq!(refused.reason, Reason::SessionEnded);
    assert!(refused.words.contains("https://hub.example/login"), "{}", refused.words);
    rig.world.hub.exchange().sweep();
    assert_eq!(rig.world.hub.exchange().kept_tokens(), 0);
}

#[tokio::test]
async fn c4_who_is_signed_out_while_a_token_is_made_is_not_given_it() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let tables = &rig.world.tables;
    tables.set_stalled(true);
    let sign_out = async {
        tables.until_handed_over(&[EventKind::TokenExchanged]).await;
        let target =
            Revoked::User { issuer: TestIssuer::ISSUER.parse().unwrap(), subject: "alice".parse().unwrap() };
        drop(rig.world.hub.revocations().end(TenantId::single(), target, "operator"));
        tables.set_stalled(false);
    };
    let (token, ()) = tokio::join!(rig.token(&alice), sign_out);
    assert_eq!(Rig::reason(token), Reason::SessionEnded);
    assert_eq!(rig.second_legs().len(), 1, "the server had given one");
    assert_eq!(rig.world.hub.exchange().kept_tokens(), 0);
}

#[tokio::test]
async fn d8_a_thousand_calls_at_once_are_one_exchange() {
    let rig = Arc::new(Rig::new().await);
    let alice = rig.signed_in("alice").await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (rig, alice) = (Arc::clone(&rig), alice.clone());
        all.spawn(async move { rig.token(&alice).await.is_ok() });
    }
    assert!(all.join_all().await.into_iter().all(|good| good));
    assert_eq!((rig.first_legs().len(), rig.second_legs().len()), (1, 1));
}

#[tokio::test]
async fn d8_a_thousand_refused_calls_are_one_exchange_and_another_person_is_served() {
    let rig = Arc::new(Rig::new().await);
    let (alice, bob) = (rig.signed_in("alice").await, rig.signed_in("bob").await);
    rig.provider_says(400, json!({ "error": "access_denied" }));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (rig, alice) = (Arc::clone(&rig), alice.clone());
        all.spawn(async move { rig.token(&alice).await.is_err() });
    }
    assert!(all.join_all().await.into_iter().all(|refused| refused));
    assert_eq!(rig.first_legs().len(), 1);
    *rig.first.lock().unwrap() = good_first(&rig.world, |_| {});
    rig.token(&bob).await.unwrap();
}

#[tokio::test]
async fn d9_what_only_an_administrator_can_change_is_not_asked_again_for_a_minute() {
    for error in ["access_denied", "invalid_target", "unauthorized_client", "invalid_scope"] {
        let rig = Rig::new().await;
        let alice = rig.signed_in("alice").await;
        rig.provider_says(400, json!({ "error": error }));
        assert_eq!(Rig::reason(rig.token(&alice).await), Reason::PolicyDenied, "{error}");
        rig.world.clock.advance(Duration::from_secs(59));
        assert_eq!(Rig::reason(rig.token(&alice).await), Reason::PolicyDenied, "{error}");
        assert_eq!(rig.first_legs().len(), 1, "{error}");
        rig.world.clock.advance(Duration::from_secs(2));
        drop(rig.token(&alice).await);
        assert_eq!(rig.first_legs().len(), 2, "{error}");
    }
}

#[tokio::test]
async fn d9_invalid_grant_at_leg_1_earns_one_renewal_and_no_more() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.provider_says(400, json!({ "error": "invalid_grant" }));
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::SessionEnded);
    assert_eq!((rig.first_legs().len(), rig.renewals.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn d9_d11_an_id_token_that_ended_is_renewed_first() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.world.clock.advance(Duration::from_secs(3601));
    rig.token(&alice).await.unwrap();
    assert_eq!((rig.first_legs().len(), rig.renewals.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn d9_a_better_sign_in_is_told_with_what_it_takes_and_not_tried_again() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let wanted =
        json!({ "error": "insufficient_user_authentication", "max_age": 300, "acr_values": "urn:acme:mfa" });
    rig.provider_says(400, wanted);
    for _ in 0..2 {
        let refused = rig.token(&alice).await.unwrap_err();
        assert_eq!(refused.reason, Reason::StepUpRequired);
        assert!(
            refused.words.contains("300 s") && refused.words.contains("urn:acme:mfa"),
            "{}",
            refused.words
        );
    }
    assert_eq!(rig.first_legs().len(), 1);
    // Once they have signed in again it is asked at once.
    *rig.first.lock().unwrap() = good_first(&rig.world, |_| {});
    rig.world.clock.advance(Duration::from_secs(1));
    rig.signed_in("alice").await;
    rig.token(&alice).await.unwrap();
}

#[tokio::test]
async fn d9_invalid_client_disables_the_connection_for_everybody_and_no_other() {
    let rig = Rig::new().await;
    let (alice, bob) = (rig.signed_in("alice").await, rig.signed_in("bob").await);
    rig.world.endpoints.answer(&format!("{RAS}/token"), |_| (401, json!({ "error": "invalid_client" })));
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable);
    rig.world.clock.advance(Duration::from_secs(3600));
    assert_eq!(Rig::reason(rig.token(&bob).await), Reason::UpstreamUnavailable);
    assert_eq!(rig.second_legs().len(), 1);
}

#[tokio::test]
async fn d9_a_provider_in_trouble_is_asked_less_and_less_often() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.provider_says(503, json!({}));
    let mut asked = Vec::new();
    for _ in 0..30 {
        drop(rig.token(&alice).await);
        asked.push(rig.first_legs().len());
        rig.world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(asked.last(), Some(&5), "after 0, 1, 3, 7 and 15 s");
}

#[tokio::test]
async fn d13_who_is_refused_at_leg_1_loses_what_was_had_before() {
    let rig = Rig::new().await;
    let (alice, bob) = (rig.signed_in("alice").await, rig.signed_in("bob").await);
    for asker in [&alice, &bob] {
        rig.token(asker).await.unwrap();
    }
    assert_eq!(rig.world.hub.exchange().kept_tokens(), 2);
    rig.provider_says(400, json!({ "error": "access_denied" }));
    drop(rig.token_of(&alice, "second").await);
    assert_eq!(rig.world.hub.exchange().kept_tokens(), 1, "bob keeps his");
    assert!(rig.token(&alice).await.is_err() && rig.token(&bob).await.is_ok());
}

#[tokio::test]
async fn d14_each_exchange_is_a_line_without_any_token() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let token = rig.token(&alice).await.unwrap();
    let lines = rig.world.tables.of_kind(EventKind::TokenExchanged);
    let [line] = lines.as_slice() else { panic!("one line") };
    assert_eq!((line.lane.as_deref(), line.user.as_ref()), (Some("exchange"), Some(&alice.user)));
    for (name, value) in [
        ("provider", json!("idp")),
        ("authorization_server", json!(RAS)),
        ("resource", json!(RESOURCE)),
        ("credential", json!("id_jag")),
        ("scopes", json!(["ledger.read"])),
        ("scopes_granted", json!(["ledger.read"])),
    ] {
        assert_eq!(line.detail[name], value, "{name}");
    }
    assert!(line.detail.contains_key("assertion") && line.detail.contains_key("expires_at"));
    let assertion = &rig.second_legs()[0].form["assertion"];
    let all = serde_json::to_string(&rig.world.tables.events()).unwrap();
    assert!(!all.contains(assertion.as_str()) && !all.contains(&token) && !all.contains("jag-0"));
    rig.provider_says(400, json!({ "error": "access_denied" }));
    drop(rig.token_of(&alice, "second").await);
    let refused = rig.world.tables.of_kind(EventKind::ExchangeRefused);
    assert_eq!(refused[0].detail["why"], "exchange_access_denied");
}

#[tokio::test]
async fn d14_a_token_whose_line_cannot_be_written_is_not_used() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.world.tables.set_broken(true);
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::AuditUnavailable);
    assert_eq!(rig.world.hub.exchange().kept_tokens(), 0);
}

#[tokio::test]
async fn d1_a_server_that_names_another_authorization_server_is_given_nothing() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    rig.world.endpoints.publish(
        "https://ledger.example/.well-known/oauth-protected-resource/mcp",
        json!({ "resource": RESOURCE, "authorization_servers": ["https://evil.example"] }),
    );
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable);
    assert_eq!((rig.first_legs().len(), rig.second_legs().len()), (0, 0));
    assert!(rig.world.endpoints.asked().iter().all(|asked| !asked.url.contains("evil")));
}

#[tokio::test]
async fn d1_a_challenge_that_leads_elsewhere_ends_the_connection() {
    let rig = Rig::new().await;
    let alice = rig.signed_in("alice").await;
    let server: SourceName = "ledger".parse().unwrap();
    rig.token(&alice).await.unwrap();
    rig.world.endpoints.publish(
        "https://ledger.example/elsewhere",
        json!({ "resource": RESOURCE, "authorization_servers": ["https://evil.example"] }),
    );
    let challenge = "Bearer error=\"invalid_token\", resource_metadata=\"https://ledger.example/elsewhere\"";
    assert!(rig.world.hub.exchange().is_led_astray(&alice, &server, challenge).await);
    assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable);
    assert_eq!(rig.world.hub.exchange().kept_tokens(), 0);
}

#[tokio::test]
async fn d2_hostile_upstream_metadata_of_another_issuer_or_with_a_foreign_endpoint_is_not_believed() {
    for (issuer, endpoint) in
        [("https://ras.example/", format!("{RAS}/token")), (RAS, "https://evil.example/token".to_owned())]
    {
        let rig = Rig::new().await;
        let alice = rig.signed_in("alice").await;
        rig.world.endpoints.publish(
            &format!("{RAS}/.well-known/oauth-authorization-server"),
            json!({ "issuer": issuer, "token_endpoint": endpoint }),
        );
        assert_eq!(Rig::reason(rig.token(&alice).await), Reason::UpstreamUnavailable);
        assert_eq!((rig.first_legs().len(), rig.second_legs().len()), (0, 0));
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_where_to() {
    let rig = Rig::new().await;
    let refused = rig.token(&asker("mallory")).await.unwrap_err();
    assert_eq!(refused.reason, Reason::SessionEnded);
    assert!(refused.words.contains("https://hub.example/login"));
    assert!(Asker::of_principal("deputy check").is_none() && Asker::of_principal("[\"a\"]").is_none());
}

#[tokio::test]
async fn client_credentials_act_as_the_service_and_the_line_says_so() {
    let connection = Connection {
        way: Way::ClientCredentials {
            at: AtServer {
                issuer: RAS.parse().unwrap(),
                token_endpoint: None,
                client: ServerClient::OwnDocument,
            },
        },
        ..id_jag("ledger")
    };
    let rig = Rig::with(vec![connection]).await;
    rig.token(&asker("alice")).await.unwrap();
    let asked = &rig.second_legs()[0];
    assert_eq!(asked.form["grant_type"], "client_credentials");
    assert!(!asked.form.contains_key("assertion"));
    assert_eq!(rig.world.tables.of_kind(EventKind::TokenExchanged)[0].lane.as_deref(), Some("key"));
}
