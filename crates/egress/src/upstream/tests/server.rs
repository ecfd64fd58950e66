//! A well-behaved server of the legacy era over HTTP: sessions, a stream of its own, tools for each thing that a server
//! may do.

use super::fixture::{Conn, Fixture, Request};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, mpsc};

pub(super) struct Legacy {
    pub(super) revision: &'static str,
    pub(super) sessions: AtomicUsize,
    /// Sessions that it has forgotten.
    pub(super) forgotten: AtomicUsize,
    pub(super) is_opened: AtomicBool,
    /// How many listen to its own stream.
    pub(super) hearers: AtomicUsize,
    /// The id of the call that is polled for.
    polled: AtomicUsize,
    on_get: broadcast::Sender<Value>,
    said: Mutex<Vec<mpsc::UnboundedSender<Value>>>,
}

impl Legacy {
    pub(super) async fn start(revision: &'static str) -> (Fixture, Arc<Self>) {
        let server = Arc::new(Self {
            revision,
            sessions: AtomicUsize::new(0),
            forgotten: AtomicUsize::new(0),
            is_opened: AtomicBool::new(false),
            hearers: AtomicUsize::new(0),
            polled: AtomicUsize::new(0),
            on_get: broadcast::channel(16).0,
            said: Mutex::default(),
        });
        let serving = Arc::clone(&server);
        let fixture =
            Fixture::new(move |request, conn| Arc::clone(&serving).serve(request, conn).boxed()).await;
        (fixture, server)
    }

    /// Says something on its own stream.
    pub(super) fn tell(&self, message: Value) {
        let _ = self.on_get.send(message);
    }

