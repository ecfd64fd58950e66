//! What somebody nobody knows can reach.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use axum::body::Body;
use common::Doors;
use deputy_hub::Door;
use deputy_server::{LetIn, ROUTES, Who};
use deputy_testkit::ORIGIN;
use http::{Request, StatusCode};
use tower::{Layer as _, ServiceExt as _};

fn to(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let path = path.replace("{id}", "apr_0123456789abcdef").replace("{*module}", "deputy.js");
    let path = path.replace("{server}", "files");
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "hub.example");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(r#"{"app":"crm","origin":"https://crm.example"}"#)).unwrap()
}

#[tokio::test]
async fn every_route_but_the_listed_few_refuses_a_stranger() {
    let doors = Doors::new().await;
    for route in ROUTES {
        for authorization in [None, Some("Bearer nobody"), Some("Basic eDp5"), Some("Bearer a.b.c")] {
            let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
            let reply = doors.send(to(route.method, route.path, &headers)).await;
            match route.who {
                Who::Anybody(why) => {
                    assert!(!why.is_empty());
                    assert_ne!(
                        reply.status,
                        StatusCode::METHOD_NOT_ALLOWED,
                        "{route:?} is not in the router"
                    );
                }
                Who::TokenInside | Who::Caller(_) => {
                    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{route:?} {authorization:?}");
                    assert!(
                        reply.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer"))
                    );
                    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
                }
            }
        }
    }
}

