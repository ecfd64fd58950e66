//! Hostile pages on a real socket: one that answers twice, never, with 100 MB, too deep, in no Unicode, without end, in a
//! flood. Each harms its own call or its own socket, and nobody else's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::PATIENCE;
use deputy_core::{EventKind, Outcome, Reason};
use deputy_hub::{CallEvent, Events};
use deputy_server::{Hosts, router, serve};
use deputy_testkit::{ORIGIN, PUBLIC_URL, World, wish};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A page with a socket of its own, and no SDK.
struct Page {
    socket: WebSocketStream<TcpStream>,
    seq: u64,
}

async fn serving(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let doors = router(&world.hub, Hosts::new(PUBLIC_URL, &address.to_string()));
    let supervisor = world.hub.supervisor().clone();
    let own = supervisor.clone();
    supervisor.start(async move { serve(listener, doors, &own).await.unwrap() });
    address
}

impl Page {
    /// Connected, welcomed, and offering `list` and `note`.
    async fn open(world: &World, address: SocketAddr, subject: &str) -> Self {
        let ticket = world.ticket(subject).await;
        let request = http::Request::get(format!("ws://{address}/tab"))
            .header("host", address.to_string())
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .header("sec-websocket-protocol", "deputy.tab.v1")
            .header("origin", ORIGIN)
            .body(())
            .unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.expect("an upgrade");
        let mut page = Self { socket, seq: 0 };
        let document = deputy_core::DocumentId::fresh().unwrap();
        page.say(
            "hello",
            "h_1",
            json!({"versions": [1], "ticket": ticket, "docId": document, "focused": false}),
        )
        .await;
        assert_eq!(page.hear().await["type"], "welcome");
        let tool = |name: &str| json!({"name": name, "description": "d", "kind": "imperative", "inputSchema": {"type": "object"}});
        page.say("tools", "t_1", json!({"tools": [tool("list"), tool("note")]})).await;
        let changed = || {
            world
                .tables
                .of_kind(EventKind::ToolsChanged)
                .iter()
                .any(|line| line.user.as_ref().is_some_and(|user| user.subject.as_str() == subject))
        };
        world.until("the tools are listed", changed).await;
        page
    }

    fn frame(&mut self, kind: &str, id: &str, body: Value) -> String {
        self.seq += 1;
        let mut frame = json!({"v": 1, "type": kind, "id": id, "seq": self.seq});
        frame.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        frame.to_string()
    }

