//! Signing in at the hub and its authorization server, as an attacker would try them: codes, redirects, consent, refresh
//! tokens, mix-up, fixation (OAuth 2.1, RFC 9700, RFC 9207, RFC 8707).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod signing;

use deputy_core::{Client, Effect, Facts as _, Reason, TenantId};
use deputy_hub::sign_in::{ApprovedAgent, SignInSetup, Step, Vouched, Wanted};
use deputy_hub::tickets::TicketWish;
use deputy_hub::{CallEvent, Denied, Door};
use deputy_identity::authorization::ErrorCode;
use deputy_testkit::{TestIssuer, World, wish};
use serde_json::json;
use signing::{
    BACK, Browser, CLIENT, MCP, Signing, VERIFIER, consent, document, query, redirected, said, shown,
};
use std::time::Duration;

async fn signed_in(signing: &Signing, subject: &str) -> Browser {
    let mut browser = Browser::default();
    signing.sign_in(&mut browser, subject).await.unwrap();
    browser
}

fn approving(most: Effect) -> SignInSetup {
    let agent =
        ApprovedAgent { tenant: TenantId::single(), client: Client(CLIENT.to_owned()), most, sources: None };
    SignInSetup { agents: vec![agent], ..World::sign_in() }
}

#[tokio::test]
async fn a_person_signs_in_allows_an_agent_and_it_acts_for_them() {
    let signing = Signing::new().await;
    let browser = Browser::default();
    let Step::SignIn(departure) = signing.authorize(&browser, &query(&[])).await else {
        panic!("nobody is signed in");
    };
    let back = signing.at_provider(&departure.to, "alice");
    let arrival = signing.server().logins().finish(back.as_bytes(), departure.cookie.expose()).await.unwrap();
    let resumed = arrival.resume.strip_prefix("/oauth/authorize?").unwrap().to_owned();
    let browser = Browser { login: Some(arrival.cookie.expose().clone()) };
    let page = consent(signing.authorize(&browser, &resumed).await);
    assert_eq!((page.name.as_str(), page.person.as_str(), page.wanted), ("Desk", "alice", Effect::Read));
    assert_eq!(page.vouched, Vouched::Host("agent.example".to_owned()));
    assert_eq!(
        (page.answers_to.as_str(), page.sent_on_to.as_str()),
        ("agent.example", "https://agent.example")
    );
    let back = redirected(signing.decide(&browser, &page.form, "read").await);
    let answer = said(&back);
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("st", "https://hub.example"));
    let tokens = signing.redeem(&answer["code"]).await.unwrap();
    assert_eq!((tokens["scope"].as_str(), tokens["token_type"].as_str()), (Some("read"), Some("Bearer")));
    let token = tokens["access_token"].as_str().unwrap();
    let caller = signing.world.hub.authenticate(&Door::Mcp, token).await.unwrap();
    assert_eq!((caller.user().subject.as_str(), caller.client().0.as_str()), ("alice", CLIENT));
}

#[tokio::test]
async fn a_client_that_registered_itself_is_vouched_for_by_nobody() {
    let setup = SignInSetup { dynamic_registration: true, ..World::sign_in() };
    let signing = Signing::with(setup).await;
    let body = json!({"client_name": "Any <b>name</b>", "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none"});
    let registered = signing.server().register(body.to_string().as_bytes()).await.unwrap();
    let client = registered["client_id"].as_str().unwrap();
    let browser = signed_in(&signing, "alice").await;
    // Any port of this machine (RFC 8252 section 7.3).
    let back = "http://127.0.0.1:51234/callback";
    let asked = query(&[("client_id", client), ("redirect_uri", back)]);
    let page = consent(signing.authorize(&browser, &asked).await);
    assert_eq!(
        (page.vouched, page.answers_to.as_str()),
        (Vouched::Nobody, "an application on this computer")
    );
    let answer = said(&redirected(signing.decide(&browser, &page.form, "read").await));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", answer["code"].as_str()),
        ("redirect_uri", back),
        ("code_verifier", VERIFIER),
        ("client_id", client),
    ];
    signing.token(&form).await.unwrap();
}

