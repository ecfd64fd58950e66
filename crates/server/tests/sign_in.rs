//! Signing in over HTTP: a browser with a cookie jar, an agent, and who attacks them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
mod house;
#[path = "../../hub/tests/signing/mod.rs"]
mod signing;

use common::Reply;
use deputy_hub::sign_in::SignInSetup;
use deputy_testkit::{PUBLIC_URL, World};
use house::{House, Jar, allowing, code_of, text};
use http::StatusCode;
use serde_json::json;
use signing::{BACK, CLIENT, document, query};
use std::collections::BTreeMap;

#[tokio::test]
async fn an_agent_finds_its_way_from_the_first_401_to_a_tool() {
    let house = House::new().await;
    let refused = house.mcp("/mcp", "none", &[], &json!({})).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let challenge = refused.header("www-authenticate").unwrap();
    let metadata = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut agent = Jar::default();
    let resource = house.get(&mut agent, metadata.strip_prefix(PUBLIC_URL).unwrap()).await.json();
    assert_eq!(resource["resource"], "https://hub.example/mcp");
    assert_eq!(resource["authorization_servers"], json!([PUBLIC_URL]));
    assert_eq!(resource["scopes_supported"], json!(["read", "write", "destructive"]));
    let server = house.get(&mut agent, "/.well-known/oauth-authorization-server").await.json();
    assert_eq!(server["issuer"], PUBLIC_URL);
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["client_id_metadata_document_supported"], true);
    assert_eq!(server["authorization_response_iss_parameter_supported"], true);
    assert!(!server.to_string().contains("idp.example"), "whom the hub trusts is not told");
    let token = house.token("alice", "https://hub.example/mcp", "read").await;
    let _tab = house.signing.world.tab("alice").await;
    let answered = house.call("/mcp", &token, "crm__nothing").await;
    assert_eq!(answered.status, StatusCode::OK, "{:?}", answered.body);
}

