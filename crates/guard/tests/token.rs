//! The token endpoint: E1 to E6, and each known attack on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

mod common;

use common::{ASSERTION, GRANT, GUARD, HUB, RESOURCE, World, fixture, publish, set_of};
use deputy_core::Client;
use deputy_guard::settings::{ClientKeysAt, TrustedClient, Users};
use deputy_testkit::TestIssuer;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn with(mut claims: Value, member: &str, value: Value) -> Value {
    claims[member] = value;
    claims
}

fn without(mut claims: Value, member: &str) -> Value {
    claims.as_object_mut().unwrap().remove(member);
    claims
}

#[tokio::test]
async fn e5_a_good_assertion_brings_a_short_token_for_the_resource_alone_and_nothing_else() {
    let world = World::new().await;
    let (status, body) = world.redeem(&world.jag()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(300), &json!("read"))
    );
    assert!(body.get("refresh_token").is_none());
    let said = claims(body["access_token"].as_str().unwrap());
    assert_eq!(
        (&said["iss"], &said["aud"], &said["sub"]),
        (&json!(GUARD), &json!(RESOURCE), &json!("alice"))
    );
    assert_eq!((&said["idp"], &said["client_id"]), (&json!(TestIssuer::ISSUER), &json!(HUB)));
    assert_eq!(said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap(), 300);
}

#[tokio::test]
async fn e5_no_token_lives_longer_than_ten_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let idp = TestIssuer::new();
    let mut settings = common::settings(folder.path(), &idp, &idp).await;
    settings.token_lifetime = Duration::from_secs(601);
    let error = deputy_guard::Guard::open(settings, deputy_guard::Tasks::default()).err().unwrap();
    assert!(error.to_string().contains("ten minutes"), "{error}");
}

#[tokio::test]
async fn e1_a_guard_does_not_trust_its_own_word() {
    let folder = tempfile::tempdir().unwrap();
    let idp = TestIssuer::new();
    let mut settings = common::settings(folder.path(), &idp, &idp).await;
    settings.issuers[0].issuer = deputy_core::Issuer::new(GUARD).unwrap();
    let error = deputy_guard::Guard::open(settings, deputy_guard::Tasks::default()).err().unwrap();
    assert!(error.to_string().contains("the guard itself"), "{error}");
    let world = World::new().await;
    assert_eq!(world.refusal(&with(world.jag(), "iss", json!(GUARD))).await, "invalid_grant");
}