#[tokio::test]
async fn r16_open_registration_nobody_registers_where_the_operator_did_not_allow_it() {
    let signing = Signing::new().await;
    let body = json!({"redirect_uris": ["https://x.example/cb"]}).to_string();
    assert!(signing.server().register(body.as_bytes()).await.unwrap_err().is_none());
    assert!(signing.server().metadata().get("registration_endpoint").is_none());
    let browser = signed_in(&signing, "alice").await;
    let step = signing.authorize(&browser, &query(&[("client_id", "dcr_unknown")])).await;
    assert!(matches!(step, Step::Shown { code: ErrorCode::InvalidClient, .. }), "{}", shown(&step));
}

#[tokio::test]
async fn id_token_as_an_assertion_opens_nothing_at_the_hub() {
    let signing = Signing::new().await;
    let world = &signing.world;
    let now = deputy_hub::ports::Clock::now(&*world.clock).seconds();
    let claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": "https://hub.example", "jti": "j", "iat": now, "exp": now + 60});
    for token in [world.id_token("alice"), world.issuer.sign("JWT", &claims)] {
        let bearer = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", token.as_str()),
            ("client_id", CLIENT),
        ];
        let refused = signing.token(&bearer).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::UnsupportedGrantType, "{}", refused.words);
        let browser = signed_in(&signing, "alice").await;
        let code = signing.code(&browser, &query(&[("prompt", "consent")])).await;
        let proof = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token.as_str()),
        ];
        assert_eq!(signing.token(&proof).await.unwrap_err().code, ErrorCode::InvalidClient);
    }
}

#[tokio::test]
async fn a_replayed_client_assertion_is_refused_at_the_hub() {
    let signing = Signing::new().await;
    let agent = TestIssuer::new();
    let mut signs = document();
    signs["token_endpoint_auth_method"] = json!("private_key_jwt");
    signs["jwks"] = agent.set();
    signing.world.endpoints.publish(CLIENT, signs);
    let browser = signed_in(&signing, "alice").await;
    let now = deputy_hub::ports::Clock::now(&*signing.world.clock).seconds();
    let proof = |id: &str| {
        let claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": "https://hub.example", "jti": id, "iat": now, "exp": now + 60});
        agent.sign("client-authentication+jwt", &claims)
    };
    let redeem = async |code: &str, proof: &str| {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", proof),
        ];
        signing.token(&form).await
    };
    let first = signing.code(&browser, &query(&[("prompt", "consent")])).await;
    redeem(&first, &proof("one")).await.unwrap();
    let second = signing.code(&browser, &query(&[("prompt", "consent")])).await;
    assert_eq!(redeem(&second, &proof("one")).await.unwrap_err().code, ErrorCode::InvalidClient);
    redeem(&second, &proof("two")).await.unwrap();
}

#[tokio::test]
async fn redirect_tricks_lead_nowhere() {
    let signing = Signing::new().await;
    let browser = signed_in(&signing, "alice").await;
    for bad in [
        "https://agent.example/callback/../evil",
        "https://agent.example/callbackx",
        "https://agent.example/callback/x",
        "https://agent.example/callback?x=1",
        "https://agent.example/callback#x",
        "https://agent.example:8443/callback",
        "https://sub.agent.example/callback",
        "https://agent.example.evil.example/callback",
        "https://agent.example@evil.example/callback",
        "https://evil.example\\@agent.example/callback",
        "https://agent.example\\.evil.example/callback",
        "http://agent.example/callback",
        "https://AGENT.example/callback",
        "https://agent.example/%63allback",
        "javascript:alert(1)",
        "//agent.example/callback",
        " https://agent.example/callback",
    ] {
        for browser in [&browser, &Browser::default()] {
            let step = signing.authorize(browser, &query(&[("redirect_uri", bad)])).await;
            assert!(matches!(step, Step::Shown { .. }), "{bad}: {}", shown(&step));
        }
    }
}