#[tokio::test]
async fn a13_every_failure_at_a_door_is_the_same_401_with_the_way_to_sign_in() {
    let doors = Doors::new().await;
    let expired = {
        let token = doors.world.access_token("alice", "/mcp");
        doors.world.clock.advance(std::time::Duration::from_secs(7200));
        token
    };
    let other_door = doors.world.access_token("alice", "/api");
    let mut bodies = Vec::new();
    for token in [expired.as_str(), other_door.as_str(), "a.b.c", ""] {
        let reply = doors.send(to("POST", "/mcp", &[("authorization", &format!("Bearer {token}"))])).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Bearer resource_metadata=\"https://hub.example/.well-known/oauth-protected-resource/mcp\"")
        );
        bodies.push(reply.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn r10_a_host_that_is_not_ours_reaches_nothing() {
    let doors = Doors::new().await;
    for (host, reaches) in [
        ("hub.example", true),
        ("127.0.0.1:7070", true),
        ("HUB.example", true),
        ("evil.example", false),
        ("hub.example.evil.example", false),
        ("hub.example:1", false),
        ("localhost:7070", false),
        ("", false),
    ] {
        let reply = doors.send(to("GET", "/healthz", &[("host", host)])).await;
        assert_eq!(reply.status == StatusCode::OK, reaches, "{host}");
        assert!(reaches || reply.status == StatusCode::FORBIDDEN, "{host}");
    }
    let twice = [("host", "hub.example"), ("host", "evil.example")];
    assert_eq!(doors.send(to("GET", "/healthz", &twice)).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn r10_a_page_is_refused_before_its_token_is_looked_at() {
    let doors = Doors::new().await;
    let status = async |path: &str, origin: &str| {
        let method = if path.starts_with("/api/tickets") || path == "/mcp" { "POST" } else { "GET" };
        doors.send(to(method, path, &[("origin", origin)])).await.status
    };
    for origin in ["https://evil.example", "null", ORIGIN, "http://hub.example"] {
        assert_eq!(status("/mcp", origin).await, StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(status("/mcp", "https://hub.example").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("/api/tickets", ORIGIN).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("/api/tickets", "https://evil.example").await, StatusCode::FORBIDDEN);
    assert_eq!(status("/api/approvals", ORIGIN).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn r2_an_unknown_server_is_no_server_and_never_all_of_them() {
    let files = deputy_testkit::FakeUpstream::with_tools(&["list"]);
    for path in ["/s/nobody/mcp", "/s/file/mcp", "/s/filess/mcp"] {
        let doors = Doors::before(&files, path).await;
        let list = |id| doors.modern("alice", &serde_json::json!(id), "tools/list", serde_json::json!({}));
        // As at any address that this token is not for: who may not know of a server cannot tell it from none.
        let reply = doors.send(list(1)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!String::from_utf8_lossy(&reply.body).contains("inputSchema"), "{path}");
    }
    let doors = Doors::before(&files, "/mcp").await;
    let token = format!("Bearer {}", doors.world.access_token("alice", "/mcp"));
    for path in ["/s/nobody/mcp", "/s/files/mcp"] {
        let reply = doors.send(to("POST", path, &[("authorization", &token)])).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}: a token for all is none for one");
    }
}

#[tokio::test]
async fn r2_what_is_not_there_is_a_quick_json_404() {
    let doors = Doors::new().await;
    for path in [
        "/",
        "/nothing",
        "/mcp/",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/s/X/mcp",
        "/s/x",
        "/.well-known/oauth-protected-resource/other",
    ] {
        let reply = doors.send(to("GET", path, &[])).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.json()["code"], "not_found");
    }
    let reply = doors.send(to("PUT", "/mcp", &[])).await;
    assert!(reply.status.is_client_error() && reply.json()["code"].is_string());
}

#[tokio::test]
async fn rfc_9728_metadata_names_exactly_the_address_that_the_user_typed() {
    let doors = Doors::new().await;
    for (path, resource) in [
        ("/.well-known/oauth-protected-resource", "https://hub.example/mcp"),
        ("/.well-known/oauth-protected-resource/mcp", "https://hub.example/mcp"),
        ("/.well-known/oauth-protected-resource/api", "https://hub.example/api"),
    ] {
        let reply = doors.send(to("GET", path, &[])).await;
        assert_eq!(reply.status, StatusCode::OK);
        let metadata = reply.json();
        assert_eq!(metadata["resource"], resource);
        assert_eq!(metadata["authorization_servers"], serde_json::json!(["https://idp.example"]));
    }
}

#[tokio::test]
async fn refusals_carry_the_headers_that_seal_an_answer() {
    let doors = Doors::new().await;
    for request in
        [to("GET", "/x", &[]), to("GET", "/healthz", &[("host", "evil.example")]), to("POST", "/mcp", &[])]
    {
        let reply = doors.send(request).await;
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(
            reply
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("default-src 'none'"))
        );
    }
}

#[tokio::test]
async fn r15_a_stranger_cannot_make_the_hub_read_a_large_body() {
    let doors = Doors::new().await;
    let declared = to("POST", "/mcp", &[("content-length", "10000001")]);
    assert_eq!(doors.send(declared).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Endless and undeclared: refused for the missing token without being read.
    let endless = futures_util::stream::repeat_with(|| {
        Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b' '; 65536]))
    });
    let request =
        Request::post("/mcp").header("host", "hub.example").body(Body::from_stream(endless)).unwrap();
    assert_eq!(doors.send(request).await.status, StatusCode::UNAUTHORIZED);
    let endless = futures_util::stream::repeat_with(|| {
        Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b' '; 65536]))
    });
    let request =
        Request::post("/api/tickets").header("host", "hub.example").body(Body::from_stream(endless)).unwrap();
    assert_eq!(doors.send(request).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn r4_what_opens_one_door_opens_no_other() {
    let doors = Doors::new().await;
    let (mcp, api) = (doors.world.access_token("alice", "/mcp"), doors.world.access_token("alice", "/api"));
    let (id_token, ticket) = (doors.world.id_token("alice"), doors.world.ticket("alice").await);
    let _tab = doors.world.tab("alice").await;
    let call = doors.modern(
        "alice",
        &1.into(),
        "tools/call",
        serde_json::json!({"name": "crm__note", "arguments": {}}),
    );
    let state = doors.send(call).await.json()["result"]["requestState"].as_str().unwrap().to_owned();
    let session = doors.initialized("alice").await;
    let all = [&mcp, &api, &id_token, &ticket, &state, &session];
    for (method, path, key) in
        [("POST", "/mcp", &mcp), ("GET", "/api/approvals", &api), ("POST", "/api/tickets", &id_token)]
    {
        for credential in all {
            let authorization = format!("Bearer {credential}");
            let reply = doors.send(to(method, path, &[("authorization", &authorization)])).await;
            let opened = reply.status != StatusCode::UNAUTHORIZED;
            assert_eq!(opened, credential == key, "{method} {path} {credential}");
        }
        let in_url = format!("{path}?access_token={key}");
        assert_eq!(doors.send(to(method, &in_url, &[])).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn whom_the_wiring_lets_in_needs_no_token_at_that_door_and_at_no_other() {
    let doors = Doors::new().await;
    let ask = || to("GET", "/mcp", &[]);
    assert_eq!(doors.send(ask()).await.status, StatusCode::UNAUTHORIZED);
    let caller = doors.world.caller("alice").await;
    let let_in = axum::Extension(LetIn { door: Door::Mcp, caller }).layer(doors.router.clone());
    let status = async |request| let_in.clone().oneshot(request).await.expect("infallible").status();
    assert_eq!(status(ask()).await, StatusCode::METHOD_NOT_ALLOWED, "the door itself answers");
    let other = to("GET", "/api/approvals", &[]);
    assert_eq!(status(other).await, StatusCode::UNAUTHORIZED, "no other door is open");
}