    async fn say(&mut self, kind: &str, id: &str, body: Value) {
        let text = self.frame(kind, id, body);
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next frame that is no ping.
    async fn hear(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("something").expect("a frame").unwrap() {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(text.as_str()).unwrap();
                    if frame["type"] != "ping" {
                        return frame;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Takes a call as far as `started`.
    async fn start(&mut self) -> String {
        let call = self.hear().await;
        assert_eq!(call["type"], "call");
        let id = call["id"].as_str().unwrap().to_owned();
        self.say("accepted", &id, json!({})).await;
        self.say("started", &id, json!({})).await;
        id
    }

    async fn result(&mut self, id: &str, text: &str) {
        self.say("result", id, json!({"result": {"kind": "text", "text": text}})).await;
    }

    /// How the hub ends the socket.
    async fn closed(&mut self) -> u16 {
        let closing = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
                    Some(Ok(_)) => {}
                    // The other side was done before we had said everything.
                    Some(Err(_)) | None => return 1006,
                }
            }
        };
        timeout(PATIENCE, closing).await.expect("the hub closes the socket")
    }
}

async fn call(world: &World, subject: &str) -> Events {
    world.hub.call(world.caller(subject).await, wish("list", &json!({})))
}

/// How a call ends.
async fn end(mut events: Events) -> Result<String, Reason> {
    loop {
        match timeout(PATIENCE, events.next()).await.expect("an end").expect("an event") {
            CallEvent::Progress { .. } | CallEvent::Told(_) => {}
            CallEvent::Replied(_) => panic!("it is a server's"),
            CallEvent::Parked { .. } => panic!("a person is asked"),
            CallEvent::Done(Ok(answer)) => return Ok(answer.content[0]["text"].as_str().unwrap().to_owned()),
            CallEvent::Done(Err(refused)) => return Err(refused.reason),
        }
    }
}

/// Kilobytes of this process that are in memory.
fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn p16_a_page_that_answers_twice_is_heard_once_and_lives_on() {
    let world = World::new().await;
    let mut page = Page::open(&world, serving(&world).await, "alice").await;
    let events = call(&world, "alice").await;
    let first = page.start().await;
    page.result(&first, "one").await;
    page.result(&first, "two").await;
    page.say("error", &first, json!({"code": "tool_failed", "message": "three"})).await;
    assert_eq!(end(events).await, Ok("one".to_owned()));
    // An answer to an old call is none to the next, and one to no call at all is nothing.
    let events = call(&world, "alice").await;
    let second = page.start().await;
    page.result(&first, "late").await;
    page.result("call_of_somebody_else_0", "foreign").await;
    page.result(&second, "right").await;
    assert_eq!(end(events).await, Ok("right".to_owned()));
    let outcomes = world.tables.of_kind(EventKind::Outcome);
    assert_eq!(outcomes.iter().map(|line| line.outcome).collect::<Vec<_>>(), [Some(Outcome::Succeeded); 2]);
}

#[tokio::test]
async fn p16_a_page_cannot_answer_somebody_elses_call() {
    let world = World::new().await;
    let address = serving(&world).await;
    let mut alices = Page::open(&world, address, "alice").await;
    let mut bobs = Page::open(&world, address, "bob").await;
    let events = call(&world, "alice").await;
    let id = alices.start().await;
    bobs.result(&id, "forged").await;
    let own = call(&world, "bob").await;
    let his = bobs.start().await;
    bobs.result(&his, "his").await;
    assert_eq!(end(own).await, Ok("his".to_owned()), "his frames were read");
    alices.result(&id, "hers").await;
    assert_eq!(end(events).await, Ok("hers".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p17_a_frame_of_100_mb_ends_its_own_socket_and_is_never_held_in_memory() {
    let world = World::new().await;
    let address = serving(&world).await;
    let mut page = Page::open(&world, address, "alice").await;
    let mut other = Page::open(&world, address, "bob").await;
    let events = call(&world, "alice").await;
    page.start().await;
    let before = resident_kb();
    // By hand, so that this side holds it in memory neither: a masked text frame that says 100 MB.
    let stream = page.socket.get_mut();
    let mut header = vec![0x81, 0xff];
    header.extend_from_slice(&100_000_000_u64.to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    let chunk = vec![b'a'; 64 * 1024];
    let mut sent = 0_usize;
    let pouring = async {
        stream.write_all(&header).await?;
        while sent < 100_000_000 {
            stream.write_all(&chunk).await?;
            sent += chunk.len();
        }
        std::io::Result::Ok(())
    };
    let poured = timeout(PATIENCE, pouring).await.expect("nobody reads and nobody closes");
    let grown = resident_kb().saturating_sub(before);
    println!("sent {sent} bytes, memory grew by {grown} kB");
    assert!(poured.is_err() || sent >= 100_000_000);
    assert!(grown < 30_000, "memory grew by {grown} kB");
    assert_eq!(end(events).await, Err(Reason::OutcomeUnknown));
    let events = call(&world, "bob").await;
    let id = other.start().await;
    other.result(&id, "unharmed").await;
    assert_eq!(end(events).await, Ok("unharmed".to_owned()));
}

#[tokio::test]
async fn p17_a_frame_just_too_large_is_closed_with_its_code() {
    let world = World::new().await;
    let mut page = Page::open(&world, serving(&world).await, "alice").await;
    let text = page.frame("pong", "p_1", json!({"x": "y".repeat(10_000_000)}));
    let _ = page.socket.send(Message::text(text)).await;
    assert!(matches!(page.closed().await, 1009 | 1006));
}

#[tokio::test]
async fn p17_a_result_nested_a_hundred_thousand_deep_is_a_bad_frame_and_no_overflow() {
    let world = World::new().await;
    let mut page = Page::open(&world, serving(&world).await, "alice").await;
    let events = call(&world, "alice").await;
    let id = page.start().await;
    page.seq += 1;
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let seq = page.seq;
    let text = format!(
        r#"{{"v":1,"type":"result","id":"{id}","seq":{seq},"result":{{"kind":"json","value":{open}{close}}}}}"#
    );
    page.socket.send(Message::text(text)).await.unwrap();
    assert_eq!(page.closed().await, 4400);
    assert_eq!(end(events).await, Err(Reason::OutcomeUnknown));
}

#[tokio::test]
async fn a_frame_that_is_no_unicode_or_binary_ends_the_socket() {
    let world = World::new().await;
    let address = serving(&world).await;
    let mut page = Page::open(&world, address, "alice").await;
    let broken = Frame::message(vec![0x7b, 0xff, 0xfe, 0x7d], OpCode::Data(Data::Text), true);
    page.socket.send(Message::Frame(broken)).await.unwrap();
    assert!(matches!(page.closed().await, 1007 | 4400 | 1006));
    let mut page = Page::open(&world, address, "alice").await;
    page.socket.send(Message::binary(vec![0; 16])).await.unwrap();
    assert_eq!(page.closed().await, 4400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p17_a_frame_in_parts_without_end_is_cut_off_at_the_size_of_a_frame() {
    let world = World::new().await;
    let mut page = Page::open(&world, serving(&world).await, "alice").await;
    let before = resident_kb();
    let part = vec![b'a'; 64 * 1024];
    let mut sent = 0_usize;
    let pouring = async {
        let first = Frame::message(part.clone(), OpCode::Data(Data::Text), false);
        page.socket.send(Message::Frame(first)).await.ok()?;
        while sent < 60_000_000 {
            let next = Frame::message(part.clone(), OpCode::Data(Data::Continue), false);
            page.socket.send(Message::Frame(next)).await.ok()?;
            sent += part.len();
        }
        Some(())
    };
    let _ = timeout(PATIENCE, pouring).await.expect("nobody reads and nobody closes");
    let grown = resident_kb().saturating_sub(before);
    println!("sent {sent} bytes, memory grew by {grown} kB");
    assert!(grown < 60_000, "memory grew by {grown} kB");
    assert!(matches!(page.closed().await, 1009 | 1006));
}

#[tokio::test]
async fn p18_a_flood_of_frames_ends_its_own_socket_with_4429() {
    let world = World::new().await;
    let address = serving(&world).await;
    let mut page = Page::open(&world, address, "alice").await;
    let mut other = Page::open(&world, address, "bob").await;
    for _ in 0..2000 {
        let text = page.frame("pong", "p_1", json!({}));
        if page.socket.feed(Message::text(text)).await.is_err() {
            break;
        }
    }
    let _ = page.socket.flush().await;
    assert!(matches!(page.closed().await, 4429 | 1006));
    let events = call(&world, "bob").await;
    let id = other.start().await;
    other.result(&id, "unharmed").await;
    assert_eq!(end(events).await, Ok("unharmed".to_owned()));
}

#[tokio::test]
async fn p12_a_page_that_never_answers_is_cancelled_at_the_deadline_and_told_so() {
    let world = World::new().await;
    let mut page = Page::open(&world, serving(&world).await, "alice").await;
    let soon = deputy_hub::Wish { timeout: Some(Duration::from_millis(300)), ..wish("list", &json!({})) };
    let events = world.hub.call(world.caller("alice").await, soon);
    let id = page.start().await;
    assert_eq!(end(events).await, Err(Reason::UpstreamTimeout));
    let told = page.hear().await;
    assert_eq!((told["type"].as_str(), told["id"].as_str()), (Some("cancel"), Some(id.as_str())));
    page.result(&id, "late").await;
    let events = call(&world, "alice").await;
    let id = page.start().await;
    page.result(&id, "the next one").await;
    assert_eq!(end(events).await, Ok("the next one".to_owned()));
}
