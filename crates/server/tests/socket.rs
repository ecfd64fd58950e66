//! The tabs' door on a real socket: who is welcome, how many of one user, and that those who are not leave nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::PATIENCE;
use deputy_server::{Hosts, router, serve};
use deputy_testkit::{ORIGIN, PUBLIC_URL, World};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

async fn serving(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let doors = router(&world.hub, Hosts::new(PUBLIC_URL, &address.to_string()));
    let supervisor = world.hub.supervisor().clone();
    let own = supervisor.clone();
    supervisor.start(async move { serve(listener, doors, &own).await.unwrap() });
    address
}

/// What became of a tab's `hello`.
enum Greeted {
    Welcome(Box<Socket>),
    Closed(u16, String),
}

/// A new document of `subject` says hello, as the SDK does.
async fn hello(world: &World, address: SocketAddr, subject: &str) -> Greeted {
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
    let (mut socket, _) = client_async(request, stream).await.expect("an upgrade");
    let document = deputy_core::DocumentId::fresh().unwrap();
    let hello = json!({"v": 1, "type": "hello", "id": "h_1", "seq": 1, "versions": [1], "ticket": ticket,
        "docId": document, "page": {"url": "https://crm.example/x", "title": "CRM"}, "sdk": {"name": "t", "version": "1"},
        "focused": false});
    socket.send(Message::text(hello.to_string())).await.unwrap();
    match timeout(PATIENCE, socket.next()).await.expect("an answer").expect("a frame").unwrap() {
        Message::Text(text) => {
            let frame: Value = serde_json::from_str(text.as_str()).unwrap();
            assert_eq!(frame["type"], "welcome");
            Greeted::Welcome(Box::new(socket))
        }
        Message::Close(Some(close)) => Greeted::Closed(close.code.into(), close.reason.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn p18_a_user_with_too_many_tabs_is_told_4429_and_why_and_others_are_welcome() {
    let world = World::new().await;
    let address = serving(&world).await;
    let mut tabs = Vec::new();
    for _ in 0..64 {
        match hello(&world, address, "alice").await {
            Greeted::Welcome(socket) => tabs.push(socket),
            Greeted::Closed(code, reason) => panic!("{code} {reason}"),
        }
    }
    // More than may stand in the door unwelcomed at once (256): each that is refused gives its place back.
    for _ in 0..6 {
        for greeted in join_all((0..50).map(|_| hello(&world, address, "alice"))).await {
            match greeted {
                Greeted::Closed(code, reason) => {
                    assert_eq!(code, 4429);
                    assert!(reason.contains("too many tabs"), "{reason}");
                }
                Greeted::Welcome(_) => panic!("one too many"),
            }
        }
        assert_eq!(world.hub.tabs().users_kept(), 1, "nothing of the refused is kept");
    }
    assert!(matches!(hello(&world, address, "bob").await, Greeted::Welcome(_)));
    // One closes its tab, and has room for another.
    drop(tabs.pop());
    let closed =
        || world.tables.of_kind(deputy_core::EventKind::TabClosed).iter().any(|line| line.user.is_some());
    world.until("the closed tab is off the list", closed).await;
    assert!(matches!(hello(&world, address, "alice").await, Greeted::Welcome(_)));
}
