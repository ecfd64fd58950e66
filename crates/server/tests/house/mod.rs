//! A hub in which people sign in, behind its real router, and browsers with cookies.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does"
)]

use super::common::Reply;
use super::signing::{self, BACK, CLIENT, Signing, VERIFIER, query};
use axum::body::{Body, to_bytes};
use deputy_hub::sign_in::SignInSetup;
use deputy_server::{Hosts, router};
use deputy_testkit::{PUBLIC_URL, TestIssuer, World};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tower::ServiceExt as _;
use url::Url;

/// A hub in which people sign in, behind its real router.
pub struct House {
    pub signing: Signing,
    router: deputy_server::House,
}

/// A browser: its cookies.
#[derive(Default)]
pub struct Jar(pub BTreeMap<String, String>);

impl House {
    pub async fn new() -> Self {
        Self::with(World::sign_in()).await
    }

    pub async fn with(setup: SignInSetup) -> Self {
        let signing = Signing::with(setup).await;
        let router = router(&signing.world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
        Self { signing, router }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    pub async fn browse(
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

    pub async fn get(&self, jar: &mut Jar, path: &str) -> Reply {
        self.browse(jar, "GET", path, &[], "").await
    }

    /// A person signs in and is back where they wanted to go.
    pub async fn sign_in(&self, jar: &mut Jar, path: &str, subject: &str) -> Reply {
        let away = self.get(jar, path).await;
        assert_eq!(away.status, StatusCode::SEE_OTHER);
        let to = Url::parse(away.header("location").unwrap()).unwrap();
        assert_eq!(to.origin().ascii_serialization(), TestIssuer::ISSUER);
        let back = format!("/login/callback?{}", self.signing.at_provider(&to, subject));
        let back = self.get(jar, &back).await;
        assert_eq!(back.status, StatusCode::SEE_OTHER, "{:?}", back.body);
        self.get(jar, back.header("location").unwrap()).await
    }

    pub async fn allow(&self, jar: &mut Jar, page: &Reply, most: &str) -> Reply {
        let body = allowing(page, most);
        self.browse(jar, "POST", "/oauth/consent", &[("origin", PUBLIC_URL)], &body).await
    }

    pub async fn redeem(&self, code: &str, otherwise: &[(&str, &str)]) -> Reply {
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
    pub async fn token(&self, subject: &str, resource: &str, scope: &str) -> String {
        let mut jar = Jar::default();
        let asked = format!("/oauth/authorize?{}", query(&[("scope", scope), ("resource", resource)]));
        let page = self.sign_in(&mut jar, &asked, subject).await;
        let code = code_of(&self.allow(&mut jar, &page, scope).await);
        let tokens = self.redeem(&code, &[]).await.json();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn mcp(&self, path: &str, token: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
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

    pub async fn call(&self, path: &str, token: &str, tool: &str) -> Reply {
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

pub fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// The consent form, filled in.
pub fn allowing(page: &Reply, most: &str) -> String {
    let html = text(page);
    let form =
        html.split("name=\"form\" value=\"").nth(1).expect("a consent page").split('"').next().unwrap();
    let said = [("form", form), ("decision", "allow"), ("most", most), ("all_sources", "on")];
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish()
}

pub fn code_of(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{:?}", reply.body);
    let to = Url::parse(reply.header("location").unwrap()).unwrap();
    assert!(to.as_str().starts_with(BACK), "{to}");
    signing::said(&to)["code"].clone()
}