#[tokio::test]
async fn e1_the_metadata_says_what_is_taken_and_never_who_is_trusted() {
    let world = World::new().await;
    let get = async |path: &str| {
        let request =
            Request::get(path).header("host", "guard.example").body(axum::body::Body::empty()).unwrap();
        common::whole(world.send(request).await).await
    };
    let server = get("/.well-known/oauth-authorization-server").await;
    assert_eq!(server["issuer"], json!(GUARD));
    assert_eq!(server["grant_types_supported"], json!([GRANT]));
    let profile = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    assert_eq!(server["authorization_grant_profiles_supported"], profile);
    assert_eq!(server["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let resource = get(path).await;
        assert_eq!(
            (&resource["resource"], &resource["authorization_servers"]),
            (&json!(RESOURCE), &json!([GUARD]))
        );
        assert!(!format!("{server}{resource}").contains("idp.example"));
    }
    assert_eq!(get("/.well-known/jwks.json").await["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn e2_every_claim_that_is_wrong_or_missing_is_an_invalid_grant() {
    let world = World::new().await;
    let now = world.seconds();
    for (member, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://idp.example/")),
        ("iss", json!([TestIssuer::ISSUER])),
        ("aud", json!("https://guard.example/")),
        ("aud", json!("https://guard.example.evil")),
        ("aud", json!(RESOURCE)),
        ("aud", json!([GUARD, "https://other.example"])),
        ("aud", json!([])),
        ("exp", json!(now - 31)),
        ("exp", json!(now + 601)),
        ("exp", json!("9999999999")),
        ("iat", json!(now + 31)),
        ("nbf", json!(now + 31)),
        ("jti", json!(7)),
        ("sub", json!(7)),
        ("cnf", json!({ "jkt": "x" })),
    ] {
        assert_eq!(
            world.refusal(&with(world.jag(), member, value.clone())).await,
            "invalid_grant",
            "{member} {value}"
        );
    }
    for member in ["iss", "aud", "exp", "iat", "jti", "sub", "client_id", "resource"] {
        assert_eq!(world.refusal(&without(world.jag(), member)).await, "invalid_grant", "{member}");
    }
}

#[tokio::test]
async fn e2_an_array_with_exactly_one_audience_is_one() {
    let world = World::new().await;
    assert_eq!(world.redeem(&with(world.jag(), "aud", json!([GUARD]))).await.0, StatusCode::OK);
}

#[tokio::test]
async fn e2_no_other_kind_of_token_is_an_assertion() {
    let world = World::new().await;
    for typ in ["JWT", "at+jwt", "client-authentication+jwt", "logout+jwt", "deputy-user+jwt"] {
        let token = world.idp.sign(typ, &world.jag());
        let (status, body) = world.ask_token(&world.form(&token)).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")), "{typ}");
    }
    let own = world.token_for("alice", "read").await;
    assert_eq!(world.ask_token(&world.form(&own)).await.1["error"], json!("invalid_grant"));
}

/// As an identity provider gives it to an application: short, or with everything in it that an ID-JAG has.
fn id_tokens(world: &World) -> Vec<Value> {
    let now = world.seconds();
    let plain = json!({ "iss": TestIssuer::ISSUER, "sub": "alice", "aud": "deputy", "nonce": "n", "iat": now, "exp": now + 300 });
    let to_guard = with(plain.clone(), "aud", json!(GUARD));
    let mut whole = world.jag();
    whole["nonce"] = json!("n");
    vec![plain, to_guard, world.jag(), whole]
}

#[tokio::test]
async fn e2_id_token_as_an_assertion_is_an_invalid_grant_and_proves_no_client() {
    let world = World::new().await;
    for claims in id_tokens(&world) {
        for typ in ["JWT", "jwt", ""] {
            let token = world.idp.sign(typ, &claims);
            let (status, body) = world.ask_token(&world.form(&token)).await;
            let said = (status, body["error"].as_str());
            assert_eq!(said, (StatusCode::BAD_REQUEST, Some("invalid_grant")), "`{typ}` {claims}");
            let mut form = world.form(&world.signed(&world.jag()));
            form[3].1 = token;
            let (status, body) = world.ask_token(&form).await;
            let said = (status, body["error"].as_str());
            assert_eq!(said, (StatusCode::UNAUTHORIZED, Some("invalid_client")), "`{typ}` {claims}");
        }
    }
}

#[tokio::test]
async fn mix_up_one_trusted_issuer_signs_nothing_for_another() {
    let evil = TestIssuer::new();
    let keys = publish(set_of(&evil)).await;
    let other = deputy_guard::settings::TrustedIssuer {
        issuer: deputy_core::Issuer::new("https://evil.example").unwrap(),
        keys_at: deputy_identity::provider::KeysAt::Set(keys),
        algorithms: [deputy_identity::Algorithm::Es256].into(),
    };
    let world = World::with(|settings| settings.issuers.push(other), fixture()).await;
    let own = with(world.jag(), "iss", json!("https://evil.example"));
    let taken = world.ask_token(&world.form(&evil.sign("oauth-id-jag+jwt", &own))).await;
    assert_eq!(taken.0, StatusCode::OK, "for itself it signs: {}", taken.1);
    for forged in [evil.sign("oauth-id-jag+jwt", &world.jag()), world.signed(&with(own, "jti", json!("x")))] {
        assert_eq!(world.ask_token(&world.form(&forged)).await.1["error"], json!("invalid_grant"));
    }
    // And one person's name at two issuers is two people.
    let denied = format!("{} alice\n", TestIssuer::ISSUER);
    std::fs::write(world.folder.path().join("denied"), denied).unwrap();
    let evils = with(with(world.jag(), "iss", json!("https://evil.example")), "jti", json!("y"));
    let taken = world.ask_token(&world.form(&evil.sign("oauth-id-jag+jwt", &evils))).await;
    assert_eq!((taken.0, world.refusal(&world.jag()).await.as_str()), (StatusCode::OK, "invalid_grant"));
}

/// What a hub that errs, or somebody in its place, would send (list D of the identity reference).
#[tokio::test]
async fn d15_the_rig_redeems_what_is_right_and_refuses_each_thing_that_is_wrong() {
    let world = World::new().await;
    let good = world.jag();
    assert_eq!(world.redeem(&good).await.0, StatusCode::OK);
    let fresh = |member: &str, value: Value| with(world.jag(), member, value);
    let now = world.seconds();
    for (what, claims) in [
        ("replay", good),
        ("another audience", fresh("aud", json!("https://other.example"))),
        ("a slash more", fresh("aud", json!(format!("{GUARD}/")))),
        ("a slash more at the resource", fresh("resource", json!(format!("{RESOURCE}/")))),
        ("another client", fresh("client_id", json!("other"))),
        ("expired", with(fresh("iat", json!(now - 400)), "exp", json!(now - 100))),
    ] {
        assert_eq!(world.refusal(&claims).await, "invalid_grant", "{what}");
    }
    for token in id_tokens(&world).iter().map(|claims| world.idp.sign("JWT", claims)) {
        assert_eq!(world.ask_token(&world.form(&token)).await.1["error"], json!("invalid_grant"));
    }
    let mut more = world.form(&world.signed(&world.jag()));
    more.push(("scope", "read write".to_owned()));
    assert_eq!(world.ask_token(&more).await.1["scope"], json!("read"), "escalation");
}

#[tokio::test]
async fn e2_another_key_or_a_confused_algorithm_signs_nothing() {
    use base64::Engine as _;
    let world = World::new().await;
    let forged = TestIssuer::new().sign("oauth-id-jag+jwt", &world.jag());
    assert_eq!(world.ask_token(&world.form(&forged)).await.1["error"], json!("invalid_grant"));
    let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    for header in [
        r#"{"alg":"none","typ":"oauth-id-jag+jwt"}"#,
        r#"{"alg":"HS256","typ":"oauth-id-jag+jwt","kid":"k1"}"#,
        r#"{"alg":"RS256","typ":"oauth-id-jag+jwt","kid":"k1"}"#,
    ] {
        let token = format!("{}.{}.AAAA", encode(header.to_owned()), encode(world.jag().to_string()));
        assert_eq!(world.ask_token(&world.form(&token)).await.1["error"], json!("invalid_grant"), "{header}");
    }
}

#[tokio::test]
async fn e3_the_client_is_the_one_that_authenticated() {
    let world = World::new().await;
    assert_eq!(world.refusal(&with(world.jag(), "client_id", json!("other"))).await, "invalid_grant");
    let mut form = world.form(&world.signed(&world.jag()));
    form[3].1 = world.proof_of("other");
    assert_eq!(world.ask_token(&form).await.1["error"], json!("invalid_grant"));
}

#[tokio::test]
async fn e3_the_resource_is_the_one_here_byte_for_byte() {
    let world = World::new().await;
    for other in [
        "https://guard.example/mcp/",
        "https://guard.example",
        "https://GUARD.example/mcp",
        "https://x.example/mcp",
    ] {
        assert_eq!(
            world.refusal(&with(world.jag(), "resource", json!(other))).await,
            "invalid_grant",
            "{other}"
        );
        let mut form = world.form(&world.signed(&world.jag()));
        form.push(("resource", other.to_owned()));
        assert_eq!(world.ask_token(&form).await.1["error"], json!("invalid_target"), "{other}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_prove_itself_is_told_nothing_more() {
    let world = World::new().await;
    let good = || world.form(&world.signed(&world.jag()));
    let changed = |place: usize, value: String| {
        let mut form = good();
        form[place].1 = value;
        form
    };
    let now = world.seconds();
    let stranger = TestIssuer::new();
    let claims = json!({ "iss": HUB, "sub": HUB, "aud": GUARD, "jti": "s", "iat": now, "exp": now + 60 });
    let late = json!({ "iss": HUB, "sub": HUB, "aud": GUARD, "jti": "s", "iat": now - 120, "exp": now - 60 });
    let foreign = json!({ "iss": HUB, "sub": HUB, "aud": "https://x.example", "jti": "s", "iat": now, "exp": now + 60 });
    for form in [
        changed(3, stranger.sign("JWT", &claims)),
        changed(3, world.hub.sign("JWT", &late)),
        changed(3, world.hub.sign("JWT", &foreign)),
        changed(3, world.hub.sign("at+jwt", &claims)),
        changed(3, world.proof_of("nobody")),
        changed(3, world.signed(&world.jag())),
        changed(2, "urn:other".to_owned()),
        [good(), vec![("client_id", "other".to_owned())]].concat(),
        [good(), vec![("client_secret", "x".to_owned())]].concat(),
        good()[..2].to_vec(),
    ] {
        let (status, body) = world.ask_token(&form).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::UNAUTHORIZED, &json!("invalid_client")),
            "{form:?}"
        );
    }
    assert_eq!(ASSERTION, good()[2].1);
}

#[tokio::test]
async fn a_form_that_says_something_twice_is_not_read() {
    let world = World::new().await;
    let mut form = world.form(&world.signed(&world.jag()));
    form.push(("assertion", "x".to_owned()));
    assert_eq!(world.ask_token(&form).await.1["error"], json!("invalid_request"));
}

#[tokio::test]
async fn no_other_grant_is_taken() {
    let world = World::new().await;
    for grant in [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        let mut form = world.form(&world.signed(&world.jag()));
        form[0].1 = grant.to_owned();
        assert_eq!(world.ask_token(&form).await.1["error"], json!("unsupported_grant_type"), "{grant}");
    }
}

#[tokio::test]
async fn e4_a_replayed_assertion_is_refused_across_restarts_until_it_expires() {
    let world = World::new().await;
    let jag = world.signed(&world.jag());
    assert_eq!(world.ask_token(&world.form(&jag)).await.0, StatusCode::OK);
    assert_eq!(world.ask_token(&world.form(&jag)).await.1["error"], json!("invalid_grant"));
    let world = world.restarted().await;
    assert_eq!(world.ask_token(&world.form(&jag)).await.1["error"], json!("invalid_grant"));
    world.pass(Duration::from_secs(329));
    assert_eq!(world.ask_token(&world.form(&jag)).await.1["error"], json!("invalid_grant"));
}

#[tokio::test]
async fn e4_a_replayed_client_assertion_is_refused_as_well() {
    let world = World::new().await;
    let first = world.form(&world.signed(&world.jag()));
    assert_eq!(world.ask_token(&first).await.0, StatusCode::OK);
    let mut again = world.form(&world.signed(&world.jag()));
    again[3].1 = first[3].1.clone();
    assert_eq!(world.ask_token(&again).await.1["error"], json!("invalid_client"));
}

#[tokio::test]
async fn e4_of_many_at_once_one_assertion_is_redeemed_once() {
    let world = World::new().await;
    let jag = world.signed(&world.jag());
    let forms: Vec<_> = (0..16).map(|_| world.form(&jag)).collect();
    let answers = futures_util::future::join_all(forms.iter().map(|form| world.ask_token(form))).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == StatusCode::OK).count(), 1);
}

#[tokio::test]
async fn e4_while_nothing_can_be_remembered_everything_is_refused() {
    let world = World::new().await;
    let data = world.folder.path().join("data");
    std::fs::rename(&data, world.folder.path().join("away")).unwrap();
    let (status, body) = world.redeem(&world.jag()).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("temporarily_unavailable"))
    );
    std::fs::create_dir(&data).unwrap();
    assert_eq!(world.redeem(&world.jag()).await.0, StatusCode::OK, "it heals by itself");
}