#[tokio::test]
async fn code_injection_a_wrong_verifier_address_or_client_gets_no_token_and_ends_what_the_code_stood_for() {
    let signing = Signing::new().await;
    let browser = signed_in(&signing, "alice").await;
    let user = signing.login_of(&browser).unwrap().user.clone();
    let wrong_verifier = "x".repeat(43);
    for (name, value, ends) in [
        ("code_verifier", wrong_verifier.as_str(), true),
        ("redirect_uri", "https://agent.example/other", true),
        ("client_id", "https://other.example/client.json", false),
    ] {
        let mut other = document();
        other["client_id"] = "https://other.example/client.json".into();
        other["redirect_uris"] = json!(["https://other.example/callback"]);
        signing.world.endpoints.publish("https://other.example/client.json", other);
        let code = signing.code(&browser, &query(&[("prompt", "consent")])).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_id", CLIENT),
        ];
        let form = form.map(|(own, usual)| (own, if own == name { value } else { usual }));
        assert_eq!(signing.token(&form).await.unwrap_err().code, ErrorCode::InvalidGrant, "{name}");
        assert_eq!(signing.world.hub.access().grants_of(&user).is_empty(), ends, "{name}");
        assert_eq!(
            signing.redeem(&code).await.is_err(),
            ends,
            "{name}: somebody else's try costs the client nothing"
        );
    }
}

#[tokio::test]
async fn code_injection_a_replayed_code_ends_what_it_began_and_an_old_one_is_none() {
    let signing = Signing::new().await;
    let browser = signed_in(&signing, "alice").await;
    let code = signing.code(&browser, &query(&[])).await;
    let token = signing.redeem(&code).await.unwrap()["access_token"].as_str().unwrap().to_owned();
    assert!(signing.world.hub.authenticate(&Door::Mcp, &token).await.is_ok());
    assert_eq!(signing.redeem(&code).await.unwrap_err().code, ErrorCode::InvalidGrant);
    assert!(signing.world.hub.authenticate(&Door::Mcp, &token).await.is_err());
    let code = signing.code(&browser, &query(&[])).await;
    signing.world.clock.advance(Duration::from_secs(61));
    assert_eq!(signing.redeem(&code).await.unwrap_err().code, ErrorCode::InvalidGrant);
}

#[tokio::test]
async fn csrf_on_consent_another_browsers_form_or_none_gives_nothing() {
    let signing = Signing::new().await;
    let (alice, mallory) = (signed_in(&signing, "alice").await, signed_in(&signing, "mallory").await);
    let of_mallory = consent(signing.authorize(&mallory, &query(&[])).await);
    for (browser, form) in [
        (&alice, of_mallory.form.as_str()),
        (&Browser::default(), of_mallory.form.as_str()),
        (&alice, ""),
        (&alice, "dep.invented"),
    ] {
        let step = signing.decide(browser, form, "destructive").await;
        assert!(matches!(step, Step::Shown { .. }), "{}", shown(&step));
    }
    let user = signing.login_of(&alice).unwrap().user.clone();
    assert!(signing.world.hub.access().grants_of(&user).is_empty());
    let page = consent(signing.authorize(&alice, &query(&[])).await);
    signing.world.clock.advance(Duration::from_secs(901));
    assert!(matches!(signing.decide(&alice, &page.form, "read").await, Step::Shown { .. }), "too old");
}

#[tokio::test]
async fn scope_widening_a_changed_form_gives_no_more_than_was_asked_for() {
    let signing = Signing::new().await;
    let alice = signed_in(&signing, "alice").await;
    let page = consent(signing.authorize(&alice, &query(&[("scope", "read")])).await);
    let code = said(&redirected(signing.decide(&alice, &page.form, "destructive").await))["code"].clone();
    assert_eq!(signing.redeem(&code).await.unwrap()["scope"], "read");
}