    async fn serve(self: Arc<Self>, request: Request, mut conn: Conn) -> Option<Conn> {
        let session =
            request.header("mcp-session-id").and_then(|id| id.strip_prefix("s")?.parse::<usize>().ok());
        let is_known = session.is_some_and(|session| session > self.forgotten.load(Ordering::SeqCst));
        match (request.method.as_str(), request.body["method"].as_str()) {
            ("POST", Some("initialize")) => {
                let number = self.sessions.fetch_add(1, Ordering::SeqCst) + 1;
                let result = json!({"protocolVersion": self.revision,
                    "capabilities": {"tools": {"listChanged": true}, "resources": {"subscribe": true}, "logging": {}},
                    "serverInfo": {"name": "legacy", "version": "1"}, "instructions": "be kind"});
                let body = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result});
                let headers = format!("mcp-session-id: s{number}\r\ncontent-type: application/json\r\n");
                conn.answer("200 OK", &headers, &body.to_string()).await;
            }
            _ if session.is_none() => conn.error("400 Bad Request", &Value::Null, -32000).await,
            _ if !is_known => conn.error("404 Not Found", &Value::Null, -32001).await,
            ("GET", _) if request.header("last-event-id") == Some("e1") => {
                conn.stream().await;
                conn.event(&json!({"jsonrpc": "2.0", "id": self.polled.load(Ordering::SeqCst), "result": {"content": [], "polled": true}}))
                    .await;
                return None;
            }
            ("GET", _) => return self.own_stream(conn).await,
            ("DELETE", _) => conn.answer("200 OK", "", "").await,
            ("POST", None) => {
                self.said.lock().unwrap().retain(|said| said.send(request.body.clone()).is_ok());
                conn.answer("202 Accepted", "", "").await;
            }
            ("POST", Some(method)) if method.starts_with("notifications/") => {
                conn.answer("202 Accepted", "", "").await;
            }
            ("POST", Some("tools/call")) => return self.call(request, conn).await,
            ("POST", Some("tools/list")) => {
                conn.result(&request, r#"{"tools":[{ "name":"t" }],"ttlMs":9}"#).await
            }
            ("POST", Some("resources/read")) => conn.error("200 OK", &request.body["id"], -32002).await,
            _ => conn.result(&request, "{}").await,
        }
        Some(conn)
    }

    async fn own_stream(&self, mut conn: Conn) -> Option<Conn> {
        let mut told = self.on_get.subscribe();
        conn.stream().await;
        conn.raw(": hello\n\n").await;
        self.hearers.fetch_add(1, Ordering::SeqCst);
        loop {
            tokio::select! {
                () = conn.closed() => break,
                message = told.recv() => { conn.event(&message.ok()?).await; }
            }
        }
        self.hearers.fetch_sub(1, Ordering::SeqCst);
        None
    }

    async fn call(&self, request: Request, mut conn: Conn) -> Option<Conn> {
        let params = &request.body["params"];
        match params["name"].as_str().unwrap() {
            "echo" => conn.result(&request, r#"{"content":[ ],"structuredContent":null,"n":1.0}"#).await,
            "batch" => {
                let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": 1}});
                let answer = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": {"content": []}});
                conn.json("200 OK", &json!([log, answer])).await;
            }
            "progress" => {
                conn.stream().await;
                conn.raw(": keep-alive\n\nid: 0\ndata:\n\n").await;
                let token = &params["_meta"]["progressToken"];
                for params in [
                    json!({"progressToken": token, "progress": 1.0, "message": "half"}),
                    json!({"progressToken": "another's", "progress": 2}),
                ] {
                    conn.event(
                        &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}),
                    )
                    .await;
                }
                for level in ["debug", "warning"] {
                    let params = json!({"level": level, "data": "d"});
                    conn.event(
                        &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params}),
                    )
                    .await;
                }
                conn.event_result(&request, json!({"content": []})).await;
                return None;
            }
            "ask" | "ask_twice" | "ask_both" | "ask_on_own_stream" => {
                return self.ask_back(&request, conn).await;
            }
            "hang" => {
                conn.stream().await;
                conn.closed().await;
                return None;
            }
            "polled" => {
                self.polled
                    .store(usize::try_from(request.body["id"].as_u64().unwrap()).unwrap(), Ordering::SeqCst);
                conn.stream().await;
                conn.raw("id: e1\nretry: 20\ndata:\n\n").await;
                return None;
            }
            "dies" => {
                conn.stream().await;
                conn.raw("data: {\"jsonrpc\":\"2.0\",\"id\"").await;
                return None;
            }
            "open_first" if !self.is_opened.load(Ordering::SeqCst) => {
                let wanted =
                    json!({"elicitations": [{"mode": "url", "url": "https://a.example/", "message": "m"}]});
                let error = json!({"code": -32042, "message": "open", "data": wanted});
                conn.json("200 OK", &json!({"jsonrpc": "2.0", "id": request.body["id"], "error": error}))
                    .await;
            }
            _ => conn.result(&request, r#"{"content":[]}"#).await,
        }
        Some(conn)
    }

    /// Asks, waits for the answer, and gives it back as its result.
    async fn ask_back(&self, request: &Request, mut conn: Conn) -> Option<Conn> {
        let (sender, mut said) = mpsc::unbounded_channel();
        self.said.lock().unwrap().push(sender);
        conn.stream().await;
        let name = request.body["params"]["name"].as_str().unwrap().to_owned();
        let (mut answers, mut open) = (Vec::new(), Vec::new());
        let ids = if ["ask_twice", "ask_both"].contains(&&*name) { &["70", r#""71""#][..] } else { &["70"] };
        for id in ids {
            conn.event(&json!({"jsonrpc": "2.0", "id": "p", "method": "ping"})).await;
            let params = json!({"message": format!("question {id}"), "requestedSchema": {"type": "object"}});
            let id: Value = serde_json::from_str(id).unwrap();
            let question =
                json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params});
            if name == "ask_on_own_stream" {
                self.tell(question);
            } else {
                conn.event(&question).await;
            }
            open.push(id);
            let waits = name != "ask_both" || open.len() == 2;
            while waits && !open.is_empty() {
                let answer = tokio::select! {
                    () = conn.closed() => return None,
                    answer = said.recv() => answer?,
                };
                if let Some(place) = open.iter().position(|id| *id == answer["id"]) {
                    open.remove(place);
                    answers.push(
                        answer.get("result").or_else(|| answer.get("error")).cloned().unwrap_or_default(),
                    );
                }
            }
        }
        conn.event_result(request, json!({"content": [], "answers": answers})).await;
        None
    }
}