#[tokio::test]
async fn e4_two_guards_never_share_a_folder() {
    let world = World::new().await;
    let settings = common::settings(world.folder.path(), &world.idp, &world.hub).await;
    let error = deputy_guard::Guard::open(settings, deputy_guard::Tasks::default()).err().unwrap();
    assert_eq!(error.code(), "guard_folder_taken");
}

#[tokio::test]
async fn e5_scope_widening_a_scope_is_granted_only_if_assertion_request_and_guard_all_have_it() {
    let world = World::new().await;
    for (said, asked, granted) in [
        ("read write", None, Some("read write")),
        ("read write", Some("write"), Some("write")),
        ("read", Some("read write admin"), Some("read")),
        ("read admin", None, Some("read")),
        ("admin", None, None),
        ("read", Some("write"), None),
        ("", None, None),
    ] {
        let jag = with(world.jag(), "scope", json!(said));
        let mut form = world.form(&world.signed(&jag));
        form.extend(asked.map(|asked| ("scope", asked.to_owned())));
        let (_, body) = world.ask_token(&form).await;
        match granted {
            Some(granted) => assert_eq!(body["scope"], json!(granted), "{said} {asked:?}"),
            None => assert_eq!(body["error"], json!("invalid_scope"), "{said} {asked:?}"),
        }
    }
    assert_eq!(world.refusal(&without(world.jag(), "scope")).await, "invalid_scope");
}

