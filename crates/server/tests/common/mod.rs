//! A hub in memory behind its real router.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unforeseen should stop, at the line where it does; not every test uses all of it"
)]

use axum::body::{Body, BodyDataStream, Bytes, to_bytes};
use deputy_hub::Trust;
use deputy_server::{Hosts, House, router};
use deputy_testkit::{FakeUpstream, PUBLIC_URL, World};
use futures_util::StreamExt as _;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// Long enough for a loaded machine, short enough for a person.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A world and its doors.
pub struct Doors {
    pub world: Arc<World>,
    pub router: House,
    /// Where agents knock.
    pub path: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// An answer that goes on.
pub struct Stream {
    pub headers: HeaderMap,
    data: BodyDataStream,
}

impl Stream {
    /// The next message; `None` when the stream ended. Comments are skipped.
    pub async fn message(&mut self) -> Option<Value> {
        // Comments come for ever: patience is for all of them together.
        tokio::time::timeout(PATIENCE, self.next()).await.expect("nothing came")
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            let chunk = self.data.next().await?;
            let text = String::from_utf8(chunk.expect("a chunk").to_vec()).expect("text");
            if let Some(data) = text.strip_prefix("event: message\ndata: ") {
                return Some(
                    serde_json::from_str(data.strip_suffix("\n\n").expect("a whole event")).expect("json"),
                );
            }
            assert!(text.starts_with(':'), "{text}");
        }
    }
}

impl Doors {
    pub async fn new() -> Self {
        let world = Arc::new(World::new().await);
        let router = router(&world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
        Self { world, router, path: "/mcp".to_owned() }
    }

    /// A hub with one server, `files`; everything is allowed, and agents knock at this path.
    pub async fn before(files: &Arc<FakeUpstream>, path: &str) -> Self {
        Self::behind(vec![("files", Arc::clone(files), Trust::FirstUse)], path).await
    }

    /// The same at `/mcp`, with a second server, `other`.
    pub async fn before_both(files: &Arc<FakeUpstream>, other: &Arc<FakeUpstream>) -> Self {
        let servers =
            [("files", files), ("other", other)].map(|(name, one)| (name, Arc::clone(one), Trust::FirstUse));
        Self::behind(servers.into(), "/mcp").await
    }

    async fn behind(servers: Vec<(&'static str, Arc<FakeUpstream>, Trust)>, path: &str) -> Self {
        let world = Arc::new(World::permitting(servers).await);
        let router = router(&world.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
        Self { world, router, path: path.to_owned() }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let answer = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = answer.into_parts();
        let body = tokio::time::timeout(PATIENCE, to_bytes(body, usize::MAX)).await.expect("it never ended");
        Reply { status: parts.status, headers: parts.headers, body: body.expect("a body") }
    }

    pub async fn open(&self, request: Request<Body>) -> Stream {
        let answer = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = answer.into_parts();
        let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        assert_eq!((parts.status, kind), (StatusCode::OK, Some("text/event-stream")));
        Stream { headers: parts.headers, data: body.into_data_stream() }
    }

    /// `POST /mcp` as `subject`, with these headers and this body.
    pub fn post(&self, subject: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
        let token = self.world.access_token(subject, self.path.split('?').next().expect("a path"));
        let mut request = Request::post(self.path.as_str())
            .header("host", "hub.example")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).expect("a request")
    }

    /// A modern request with its headers, as a good client sends it.
    pub fn modern(&self, subject: &str, id: &Value, method: &str, params: Value) -> Request<Body> {
        let mut params = params;
        let meta = params.as_object_mut().expect("object").entry("_meta").or_insert_with(|| json!({}));
        let envelope = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1"},
        });
        for (key, value) in envelope.as_object().expect("object") {
            meta.as_object_mut().expect("object").entry(key.clone()).or_insert_with(|| value.clone());
        }
        let name = match method {
            "resources/read" => "uri",
            method if method.starts_with("tasks/") => "taskId",
            _ => "name",
        };
        let name = params.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        if let Some(name) = &name {
            headers.push(("mcp-name", name));
        }
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.post(subject, &headers, body.to_string())
    }

    /// A legacy request within a session.
    pub fn legacy(
        &self,
        subject: &str,
        session: &str,
        id: &Value,
        method: &str,
        params: &Value,
    ) -> Request<Body> {
        let headers = [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")];
        let mut body = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if !id.is_null() {
            body["id"] = id.clone();
        }
        self.post(subject, &headers, body.to_string())
    }

    /// Opens a legacy session.
    pub async fn initialized(&self, subject: &str) -> String {
        self.initialized_with(subject, &json!({})).await
    }

    /// The same, of a client that can do this.
    pub async fn initialized_with(&self, subject: &str, capabilities: &Value) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
            "clientInfo": {"name": "tester", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let reply = self.send(self.post(subject, &[], body.to_string())).await;
        assert_eq!(reply.status, StatusCode::OK);
        let session = reply.header("mcp-session-id").expect("a session").to_owned();
        let ready = self.legacy(subject, &session, &Value::Null, "notifications/initialized", &json!({}));
        assert_eq!(self.send(ready).await.status, StatusCode::ACCEPTED);
        session
    }

    /// `method /mcp` within a legacy session.
    pub fn within(&self, method: &str, subject: &str, session: &str) -> Request<Body> {
        let token = self.world.access_token(subject, self.path.split('?').next().expect("a path"));
        Request::builder()
            .method(method)
            .uri(self.path.as_str())
            .header("host", "hub.example")
            .header("accept", "text/event-stream")
            .header("mcp-session-id", session)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request")
    }

    /// Says yes to the only question that `subject` is asked.
    pub async fn approve(&self, subject: &str) {
        use deputy_hub::approvals::{Say, Word};
        let person = self.world.person(subject).await;
        let pending = self.world.hub.approvals().pending(&person).await.expect("the table answers");
        assert_eq!(pending.len(), 1);
        let record = &pending[0].record;
        let word = Word {
            confirm: Some(record.tool.clone()),
            ..Word::plain(record.id.clone(), record.digest, Say::Approve)
        };
        self.world.hub.approvals().decide(&person, vec![word]).await.expect("decided");
    }
}