#[tokio::test]
async fn clickjacking_and_markup_a_hostile_name_is_text_and_no_page_may_frame_it() {
    let house = House::new().await;
    let mut hostile = document();
    hostile["client_name"] = "<script>alert(1)</script>\"><form action=//evil>".into();
    house.signing.world.endpoints.publish(CLIENT, hostile);
    let mut jar = Jar::default();
    let asked = format!("/oauth/authorize?{}", query(&[]));
    let page = house.sign_in(&mut jar, &asked, "<img/src=x>").await;
    let html = text(&page);
    assert_eq!(page.status, StatusCode::OK);
    assert!(html.contains("&lt;script&gt;") && html.contains("&lt;img/src=x&gt;"), "{html}");
    assert!(
        !html.contains("<script") && !html.contains("<img") && !html.contains("action=//evil>"),
        "{html}"
    );
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self' https://agent.example;",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains('*'), "{policy}");
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn the_consent_page_says_who_asks_how_far_where_what_may_leave_and_for_how_long() {
    let house = House::with(SignInSetup { dynamic_registration: true, ..World::sign_in() }).await;
    let mut jar = Jar::default();
    let asked = format!("/oauth/authorize?{}", query(&[("scope", "read write destructive")]));
    let page = text(&house.sign_in(&mut jar, &asked, "alice").await);
    let of_all = [
        "signed in as <strong>",
        "Only look",
        "change things",
        "delete things",
        "source.crm",
        "source.files",
        "may also send out",
        "For 30 minutes, renewed",
    ];
    for words in
        of_all.iter().chain(&["Let <strong>Desk</strong>", "Published by <strong>agent.example</strong>"])
    {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let body = json!({"client_name": "Desk", "redirect_uris": [BACK], "token_endpoint_auth_method": "none"});
    let registered = house.signing.server().register(body.to_string().as_bytes()).await.unwrap();
    let client = registered["client_id"].as_str().unwrap();
    let asked = format!("/oauth/authorize?{}", query(&[("client_id", client)]));
    let page = text(&house.get(&mut jar, &asked).await);
    assert!(page.contains("Nobody vouches for this name") && !page.contains("Published by"), "{page}");
    assert!(!page.contains("change things"), "what it did not ask for is not offered: {page}");
    // One server alone: nothing else is to be chosen.
    let asked = format!("/oauth/authorize?{}", query(&[("resource", "https://hub.example/s/files/mcp")]));
    let page = text(&house.get(&mut jar, &asked).await);
    assert!(page.contains("In <strong>files</strong> alone") && !page.contains("source.crm"), "{page}");
}

#[tokio::test]
async fn csrf_on_consent_a_foreign_origin_no_cookie_or_another_browser_gives_nothing() {
    let house = House::new().await;
    let asked = format!("/oauth/authorize?{}", query(&[]));
    let (mut alice, mut mallory) = (Jar::default(), Jar::default());
    let page = house.sign_in(&mut alice, &asked, "alice").await;
    let of_mallory = house.sign_in(&mut mallory, &asked, "mallory").await;
    let (own, others) = (allowing(&page, "read"), allowing(&of_mallory, "read"));
    for origin in ["https://evil.example", "null", "http://hub.example"] {
        let refused = house.browse(&mut alice, "POST", "/oauth/consent", &[("origin", origin)], &own).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{origin}");
    }
    let no_cookie = house.browse(&mut Jar::default(), "POST", "/oauth/consent", &[], &own).await;
    assert_eq!((no_cookie.status, no_cookie.header("location")), (StatusCode::BAD_REQUEST, None));
    let anothers = house.browse(&mut alice, "POST", "/oauth/consent", &[], &others).await;
    assert_eq!((anothers.status, anothers.header("location")), (StatusCode::BAD_REQUEST, None));
    code_of(&house.allow(&mut alice, &page, "read").await);
}

#[tokio::test]
async fn session_fixation_signing_in_anew_ends_who_was_signed_in_before() {
    let house = House::new().await;
    let mut jar = Jar::default();
    house.sign_in(&mut jar, "/login/start", "mallory").await;
    let before = jar.0["__Host-deputy_login"].clone();
    house.sign_in(&mut jar, "/login/start", "alice").await;
    assert_ne!(before, jar.0["__Host-deputy_login"]);
    let page = text(&house.get(&mut jar, "/login").await);
    assert!(page.contains("alice") && !page.contains("mallory"), "{page}");
    let mut old = Jar(BTreeMap::from([("__Host-deputy_login".to_owned(), before)]));
    assert!(!text(&house.get(&mut old, "/login").await).contains("mallory"));
}

#[tokio::test]
async fn d9_what_a_refused_exchange_asked_for_reaches_the_provider_and_nothing_that_is_no_claims_request_does()
 {
    let house = House::new().await;
    let claims = r#"{"access_token":{"polids":{"essential":true}}}"#;
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let sent_to = |reply: &Reply| {
        let url = url::Url::parse(reply.header("location").unwrap()).unwrap();
        url.query_pairs().into_owned().collect::<BTreeMap<String, String>>()
    };
    let asked = format!("/login/start?provider=idp&max_age=60&acr_values=mfa+hw&claims={}", encode(claims));
    let said = sent_to(&house.get(&mut Jar::default(), &asked).await);
    assert_eq!((said["claims"].as_str(), said["max_age"].as_str()), (claims, "60"));
    assert_eq!(said["acr_values"], "mfa hw");
    let endless = format!("{{\"a\":\"{}\"}}", "x".repeat(5000));
    for bad in ["[]", "\"x\"", "{", "null", &endless] {
        let said =
            sent_to(&house.get(&mut Jar::default(), &format!("/login/start?claims={}", encode(bad))).await);
        assert!(!said.contains_key("claims"), "{bad}");
    }
}

#[tokio::test]
async fn signing_out_needs_a_page_of_the_hubs_own_and_ends_the_agents() {
    let house = House::new().await;
    let mut jar = Jar::default();
    let asked = format!("/oauth/authorize?{}", query(&[]));
    let page = house.sign_in(&mut jar, &asked, "alice").await;
    let code = code_of(&house.allow(&mut jar, &page, "read").await);
    let token = house.redeem(&code, &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(
        house.browse(&mut jar, "POST", "/login/end", &foreign, "").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(house.call("/mcp", &token, "crm__x").await.status, StatusCode::OK);
    assert_eq!(house.browse(&mut jar, "POST", "/login/end", &[], "").await.status, StatusCode::SEE_OTHER);
    assert!(jar.0.is_empty());
    assert_eq!(house.call("/mcp", &token, "crm__x").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_for_one_server_opens_it_alone() {
    let house = House::new().await;
    let token = house.token("alice", "https://hub.example/s/files/mcp", "read").await;
    assert_eq!(house.call("/s/files/mcp", &token, "list").await.status, StatusCode::OK);
    for path in ["/mcp", "/s/other/mcp", "/api/approvals"] {
        assert_eq!(house.call(path, &token, "list").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn what_goes_further_than_the_permission_is_403_with_all_the_scopes_that_it_takes() {
    let house = House::new().await;
    let files = house.token("alice", "https://hub.example/s/files/mcp", "read").await;
    let all = house.token("alice", "https://hub.example/mcp", "read").await;
    let _tab = house.signing.world.tab("alice").await;
    for (path, token, tool, scope) in [
        ("/s/files/mcp", &files, "note", "read write"),
        ("/s/files/mcp", &files, "wipe", "read write destructive"),
        ("/mcp", &all, "crm__wipe", "read write destructive"),
        ("/mcp", &all, "files__note", "read write"),
    ] {
        let refused = house.call(path, token, tool).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {tool} {:?}", refused.body);
        let wanted = format!(
            "Bearer error=\"insufficient_scope\", scope=\"{scope}\", resource_metadata=\"{PUBLIC_URL}/.well-known/oauth-protected-resource{path}\""
        );
        assert_eq!(refused.header("www-authenticate"), Some(wanted.as_str()));
        let result = &refused.json()["result"];
        assert_eq!(result["_meta"]["dev.deputy/reason"], "grant_exceeded", "{result}");
    }
    assert_eq!(house.call("/mcp", &all, "files__list").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_method_that_goes_further_than_the_permission_is_403_too() {
    let house = House::new().await;
    let token = house.token("alice", "https://hub.example/s/files/mcp", "read").await;
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "skills/run")];
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "skills/run", "params": {"_meta": meta}});
    let refused = house.mcp("/s/files/mcp", &token, &headers, &body).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{:?}", refused.body);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\", scope=\"read write\""), "{challenge}");
    assert_eq!(refused.json()["error"]["data"]["dev.deputy/reason"], "grant_exceeded");
}

#[tokio::test]
async fn what_goes_further_than_the_permission_is_403_in_a_legacy_session_too() {
    let house = House::new().await;
    let token = house.token("alice", "https://hub.example/s/files/mcp", "read").await;
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let opened = house.mcp("/s/files/mcp", &token, &[], &body).await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    house.mcp("/s/files/mcp", &token, &headers, &ready).await;
    let call = |tool: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
    let refused = house.mcp("/s/files/mcp", &token, &headers, &call("wipe")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{:?}", refused.body);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"read write destructive\""), "{challenge}");
    assert_eq!(house.mcp("/s/files/mcp", &token, &headers, &call("list")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_of_the_token_endpoint_are_kept_nowhere_and_say_no_more_than_the_protocol() {
    let house = House::new().await;
    let refused = house.redeem("dep_code_invented", &[]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    assert_eq!(refused.json()["error"], "invalid_grant");
    let twice = house.redeem("x", &[("client_id", "other")]).await;
    assert_eq!(twice.json()["error"], "invalid_request");
    let unknown = house
        .browse(&mut Jar::default(), "POST", "/oauth/token", &[], "grant_type=password&client_id=x")
        .await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let registering = house.browse(&mut Jar::default(), "POST", "/oauth/register", &[], "{}").await;
    assert_eq!(registering.status, StatusCode::NOT_FOUND, "off by default");
}