#[tokio::test]
async fn e6_only_who_is_listed_gets_in_where_there_is_a_list() {
    let listed = |settings: &mut deputy_guard::Settings| {
        let path = settings.data_dir.with_file_name("users");
        std::fs::write(&path, format!("# people\n{} alice\n", TestIssuer::ISSUER)).unwrap();
        settings.users = Users::Listed(path);
    };
    let world = World::with(listed, fixture()).await;
    assert_eq!(world.redeem(&world.jag()).await.0, StatusCode::OK);
    assert_eq!(world.refusal(&with(world.jag(), "sub", json!("mallory"))).await, "invalid_grant");
    assert_eq!(world.refusal(&with(world.jag(), "tenant", json!("t2"))).await, "invalid_grant");
}

#[tokio::test]
async fn e6_who_is_denied_gets_no_token() {
    let world = World::new().await;
    std::fs::write(world.folder.path().join("denied"), format!("{} alice\n", TestIssuer::ISSUER)).unwrap();
    assert_eq!(world.refusal(&world.jag()).await, "invalid_grant");
    assert_eq!(world.refusal(&with(world.jag(), "tenant", json!("t2"))).await, "invalid_grant");
    assert_eq!(world.redeem(&with(world.jag(), "sub", json!("bob"))).await.0, StatusCode::OK);
}

