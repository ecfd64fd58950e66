//! Signing in over HTTP: a browser with a cookie jar, an agent, and who attacks them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
#[path = "../../hub/tests/signing/mod.rs"]
mod signing;

use axum::body::{Body, to_bytes};
use common::Reply;
use deputy_server::{Hosts, router};
use deputy_testkit::{PUBLIC_URL, TestIssuer};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use signing::{BACK, CLIENT, Signing, VERIFIER, document, query};
use std::collections::BTreeMap;
use tower::ServiceExt as _;
use url::Url;

/// A hub in which people sign in, behind its real router.
struct House {
    signing: Signing,
    router: deputy_server::House,
}

/// A browser: its cookies.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl House {
    async fn new() -> Self {
        let signing = Signing::new().await;
        let router = router(&signing.world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
        Self { signing, router }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn browse(
        &self,
        jar: &mut Jar,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", "hub.example");
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        if !jar.0.is_empty() {
            let cookies: Vec<String> = jar.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = self.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            for wanted in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
                assert!(text.contains(wanted), "{text}");
            }
            let (name, rest) = text.split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{name}");
            match rest.split(';').next().unwrap() {
                "" => jar.0.remove(name),
                value => jar.0.insert(name.to_owned(), value.to_owned()),
            };
        }
        reply
    }

    async fn get(&self, jar: &mut Jar, path: &str) -> Reply {
        self.browse(jar, "GET", path, &[], "").await
    }

    /// A person signs in and is back where they wanted to go.
    async fn sign_in(&self, jar: &mut Jar, path: &str, subject: &str) -> Reply {
        let away = self.get(jar, path).await;
        assert_eq!(away.status, StatusCode::SEE_OTHER);
        let to = Url::parse(away.header("location").unwrap()).unwrap();
        assert_eq!(to.origin().ascii_serialization(), TestIssuer::ISSUER);
        let back = format!("/login/callback?{}", self.signing.at_provider(&to, subject));
        let back = self.get(jar, &back).await;
        assert_eq!(back.status, StatusCode::SEE_OTHER, "{:?}", back.body);
        self.get(jar, back.header("location").unwrap()).await
    }

    async fn allow(&self, jar: &mut Jar, page: &Reply, most: &str) -> Reply {
        let body = allowing(page, most);
        self.browse(jar, "POST", "/oauth/consent", &[("origin", PUBLIC_URL)], &body).await
    }

    async fn redeem(&self, code: &str, otherwise: &[(&str, &str)]) -> Reply {
        let usual = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_id", CLIENT),
        ];
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(usual)
            .extend_pairs(otherwise)
            .finish();
        self.browse(&mut Jar::default(), "POST", "/oauth/token", &[], &form).await
    }

    /// The access token of an agent that a person allowed this much.
    async fn token(&self, subject: &str, resource: &str, scope: &str) -> String {
        let mut jar = Jar::default();
        let asked = format!("/oauth/authorize?{}", query(&[("scope", scope), ("resource", resource)]));
        let page = self.sign_in(&mut jar, &asked, subject).await;
        let code = code_of(&self.allow(&mut jar, &page, scope).await);
        let tokens = self.redeem(&code, &[]).await.json();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    async fn mcp(&self, path: &str, token: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut request = Request::post(path)
            .header("host", "hub.example")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn call(&self, path: &str, token: &str, tool: &str) -> Reply {
        let headers =
            [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1"},
        });
        let params = json!({"name": tool, "arguments": {}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        self.mcp(path, token, &headers, &body).await
    }
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// The consent form, filled in.
fn allowing(page: &Reply, most: &str) -> String {
    let html = text(page);
    let form =
        html.split("name=\"form\" value=\"").nth(1).expect("a consent page").split('"').next().unwrap();
    let said = [("form", form), ("decision", "allow"), ("most", most), ("all_sources", "on")];
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish()
}

fn code_of(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{:?}", reply.body);
    let to = Url::parse(reply.header("location").unwrap()).unwrap();
    assert!(to.as_str().starts_with(BACK), "{to}");
    signing::said(&to)["code"].clone()
}

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
