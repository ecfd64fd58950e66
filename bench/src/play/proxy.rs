//! A reverse proxy without any logic: the hub's own HTTP libraries, and nothing between them. What is left to save.

use super::serve;
use crate::Result;
use hyper::body::Incoming;
use hyper::{Request, Response};
use reqwest::Body;
use tokio::net::TcpListener;

pub(super) async fn run(to: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    super::say(listener.local_addr()?.port());
    let client = reqwest::Client::builder().no_proxy().build()?;
    serve(listener, move |request| pass(client.clone(), to, request)).await
}

async fn pass(client: reqwest::Client, to: u16, request: Request<Incoming>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let url = format!("http://127.0.0.1:{to}{}", parts.uri.path());
    let mut headers = parts.headers;
    headers.remove(http::header::HOST);
    let passed = client.request(parts.method, url).headers(headers).body(Body::wrap(body));
    Ok(passed.send().await?.into())
}
