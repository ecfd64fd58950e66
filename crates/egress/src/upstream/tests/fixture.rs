//! A little HTTP server that answers as a test wants, and what tests ask with.

use crate::client::{HttpClient, NamedHosts, Settings};
use crate::upstream::{Credential, HttpSettings, HttpUpstream, Limits, NoCredential};
use deputy_core::Timestamp;
use deputy_hub::Supervisor;
use deputy_hub::ports::upstream::{Ask, ClientSide, Failure, Reply, Told};
use deputy_protocol::relay::raw;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long a test waits for anything.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// Its path, with the query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The method of the message, or of HTTP where there is none.
    pub(super) fn what(&self) -> &str {
        self.body["method"].as_str().unwrap_or(&self.method)
    }
}

/// The way back.
pub(super) struct Conn(TcpStream);

impl Conn {
    pub(super) async fn raw(&mut self, text: &str) -> bool {
        self.0.write_all(text.as_bytes()).await.is_ok()
    }

    pub(super) async fn answer(&mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.raw(&format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")).await;
    }

    pub(super) async fn json(&mut self, status: &str, body: &Value) {
        self.answer(status, "content-type: application/json\r\n", &body.to_string()).await;
    }

    /// The result of a request.
    pub(super) async fn result(&mut self, request: &Request, result: &str) {
        let id = &request.body["id"];
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        self.answer("200 OK", "content-type: application/json\r\n", &body).await;
    }

    pub(super) async fn error(&mut self, status: &str, id: &Value, code: i64) {
        self.json(status, &json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no"}}))
            .await;
    }

    pub(super) async fn stream(&mut self) {
        self.raw(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n",
        )
        .await;
    }

    pub(super) async fn event(&mut self, message: &Value) -> bool {
        self.raw(&format!("data: {message}\n\n")).await
    }

    pub(super) async fn event_result(&mut self, request: &Request, result: Value) -> bool {
        self.event(&json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result})).await
    }

    /// Which of its connections it is.
    pub(super) fn number(&self) -> u16 {
        self.0.peer_addr().unwrap().port()
    }

    /// Resolves when the client has closed its end.
    pub(super) async fn closed(&mut self) {
        let _ = self.0.read(&mut [0; 64]).await;
    }
}

/// A running server.
pub(super) struct Fixture {
    pub(super) port: u16,
    pub(super) supervisor: Supervisor,
    heard: Arc<Heard>,
    stop: CancellationToken,
}

#[derive(Default)]
pub(super) struct Heard {
    requests: Mutex<Vec<Request>>,
    more: Notify,
    connections: AtomicU64,
}

impl Fixture {
    /// Serves; a connection is closed after a handler that returns none.
    pub(super) async fn new<H>(handler: H) -> Self
    where
        H: Fn(Request, Conn) -> BoxFuture<'static, Option<Conn>> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let supervisor = Supervisor::new(stop.clone());
        let (heard, handler) = (Arc::new(Heard::default()), Arc::new(handler));
        let (noted, serving) = (Arc::clone(&heard), supervisor.clone());
        supervisor.start_until_shutdown(async move {
            while let Ok((stream, _)) = listener.accept().await {
                noted.connections.fetch_add(1, Ordering::SeqCst);
                let (noted, handler) = (Arc::clone(&noted), Arc::clone(&handler));
                serving.start_until_shutdown(async move {
                    let mut conn = Some(Conn(stream));
                    while let Some(mut open) = conn.take() {
                        let Some(request) = receive(&mut open.0).await else { return };
                        noted.requests.lock().unwrap().push(request.clone());
                        noted.more.notify_waiters();
                        conn = handler(request, open).await;
                    }
                });
            }
        });
        Self { port, supervisor, heard, stop }
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}/mcp", self.port)).unwrap()
    }

    pub(super) fn settings(&self) -> HttpSettings {
        let client = HttpClient::new(Settings::new(NamedHosts::of(&[self.url()]))).unwrap();
        HttpSettings {
            name: "fixture".to_owned(),
            url: self.url(),
            client,
            credential: Arc::new(NoCredential) as Arc<dyn Credential>,
            limits: limits(),
            clock: Arc::new(Clock),
            supervisor: self.supervisor.clone(),
        }
    }

    pub(super) fn upstream(&self) -> HttpUpstream {
        HttpUpstream::new(self.settings())
    }

    pub(super) fn connections(&self) -> u64 {
        self.heard.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.heard.requests.lock().unwrap().clone()
    }

    /// What was asked for, in order.
    pub(super) fn whats(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.what().to_owned()).collect()
    }

    /// The first request that is like this, once it has come.
    pub(super) async fn request(&self, like: impl Fn(&Request) -> bool) -> Request {
        let wait = async {
            loop {
                let more = self.heard.more.notified();
                if let Some(request) = self.requests().into_iter().find(|request| like(request)) {
                    return request;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), more).await;
            }
        };
        tokio::time::timeout(SOON, wait).await.expect("no such request came")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(ToOwned::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head_end + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let text = String::from_utf8(bytes[head_end..head_end + length].to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Some(Request { method, path, headers, body })
}

/// The machine's.
pub(super) struct Clock;

impl deputy_hub::ports::Clock for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000)
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        probe: Duration::from_millis(400),
        answer_bytes: 1 << 20,
        stream_line_bytes: 1 << 20,
        ..Limits::default()
    }
}