#[tokio::test]
async fn a_person_who_refuses_sends_the_agent_back_with_nothing() {
    let signing = Signing::new().await;
    let alice = signed_in(&signing, "alice").await;
    let page = consent(signing.authorize(&alice, &query(&[])).await);
    let body = format!("form={}&decision=refuse", page.form);
    let step = signing.server().decide(body.as_bytes(), alice.login.as_deref()).await;
    let answer = said(&redirected(step));
    assert_eq!(answer["error"], "access_denied");
    assert_eq!((answer["iss"].as_str(), answer["state"].as_str()), ("https://hub.example", "st"), "RFC 9207");
    assert!(!answer.contains_key("code"));
}

#[tokio::test]
async fn mix_up_an_answer_of_another_issuer_or_of_none_signs_nobody_in() {
    let signing = Signing::new().await;
    for issuer in [Some("https://evil.example"), Some("https://idp.example/"), None] {
        let departure = signing.server().logins().begin(Wanted::default()).await.unwrap();
        let good = signing.at_provider(&departure.to, "alice");
        let own = url::form_urlencoded::parse(good.as_bytes()).into_owned();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(own.filter(|(name, _)| name != "iss"));
        form.extend_pairs(issuer.map(|issuer| ("iss", issuer)));
        let before = signing.world.endpoints.asked().len();
        let done =
            signing.server().logins().finish(form.finish().as_bytes(), departure.cookie.expose()).await;
        assert!(done.is_err(), "{issuer:?}");
        assert_eq!(signing.world.endpoints.asked().len(), before, "its code was sent nowhere");
    }
}

#[tokio::test]
async fn code_injection_the_answer_to_another_browser_signs_nobody_in() {
    let signing = Signing::new().await;
    let logins = signing.server().logins();
    let of_mallory = logins.begin(Wanted::default()).await.unwrap();
    let of_alice = logins.begin(Wanted::default()).await.unwrap();
    let code = signing.at_provider(&of_mallory.to, "mallory");
    let before = signing.world.endpoints.asked().len();
    assert!(logins.finish(code.as_bytes(), of_alice.cookie.expose()).await.is_err(), "login CSRF");
    assert!(logins.finish(code.as_bytes(), "").await.is_err());
    assert_eq!(signing.world.endpoints.asked().len(), before, "the code was sent nowhere");
    // Mallory's code with the state of Alice's browser: the nonce in the ID token is another.
    let state = said(&of_alice.to)["state"].clone();
    let own = url::form_urlencoded::parse(code.as_bytes()).into_owned().map(|(name, value)| {
        let value = if name == "state" { state.clone() } else { value };
        (name, value)
    });
    let mixed = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(own).finish();
    assert!(logins.finish(mixed.as_bytes(), of_alice.cookie.expose()).await.is_err());
}

#[tokio::test]
async fn session_fixation_each_sign_in_makes_a_cookie_of_its_own_and_an_old_answer_is_none() {
    let signing = Signing::new().await;
    let (one, two) = (signed_in(&signing, "alice").await, signed_in(&signing, "alice").await);
    assert_ne!(one.login, two.login);
    let logins = signing.server().logins();
    let departure = logins.begin(Wanted::default()).await.unwrap();
    let back = signing.at_provider(&departure.to, "alice");
    signing.world.clock.advance(Duration::from_secs(3600));
    assert!(logins.finish(back.as_bytes(), departure.cookie.expose()).await.is_err());
    assert!(logins.of_cookie("chosen-by-somebody-else").is_none());
}

#[tokio::test]
async fn a_person_comes_back_to_nowhere_but_the_hub() {
    let signing = Signing::new().await;
    for bad in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let wanted = Wanted { resume: bad.to_owned(), ..Wanted::default() };
        let departure = signing.server().logins().begin(wanted).await.unwrap();
        let back = signing.at_provider(&departure.to, "alice");
        let arrival = signing.server().logins().finish(back.as_bytes(), departure.cookie.expose()).await;
        assert_eq!(arrival.unwrap().resume, "/login", "{bad}");
    }
}