/// A world whose client's keys are behind a document.
async fn with_document(change: impl FnOnce(&mut Value)) -> (World, String) {
    let hub = TestIssuer::new();
    let set: Value = serde_json::from_slice(&set_of(&hub)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id = format!("http://{}/client.json", listener.local_addr().unwrap());
    let mut document =
        json!({ "client_id": id, "token_endpoint_auth_method": "private_key_jwt", "jwks": set });
    change(&mut document);
    let routes = axum::Router::new()
        .route("/client.json", axum::routing::get(move || async move { document.to_string() }));
    let client =
        TrustedClient { id: Client(id.clone()), keys_at: ClientKeysAt::Document(id.parse().unwrap()) };
    let mut world = World::with(|settings| settings.clients.push(client), fixture()).await;
    world.tasks.start_until_end(async move { axum::serve(listener, routes).await.unwrap() });
    world.hub = std::sync::Arc::new(hub);
    (world, id)
}

#[tokio::test]
async fn a_client_may_be_known_by_its_document() {
    let (world, id) = with_document(|_| {}).await;
    let mut form = world.form(&world.signed(&with(world.jag(), "client_id", json!(id))));
    form[3].1 = world.proof_of(&id);
    assert_eq!(world.ask_token(&form).await.0, StatusCode::OK);
    let mut stranger = world.form(&world.signed(&with(world.jag(), "client_id", json!(id))));
    let now = world.seconds();
    let claims = json!({ "iss": id, "sub": id, "aud": GUARD, "jti": "x", "iat": now, "exp": now + 60 });
    stranger[3].1 = TestIssuer::new().sign("JWT", &claims);
    assert_eq!(world.ask_token(&stranger).await.1["error"], json!("invalid_client"));
}

#[tokio::test]
async fn a_document_about_another_client_or_an_unsigned_one_lets_nobody_in() {
    for (member, value) in
        [("client_id", json!("https://x.example")), ("token_endpoint_auth_method", json!("none"))]
    {
        let (world, id) = with_document(|document| document[member] = value.clone()).await;
        let mut form = world.form(&world.signed(&with(world.jag(), "client_id", json!(id))));
        form[3].1 = world.proof_of(&id);
        assert_eq!(world.ask_token(&form).await.1["error"], json!("temporarily_unavailable"), "{member}");
    }
}

#[tokio::test]
async fn an_issuer_whose_keys_cannot_be_fetched_is_no_reason_to_refuse_for_good() {
    let gone = publish(b"{}".to_vec()).await;
    let world = World::with(
        |settings| settings.issuers[0].keys_at = deputy_identity::provider::KeysAt::Set(gone),
        fixture(),
    )
    .await;
    assert_eq!(world.refusal(&world.jag()).await, "temporarily_unavailable");
}

#[tokio::test]
async fn cimd_of_ten_megabytes_is_not_read() {
    let (world, id) = with_document(|document| document["padding"] = json!("x".repeat(10_000_000))).await;
    let mut form = world.form(&world.signed(&with(world.jag(), "client_id", json!(id))));
    form[3].1 = world.proof_of(&id);
    assert_eq!(world.ask_token(&form).await.1["error"], json!("temporarily_unavailable"));
}

#[tokio::test]
async fn cimd_that_points_at_a_private_address_or_at_itself_leads_nowhere() {
    let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let port = inside.local_addr().unwrap().port();
    let elsewhere = [
        format!("http://localhost:{port}/jwks"),
        format!("https://localhost:{port}/jwks"),
        format!("https://127.0.0.2:{port}/jwks"),
        "https://169.254.169.254/jwks".to_owned(),
        // Itself.
        String::new(),
    ];
    for at in elsewhere {
        let point = |document: &mut Value| {
            let own = document["client_id"].clone();
            document.as_object_mut().unwrap().remove("jwks");
            document["jwks_uri"] = if at.is_empty() { own } else { json!(at) };
        };
        let (world, id) = with_document(point).await;
        let mut form = world.form(&world.signed(&with(world.jag(), "client_id", json!(id))));
        form[3].1 = world.proof_of(&id);
        assert_eq!(world.ask_token(&form).await.1["error"], json!("temporarily_unavailable"), "{at}");
        assert!(inside.accept().is_err(), "{at}: nobody was asked");
    }
}
