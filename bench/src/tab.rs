//! Simulated tabs: they speak `deputy.tab.v1` as the SDK does, and answer at once.

use crate::wire::Connection;
use crate::world::{ORIGIN, READ, WRITE, World};
use crate::{Result, fail, random};
use deputy_core::DocumentId;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A socket with small buffers: there are many of them.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// The arguments of every call that began to run in a tab.
pub(crate) type Executed = Arc<Mutex<Vec<String>>>;

/// Tabs that are open; they close when this is dropped.
#[derive(Default)]
pub(crate) struct Tabs {
    tasks: JoinSet<()>,
    executed: Option<Executed>,
}

impl Tabs {
    /// Tabs that tell what they run.
    pub(crate) fn telling(executed: Executed) -> Self {
        Self { tasks: JoinSet::new(), executed: Some(executed) }
    }

    /// Opens one tab of each of these people, several at a time.
    pub(crate) async fn open(&mut self, world: &Arc<World>, people: &[String]) -> Result<()> {
        let mut opening = JoinSet::new();
        let (opened, mut open) = mpsc::unbounded_channel();
        for part in people.chunks(people.len().div_ceil(16).max(1)) {
            let (world, part, opened) = (Arc::clone(world), part.to_vec(), opened.clone());
            opening.spawn(async move {
                let mut connection = Connection::open(world.port).await?;
                for subject in part {
                    let ticket = world.ticket(&mut connection, &subject).await?;
                    let _ = opened.send(greet(world.port, &ticket).await?);
                }
                Ok::<_, crate::Error>(())
            });
        }
        drop(opened);
        // Each answers from the beginning: one that waits for the last to come would be taken for dead.
        while let Some((socket, sequence)) = open.recv().await {
            let executed = self.executed.clone();
            self.tasks.spawn(async move {
                let _ = answer(socket, sequence, executed).await;
            });
        }
        while let Some(done) = opening.join_next().await {
            done??;
        }
        Ok(())
    }

    /// How many are still connected.
    pub(crate) fn len(&mut self) -> usize {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.len()
    }
}

/// Opens a socket to `/tab`.
pub(crate) async fn socket(port: u16, subprotocol: Option<&'static str>) -> Result<Socket> {
    let mut request = format!("ws://127.0.0.1:{port}/tab").into_client_request()?;
    request.headers_mut().insert("origin", ORIGIN.parse()?);
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse()?);
    }
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(client_async_with_config(request, stream, Some(small())).await?.0)
}

/// Buffers that many sockets can afford.
pub(crate) fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0)
}

/// `hello`, `welcome`, `tools`. Gives the socket and the last sequence number.
async fn greet(port: u16, ticket: &str) -> Result<(Socket, u64)> {
    let mut socket = socket(port, Some("deputy.tab.v1")).await?;
    let hello = json!({
        "v": 1, "type": "hello", "id": "h1", "seq": 1, "versions": [1], "ticket": ticket, "docId": random(DocumentId::fresh())?,
        "page": { "url": format!("{ORIGIN}/contacts"), "title": "Contacts - Acme CRM" },
        "sdk": { "name": "deputy.js", "version": "0.1.0" }, "focused": false,
    });
    socket.send(Message::text(hello.to_string())).await?;
    match socket.next().await {
        Some(Ok(Message::Text(text))) if text.contains("\"welcome\"") => {}
        other => return fail(format!("no welcome but {other:?}")),
    }
    let tools = json!({ "v": 1, "type": "tools", "id": "t1", "seq": 2, "tools": definitions() });
    socket.send(Message::text(tools.to_string())).await?;
    Ok((socket, 2))
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// Answers calls and pings until the socket ends.
pub(crate) async fn answer(mut socket: Socket, mut sequence: u64, executed: Option<Executed>) -> Result<()> {
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let said: Said<'_> = serde_json::from_str(&text)?;
        match said.kind {
            "ping" => say(&mut socket, &mut sequence, said.id, "pong", "").await?,
            "call" => {
                say(&mut socket, &mut sequence, said.id, "accepted", "").await?;
                if let (Some(executed), Some(arguments)) = (&executed, said.arguments) {
                    executed.lock().unwrap_or_else(PoisonError::into_inner).push(arguments.get().to_owned());
                }
                say(&mut socket, &mut sequence, said.id, "started", "").await?;
                say(&mut socket, &mut sequence, said.id, "result", RESULT).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

const RESULT: &str = r#","result":{"kind":"json","value":{"id":"c-4711","name":"Maria Lopez","email":"maria@lopez.example","phone":"+34 600 000 000","tags":["key account","spain"],"updated":true}}"#;

async fn say(socket: &mut Socket, sequence: &mut u64, id: &str, kind: &str, more: &str) -> Result<()> {
    *sequence += 1;
    let frame = format!(r#"{{"v":1,"type":"{kind}","id":"{id}","seq":{sequence}{more}}}"#);
    Ok(socket.send(Message::text(frame)).await?)
}

/// The ten tools of a page of a CRM.
pub(crate) fn definitions() -> Vec<Value> {
    let tool = |name: &str, words: &str| {
        json!({
            "name": name, "title": words, "kind": "imperative",
            "description": format!("{words}. Works on the contacts that the signed-in person may see, and on nobody else's."),
            "inputSchema": {
                "type": "object", "additionalProperties": false, "required": ["id"],
                "properties": {
                    "id": { "type": "string", "minLength": 1, "maxLength": 64, "description": "The contact, as `find_contact` gave it" },
                    "email": { "type": "string", "maxLength": 254, "description": "The new address" },
                    "stage": { "type": "string", "enum": ["lead", "qualified", "customer", "lost"] },
                    "limit": { "type": "integer", "minimum": 1, "maximum": 100 },
                    "tags": { "type": "array", "maxItems": 20, "items": { "type": "string", "maxLength": 40 } },
                },
            },
        })
    };
    [
        (READ, "Find a contact"),
        (WRITE, "Change a contact"),
        ("list_contacts", "List contacts"),
        ("add_note", "Add a note to a contact"),
        ("list_notes", "List the notes of a contact"),
        ("delete_contact", "Delete a contact"),
        ("merge_contacts", "Merge two contacts"),
        ("export_contacts", "Export contacts"),
        ("schedule_meeting", "Schedule a meeting with a contact"),
        ("send_mail", "Send a mail to a contact"),
    ]
    .into_iter()
    .map(|(name, words)| tool(name, words))
    .collect()
}