#[tokio::test]
async fn a_replayed_refresh_token_ends_the_permission_for_each_is_good_once() {
    let signing = Signing::new().await;
    signing.agent_token(&mut Browser::default(), "alice", "read").await;
    let first = signing.refresh_token();
    let renewed = signing.refresh(&first).await.unwrap();
    let (second, token) =
        (renewed["refresh_token"].as_str().unwrap(), renewed["access_token"].as_str().unwrap());
    assert_ne!(first, second);
    assert!(signing.world.hub.authenticate(&Door::Mcp, token).await.is_ok());
    assert_eq!(signing.refresh(&first).await.unwrap_err().code, ErrorCode::InvalidGrant);
    assert!(signing.world.hub.authenticate(&Door::Mcp, token).await.is_err());
    assert_eq!(signing.refresh(second).await.unwrap_err().code, ErrorCode::InvalidGrant);
}

#[tokio::test]
async fn of_two_who_refresh_at_once_only_one_gets_tokens() {
    let signing = Signing::new().await;
    signing.agent_token(&mut Browser::default(), "alice", "read").await;
    let first = signing.refresh_token();
    let tables = &signing.world.tables;
    // Both have been found good before either is written.
    tables.set_stalled(true);
    let go_on = async {
        tables.until_held_up().await;
        tables.set_stalled(false);
    };
    let (one, two, ()) = tokio::join!(signing.refresh(&first), signing.refresh(&first), go_on);
    assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
}

#[tokio::test]
async fn who_signs_out_while_an_agents_permission_is_written_gave_none_and_nothing_is_kept() {
    let signing = Signing::new().await;
    let alice = signed_in(&signing, "alice").await;
    let page = consent(signing.authorize(&alice, &query(&[])).await);
    let tables = &signing.world.tables;
    tables.set_stalled(true);
    let sign_out = async {
        tables.until_held_up().await;
        assert!(signing.world.hub.sign_out(alice.login.as_deref().unwrap(), "person"));
        tables.set_stalled(false);
    };
    let (step, ()) = tokio::join!(signing.decide(&alice, &page.form, "read"), sign_out);
    assert_eq!(said(&redirected(step))["error"], "login_required");
    let nobody = || tables.access_rows().iter().all(|row| row.person().is_none());
    signing.world.until("nothing is kept", nobody).await;
}

#[tokio::test]
async fn c4_who_is_shut_out_while_their_sign_in_is_written_is_not_signed_in() {
    let signing = Signing::new().await;
    let user = signing.login_of(&signed_in(&signing, "alice").await).unwrap().user.clone();
    let (logins, tables) = (signing.server().logins(), &signing.world.tables);
    let departure = logins.begin(Wanted::default()).await.unwrap();
    let back = signing.at_provider(&departure.to, "alice");
    tables.set_stalled(true);
    let shut_out = async {
        tables.until_held_up().await;
        drop(signing.world.hub.revocations().shut_out(&user, "operator"));
        tables.set_stalled(false);
    };
    let (arrived, ()) = tokio::join!(logins.finish(back.as_bytes(), departure.cookie.expose()), shut_out);
    assert!(arrived.is_err());
    assert!(signing.world.hub.access().logins_of(&user).is_empty());
}

#[tokio::test]
async fn scope_widening_a_refresh_may_ask_for_less_and_never_for_more() {
    let signing = Signing::new().await;
    let mut alice = Browser::default();
    signing.agent_token(&mut alice, "alice", "read write").await;
    let refresh = async |token: &str, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", CLIENT),
            ("scope", scope),
        ];
        signing.token(&form).await
    };
    let less = refresh(&signing.refresh_token(), "read").await.unwrap();
    assert_eq!(less["scope"], "read");
    let caller =
        signing.world.hub.authenticate(&Door::Mcp, less["access_token"].as_str().unwrap()).await.unwrap();
    let _tab = signing.world.tab("alice").await;
    let refused = signing.world.run(caller, wish("note", &json!({}))).await.unwrap_err();
    assert_eq!((refused.reason, refused.needs), (Reason::GrantExceeded, Some(Effect::Write)));
    match refresh(less["refresh_token"].as_str().unwrap(), "read write destructive").await {
        Ok(more) => assert_eq!(more["scope"], "read write"),
        Err(fault) => assert_eq!(fault.code, ErrorCode::InvalidScope),
    }
}