/// A request of alice's, whose client can do nothing.
pub(super) fn ask(method: &str, params: Value) -> Ask {
    Ask {
        method: method.to_owned(),
        params: Some(raw(&params)),
        client: ClientSide::default(),
        principal: "alice".to_owned(),
        timeout: SOON,
        changes_nothing: false,
        trace: None,
    }
}

/// The same, if it is a plain read.
pub(super) fn read(ask: Ask) -> Ask {
    Ask { changes_nothing: true, ..ask }
}

pub(super) fn call(tool: &str) -> Ask {
    ask("tools/call", json!({"name": tool, "arguments": {}}))
}

/// The same, from a client that can do this.
pub(super) fn able(mut ask: Ask, capabilities: &Value) -> Ask {
    ask.client.capabilities = raw(capabilities).into();
    ask
}

pub(super) async fn reply(upstream: &dyn deputy_hub::ports::Upstream, ask: Ask) -> Result<Reply, Failure> {
    reply_and_told(upstream, ask).await.0
}

pub(super) async fn reply_and_told(
    upstream: &dyn deputy_hub::ports::Upstream,
    ask: Ask,
) -> (Result<Reply, Failure>, Vec<Told>) {
    let (sender, mut receiver) = mpsc::channel(64);
    let reply = upstream.ask(ask, sender, &CancellationToken::new()).await;
    let mut told = Vec::new();
    while let Ok(one) = receiver.try_recv() {
        told.push(one);
    }
    (reply, told)
}

/// The text of a result.
pub(super) async fn result(upstream: &dyn deputy_hub::ports::Upstream, ask: Ask) -> String {
    match reply(upstream, ask).await {
        Ok(Reply::Result(result)) => result.get().to_owned(),
        other => panic!("no result: {other:?}"),
    }
}

pub(super) async fn value(upstream: &dyn deputy_hub::ports::Upstream, ask: Ask) -> Value {
    serde_json::from_str(&result(upstream, ask).await).unwrap()
}

pub(super) fn fault(reply: Result<Reply, Failure>) -> (i64, String) {
    match reply {
        Ok(Reply::Fault { code, message, .. }) => (code, message),
        other => panic!("no fault: {other:?}"),
    }
}

/// Waits until this is so.
pub(super) async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, wait).await.is_ok(), "never: {what}");
}

/// The answer to a question that came, as the client's retry brings it.
pub(super) fn retry(mut ask: Ask, asked: &Value, responses: &Value) -> Ask {
    let mut params: Value = serde_json::from_str(ask.params.unwrap().get()).unwrap();
    params["requestState"] = asked["requestState"].clone();
    params["inputResponses"] = responses.clone();
    ask.params = Some(raw(&params));
    ask
}
