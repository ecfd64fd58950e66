//! The hub on a real socket: taking connections, noticing that a client left, and stopping.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::PATIENCE;
use deputy_hub::Supervisor;
use deputy_server::{Hosts, router, serve};
use deputy_testkit::{PUBLIC_URL, Said, World};
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Serves a world; the receiver hears when serving ended.
async fn serving(world: &World) -> (SocketAddr, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(&world.hub, Hosts::new(PUBLIC_URL, &address.to_string()));
    let (ended, end) = oneshot::channel();
    let supervisor: Supervisor = world.hub.supervisor().clone();
    let own = supervisor.clone();
    supervisor.start(async move {
        serve(listener, router, &own).await.unwrap();
        let _ = ended.send(());
    });
    (address, end)
}

async fn connected(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads until `wanted` was seen, or the connection ended; all that was read.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0_u8; 4096];
    while !seen.contains(wanted) {
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("nothing came").unwrap_or(0);
        if count == 0 {
            break;
        }
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    seen
}

fn modern(world: &World, token: &str, method: &str, mut params: serde_json::Value) -> String {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let name = params["name"].as_str().map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    assert!(world.hub.public_url() == PUBLIC_URL);
    format!(
        "POST /mcp HTTP/1.1\r\nhost: hub.example\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n{name}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_stop_ends_listens_gracefully_and_then_serving() {
    let world = World::new().await;
    let (address, end) = serving(&world).await;
    let request = modern(
        &world,
        &world.access_token("alice", "/mcp"),
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    let mut stream = connected(address, &request).await;
    assert!(read_until(&mut stream, "acknowledged").await.contains("200 OK"));
    let mut idle = connected(address, "GET /healthz HTTP/1.1\r\nhost: hub.example\r\n\r\n").await;
    assert!(read_until(&mut idle, "\r\n\r\n").await.contains("200 OK"));
    timeout(PATIENCE, world.hub.supervisor().shut_down()).await.expect("it never stopped");
    timeout(PATIENCE, end).await.expect("it never ended").unwrap();
    assert!(read_until(&mut stream, "\r\n0\r\n").await.contains(r#""resultType":"complete""#));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn gateway_rule_15_a_modern_client_that_leaves_cancels_its_call() {
    let world = World::new().await;
    let (address, _end) = serving(&world).await;
    let mut tab = world.tab("alice").await;
    let token = world.access_token("alice", "/mcp");
    for params in [
        json!({"name": "crm__list", "arguments": {}}),
        json!({"name": "crm__list", "arguments": {}, "_meta": {"progressToken": 1}}),
    ] {
        let stream = connected(address, &modern(&world, &token, "tools/call", params)).await;
        let (id, _) = tab.start_call().await;
        drop(stream);
        loop {
            if let Said::Cancel(cancelled) = tab.hear().await {
                assert_eq!(cancelled, id);
                break;
            }
        }
    }
}

#[tokio::test]
async fn r17_a_listen_ends_when_the_token_that_opened_it_does() {
    let world = World::new().await;
    let (address, _end) = serving(&world).await;
    let token = world.access_token("alice", "/mcp");
    world.clock.advance(std::time::Duration::from_secs(3599));
    let request = modern(&world, &token, "subscriptions/listen", json!({"notifications": {}}));
    let mut stream = connected(address, &request).await;
    assert!(read_until(&mut stream, r#""resultType":"complete""#).await.contains("acknowledged"));
}

#[tokio::test]
async fn r15_headers_without_end_are_not_read() {
    let world = World::new().await;
    let (address, _end) = serving(&world).await;
    let mut stream = connected(address, "GET /healthz HTTP/1.1\r\nhost: hub.example\r\n").await;
    let line = format!("x-filler: {}\r\n", "a".repeat(1000));
    for _ in 0..2000 {
        if stream.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    let seen = read_until(&mut stream, "\r\n\r\n").await;
    assert!(seen.is_empty() || seen.contains(" 431 ") || seen.contains(" 400 "), "{seen}");
}