#[tokio::test]
async fn rfc_8707_an_unknown_resource_is_refused_and_a_token_opens_its_own_alone() {
    let signing = Signing::new().await;
    let alice = signed_in(&signing, "alice").await;
    for bad in ["https://evil.example/mcp", "https://hub.example/s/nobody/mcp", "https://hub.example/mcp/"] {
        let answer = said(&redirected(signing.authorize(&alice, &query(&[("resource", bad)])).await));
        assert_eq!(answer["error"], "invalid_target", "{bad}");
    }
    let files = "https://hub.example/s/files/mcp";
    let page = consent(signing.authorize(&alice, &query(&[("resource", files)])).await);
    assert_eq!(page.sources.len(), 1);
    let code = said(&redirected(signing.decide(&alice, &page.form, "read").await))["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT),
        ("resource", files),
    ];
    let tokens = signing.token(&form).await.unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let hub = &signing.world.hub;
    assert!(hub.authenticate(&Door::Server("files".parse().unwrap()), token).await.is_ok());
    for door in [Door::Mcp, Door::Api, Door::Server("other".parse().unwrap())] {
        assert_eq!(hub.authenticate(&door, token).await.unwrap_err(), Denied::Refused, "{door:?}");
    }
    let elsewhere = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("client_id", CLIENT),
        ("resource", MCP),
    ];
    assert_eq!(signing.token(&elsewhere).await.unwrap_err().code, ErrorCode::InvalidTarget);
}

#[tokio::test]
async fn the_hubs_own_tokens_open_no_door_of_people_or_applications() {
    let signing = Signing::new().await;
    let token = signing.agent_token(&mut Browser::default(), "alice", "read write destructive").await;
    let hub = &signing.world.hub;
    assert!(hub.authenticate(&Door::Mcp, &token).await.is_ok());
    assert_eq!(hub.authenticate(&Door::Api, &token).await.unwrap_err(), Denied::Refused);
    let wish = TicketWish {
        app: deputy_testkit::APP.parse().unwrap(),
        origin: deputy_testkit::ORIGIN.parse().unwrap(),
        session_expires_at: None,
        session: None,
    };
    assert!(hub.tickets().issue(&token, wish).await.is_err());
}

#[tokio::test]
async fn a_permission_to_read_writes_nothing() {
    let signing = Signing::new().await;
    let token = signing.agent_token(&mut Browser::default(), "alice", "read").await;
    let caller = signing.world.hub.authenticate(&Door::Mcp, &token).await.unwrap();
    let _tab = signing.world.tab("alice").await;
    for (tool, needs) in [("note", Effect::Write), ("wipe", Effect::Destructive)] {
        let refused = signing.world.run(caller.clone(), wish(tool, &json!({}))).await.unwrap_err();
        assert_eq!((refused.reason, refused.needs), (Reason::GrantExceeded, Some(needs)), "{tool}");
    }
}

#[tokio::test]
async fn an_approved_agent_shows_no_page_and_one_that_wants_more_does() {
    let signing = Signing::with(approving(Effect::Write)).await;
    let alice = signed_in(&signing, "alice").await;
    let code =
        said(&redirected(signing.authorize(&alice, &query(&[("scope", "write")])).await))["code"].clone();
    assert_eq!(signing.redeem(&code).await.unwrap()["scope"], "read write");
    let page = consent(signing.authorize(&alice, &query(&[("scope", "destructive")])).await);
    assert_eq!(page.wanted, Effect::Destructive);
}

