//! The hub for the MCP conformance suite, which brings no token: a hub in memory behind its real router, and one fixed
//! principal, put in front of it where nothing that ships can see it.
//!
//! Prints the address to test, and serves until its input ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool of the tests: it stops where it meets the unforeseen, and says its address"
)]

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_server::{Hosts, router, serve};
use deputy_testkit::{FakeTab, Said, World};
use http::{HeaderValue, header};
use std::io::Write as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

/// Whose agent the suite plays.
const PRINCIPAL: &str = "conformance";

#[tokio::main]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let public_url = format!("http://localhost:{}", address.port());
    let world = World::at(&public_url).await;
    let token = format!("Bearer {}", world.access_token(PRINCIPAL, "/mcp"));
    let token = HeaderValue::from_str(&token).unwrap();
    let doors = router(&world.hub, Hosts::new(&public_url, &address.to_string()));
    // The token is the only thing that is given: host, origin, policy and log are what they always are.
    let doors = doors.layer(from_fn(move |mut request: Request, next: Next| {
        request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        next.run(request)
    }));
    let tab = world.tab(PRINCIPAL).await;
    let supervisor = world.hub.supervisor().clone();
    supervisor.start_until_shutdown(answer(tab));
    let own = supervisor.clone();
    supervisor.start(async move { serve(listener, doors, &own).await.unwrap() });
    println!("{public_url}/mcp");
    std::io::stdout().flush().unwrap();
    while tokio::io::stdin().read(&mut [0; 64]).await.unwrap_or(0) > 0 {}
    supervisor.shut_down().await;
}

/// A page whose tools all say the same.
async fn answer(mut tab: FakeTab) {
    loop {
        match tab.listen().await {
            Said::Call(id, _) => {
                tab.say(&id, TabFrame::Accepted).await;
                tab.say(&id, TabFrame::Started).await;
                tab.say(&id, TabFrame::Result(ToolResult::Text { text: "done".to_owned() })).await;
            }
            Said::Ping(id) => tab.say(&id, TabFrame::Pong).await,
            Said::Cancel(_) => {}
        }
    }
}
