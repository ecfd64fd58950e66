//! The hub for the MCP conformance suite, which brings no token: a hub in memory behind its real router, and one fixed
//! principal, put in front of it where nothing that ships can see it.
//!
//! Without an argument there is `/mcp` with a page's tools. With `--upstream URL` or `--command WORDS…` there is a server
//! behind it, asked by the client that ships, and `/s/fixture/mcp`. Prints the address, and serves until its input ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool of the tests: it stops where it meets the unforeseen, and says its address"
)]

use deputy_egress::upstream::{
    HttpSettings, HttpUpstream, Limits, NoCredential, StdioSettings, StdioUpstream,
};
use deputy_egress::{HttpClient, NamedHosts, Settings};
use deputy_hub::Supervisor;
use deputy_hub::ports::Upstream;
use deputy_protocol::tab::{TabFrame, ToolResult};
use deputy_server::{Hosts, router, serve};
use deputy_testkit::{FakeTab, Said, StillClock, World};
use http::{HeaderValue, Request, header};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tower::{Layer, Service};

/// Whose agent the suite plays.
const PRINCIPAL: &str = "conformance";
/// What the server behind the hub is called there.
const SERVER: &str = "fixture";

#[tokio::main]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let public_url = format!("http://localhost:{}", address.port());
    let mut words = std::env::args().skip(1);
    let upstream = match words.next().as_deref() {
        None => None,
        Some("--upstream") => Some(at_address(&words.next().expect("an address"))),
        Some("--command") => Some(as_process(words.collect())),
        Some(unknown) => panic!("`{unknown}` is neither `--upstream` nor `--command`"),
    };
    let (world, path) = match &upstream {
        None => (World::at(&public_url).await, "/mcp".to_owned()),
        Some(upstream) => {
            let world = World::in_front_of(&public_url, SERVER, Arc::clone(upstream)).await;
            (world, format!("/s/{SERVER}/mcp"))
        }
    };
    let token = format!("Bearer {}", world.access_token(PRINCIPAL, &path));
    let token = HeaderValue::from_str(&token).unwrap();
    // The token is the only thing that is given: host, origin and log are what they always are.
    let doors = Signed(token).layer(router(&world.hub, Hosts::new(&public_url, &address.to_string())));
    let supervisor = world.hub.supervisor().clone();
    if upstream.is_none() {
        supervisor.start_until_shutdown(answer(world.tab(PRINCIPAL).await));
    }
    let own = supervisor.clone();
    supervisor.start(async move { serve(listener, doors, &own).await.unwrap() });
    println!("{public_url}{path}");
    std::io::stdout().flush().unwrap();
    while tokio::io::stdin().read(&mut [0; 64]).await.unwrap_or(0) > 0 {}
    if let Some(upstream) = upstream {
        upstream.close().await;
    }
    supervisor.shut_down().await;
}

fn at_address(url: &str) -> Arc<dyn Upstream> {
    let url: url::Url = url.parse().expect("an address");
    let client = HttpClient::new(Settings::new(NamedHosts::of(std::slice::from_ref(&url)))).unwrap();
    Arc::new(HttpUpstream::new(HttpSettings {
        name: SERVER.to_owned(),
        url,
        client,
        credential: Arc::new(NoCredential),
        limits: Limits::default(),
        clock: Arc::new(StillClock::default()),
        supervisor: Supervisor::default(),
    }))
}

fn as_process(words: Vec<String>) -> Arc<dyn Upstream> {
    let mut words = words.into_iter();
    Arc::new(StdioUpstream::new(StdioSettings {
        name: SERVER.to_owned(),
        program: words.next().expect("a program"),
        arguments: words.collect(),
        environment: BTreeMap::new(),
        directory: None,
        is_shared: false,
        grace: Duration::from_secs(2),
        limits: Limits::default(),
        clock: Arc::new(StillClock::default()),
        supervisor: Supervisor::default(),
    }))
}

/// Gives every request the token.
#[derive(Clone)]
struct Signed<T>(T);

impl<S> Layer<S> for Signed<HeaderValue> {
    type Service = Signed<(HeaderValue, S)>;

    fn layer(&self, inner: S) -> Self::Service {
        Signed((self.0.clone(), inner))
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Signed<(HeaderValue, S)> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.1.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.headers_mut().insert(header::AUTHORIZATION, self.0.0.clone());
        self.0.1.call(request)
    }
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
