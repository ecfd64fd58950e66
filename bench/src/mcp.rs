//! Clients of one MCP server, behind a hub or not, in both eras; and the load that they make.

use crate::load::{Era, MODERN, Run, arguments};
use crate::numbers::Samples;
use crate::process::Process;
use crate::wire::Connection;
use crate::world::{ECHO, post};
use crate::{Result, fail};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What is on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The server itself, or a proxy before it: no sessions.
    Server,
    /// A hub.
    Hub,
}

/// One client.
#[derive(Clone)]
pub(crate) struct Client {
    port: u16,
    token: String,
    session: String,
    era: Era,
}

impl Client {
    /// With a session, where the era has one and the other side keeps some.
    pub(crate) async fn open(port: u16, token: String, era: Era, way: Way) -> Result<Self> {
        let mut client = Self { port, token, session: String::new(), era };
        if (era, way) == (Era::Legacy, Way::Hub) {
            let mut connection = Connection::open(port).await?;
            client.session = client.begin(&mut connection).await?;
        }
        Ok(client)
    }

    /// A legacy session's id.
    pub(crate) async fn begin(&self, connection: &mut Connection) -> Result<String> {
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } } });
        let answer = connection.ask(&self.post("", &body.to_string())).await?;
        let Some(session) = answer.session else {
            return fail(format!("no session: {} {}", answer.status, answer.body));
        };
        let headers = format!("mcp-session-id: {session}\r\nmcp-protocol-version: 2025-11-25\r\n");
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        connection.ask(&self.post(&headers, ready)).await?;
        Ok(session)
    }

    /// A request as it goes over the wire.
    pub(crate) fn request(&self, method: &str, name: Option<&str>, params: &str) -> Vec<u8> {
        let (headers, meta) = match self.era {
            Era::Legacy if self.session.is_empty() => {
                ("mcp-protocol-version: 2025-11-25\r\n".to_owned(), String::new())
            }
            Era::Legacy => {
                let session = &self.session;
                (format!("mcp-session-id: {session}\r\nmcp-protocol-version: 2025-11-25\r\n"), String::new())
            }
            Era::Modern => {
                let name = name.map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
                let headers = format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n{name}");
                (headers, MODERN.to_owned())
            }
        };
        let params = format!("{params}{meta}");
        let params = params.strip_prefix(',').unwrap_or(&params);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
        self.post(&headers, &body)
    }

    /// Opens the stream of a legacy session.
    pub(crate) fn stream(&self) -> Vec<u8> {
        let Self { port, token, session, .. } = self;
        format!(
            "GET /s/{ECHO}/mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n\
             accept: text/event-stream\r\nmcp-session-id: {session}\r\nmcp-protocol-version: 2025-11-25\r\n\r\n"
        )
        .into_bytes()
    }

    fn post(&self, headers: &str, body: &str) -> Vec<u8> {
        post(self.port, &format!("/s/{ECHO}/mcp"), &self.token, headers, body)
    }
}

/// So many calls over so many connections, each in the name of one client.
pub(crate) async fn run(
    process: &Process,
    clients: &[Client],
    tool: &'static str,
    conns: usize,
    calls: usize,
) -> Result<Run> {
    let mut connections = JoinSet::new();
    let (before, began) = (process.cpu()?, Instant::now());
    for (own, client) in clients.iter().cycle().take(conns).enumerate() {
        connections.spawn(drive(client.clone(), own, tool, calls.div_ceil(conns)));
    }
    let mut samples = Samples::default();
    while let Some(done) = connections.join_next().await {
        samples.take(done??);
    }
    let (took, cpu) = (began.elapsed(), process.cpu()?.saturating_sub(before));
    Ok(Run { samples, took, cpu })
}

async fn drive(client: Client, own: usize, tool: &'static str, calls: usize) -> Result<Samples> {
    let mut connection = Connection::open(client.port).await?;
    let mut samples = Samples::default();
    for turn in 0..calls {
        let arguments = arguments(&format!("c-{own}-{turn}"));
        let params = format!(r#""name":"{tool}","arguments":{arguments}"#);
        let request = client.request("tools/call", Some(tool), &params);
        let began = Instant::now();
        let answer = connection.ask(&request).await?;
        samples.add(began.elapsed());
        if answer.status != 200 || !answer.body.contains(r#""isError":false"#) {
            return fail(format!("`{tool}` was answered with {}: {}", answer.status, answer.body));
        }
    }
    Ok(samples)
}

/// What was measured of lists.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) samples: Samples,
    pub(crate) cpu: Duration,
    pub(crate) tools: usize,
    pub(crate) bytes: usize,
    pub(crate) pages: usize,
}

impl Listed {
    /// The same again.
    pub(crate) fn add(&mut self, other: Self) {
        self.samples.take(other.samples);
        self.cpu += other.cpu;
        (self.tools, self.bytes, self.pages) = (other.tools, other.bytes, other.pages);
    }
}

/// So many whole lists of tools, page after page.
pub(crate) async fn lists(process: &Process, client: &Client, times: usize) -> Result<Listed> {
    let mut connection = Connection::open(client.port).await?;
    let mut listed = Listed::default();
    let before = process.cpu()?;
    for _ in 0..times {
        let (mut cursor, began) = (Some(String::new()), Instant::now());
        (listed.tools, listed.bytes, listed.pages) = (0, 0, 0);
        while let Some(from) = cursor.take() {
            let answer = connection.ask(&client.request("tools/list", None, &from)).await?;
            if answer.status != 200 {
                return fail(format!("no list: {} {}", answer.status, answer.body));
            }
            listed.bytes += answer.body.len();
            listed.pages += 1;
            // Looked for and not parsed: what is measured is on the other side.
            listed.tools += answer.body.matches("\"inputSchema\"").count();
            let next =
                answer.body.rsplit_once("\"nextCursor\":\"").and_then(|(_, rest)| rest.split_once('"'));
            cursor = next.map(|(next, _)| format!(r#""cursor":"{next}""#));
        }
        listed.samples.add(began.elapsed());
    }
    listed.cpu = process.cpu()?.saturating_sub(before);
    Ok(listed)
}