#[tokio::test]
async fn who_may_not_be_asked_is_told_so_and_nothing_is_shown() {
    let signing = Signing::new().await;
    let none = query(&[("prompt", "none")]);
    let answer = said(&redirected(signing.authorize(&Browser::default(), &none).await));
    assert_eq!(answer["error"], "login_required");
    let alice = signed_in(&signing, "alice").await;
    let answer = said(&redirected(signing.authorize(&alice, &none).await));
    assert_eq!(answer["error"], "consent_required");
}

#[tokio::test]
async fn signing_out_ends_permissions_and_running_calls_within_a_second() {
    let signing = Signing::new().await;
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "write").await;
    let caller = signing.world.hub.authenticate(&Door::Mcp, &token).await.unwrap();
    let mut tab = signing.world.tab("alice").await;
    let mut events = signing.world.hub.call(caller, wish("note", &json!({})));
    tab.start_call().await;
    assert!(signing.world.hub.sign_out(alice.login.as_deref().unwrap(), "person"));
    let ended = tokio::time::timeout(Duration::from_secs(1), events.next()).await.unwrap();
    assert!(matches!(ended, Some(CallEvent::Done(Err(_)))), "{ended:?}");
    assert!(signing.world.hub.authenticate(&Door::Mcp, &token).await.is_err());
    assert!(signing.refresh(&signing.refresh_token()).await.is_err());
    assert!(signing.login_of(&alice).is_none());
}

#[tokio::test]
async fn a_client_that_gives_its_token_back_ends_its_running_calls_too() {
    let signing = Signing::new().await;
    let token = signing.agent_token(&mut Browser::default(), "alice", "write").await;
    let caller = signing.world.hub.authenticate(&Door::Mcp, &token).await.unwrap();
    let mut tab = signing.world.tab("alice").await;
    let mut events = signing.world.hub.call(caller, wish("note", &json!({})));
    tab.start_call().await;
    let body = format!("token={}&client_id={CLIENT}", signing.refresh_token());
    signing.server().revoke(body.as_bytes(), None).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(1), events.next()).await.unwrap();
    assert!(matches!(ended, Some(CallEvent::Done(Err(_)))), "{ended:?}");
}

#[tokio::test]
async fn a_restart_keeps_logins_permissions_and_refresh_tokens() {
    let signing = Signing::new().await;
    let mut alice = Browser::default();
    let token = signing.agent_token(&mut alice, "alice", "read").await;
    let refresh = signing.refresh_token();
    let again = signing.again(World::sign_in()).await;
    assert_eq!(again.login_of(&alice).unwrap().user.subject.as_str(), "alice");
    assert!(again.world.hub.authenticate(&Door::Mcp, &token).await.is_ok());
    again.refresh(&refresh).await.unwrap();
}

#[tokio::test]
async fn a_document_that_is_too_large_or_names_another_client_is_no_client() {
    let signing = Signing::new().await;
    let alice = signed_in(&signing, "alice").await;
    let mut large = document();
    large["client_id"] = "https://large.example/c.json".into();
    large["policy"] = "x".repeat(10_000_000).into();
    signing.world.endpoints.publish("https://large.example/c.json", large);
    signing.world.endpoints.publish("https://copy.example/c.json", document());
    for client in
        ["https://large.example/c.json", "https://copy.example/c.json", "https://none.example/c.json"]
    {
        let step = signing.authorize(&alice, &query(&[("client_id", client)])).await;
        assert!(matches!(step, Step::Shown { .. }), "{client}: {}", shown(&step));
    }
}

#[tokio::test]
async fn what_the_provider_gave_for_a_person_is_nowhere_in_plain() {
    let signing = Signing::new().await;
    signing.agent_token(&mut Browser::default(), "alice", "read").await;
    let rows = serde_json::to_string(&signing.world.tables.access_rows()).unwrap();
    assert!(rows.contains("alice"));
    assert!(!rows.contains("refresh-alice") && !rows.contains("opaque"), "{rows}");
}
