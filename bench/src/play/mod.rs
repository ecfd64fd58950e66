//! The parts of a comparison, each a process of its own so that its processor time is its own: a server that answers at
//! once, a proxy without any logic, and a hub with everything off.

mod echo;
mod hub;
mod proxy;

use crate::{Result, fail};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Plays a part until it is killed. Says its port first.
pub(crate) async fn play(part: &[&str]) -> Result<()> {
    match part {
        ["echo", tools, "modern"] => echo::run(tools.parse()?, echo::Speaks::Modern).await,
        ["echo", tools, "legacy"] => echo::run(tools.parse()?, echo::Speaks::Legacy).await,
        ["proxy", to] => proxy::run(to.parse()?).await,
        ["hub", "off", to] => hub::run(to.parse()?, None).await,
        ["hub", issuer, to] => hub::run(to.parse()?, Some(issuer)).await,
        _ => fail(format!("`{}` is no part: echo, proxy or hub", part.join(" "))),
    }
}

/// Serves HTTP/1.1 as the hub does: the same library, kept connections, no delay.
async fn serve<B, A>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> A + Send + Sync + 'static,
) -> Result<()>
where
    B: hyper::body::Body<Data = bytes::Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    A: Future<Output = Result<Response<B>>> + Send,
{
    let answer = Arc::new(answer);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = Arc::clone(&answer);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = Arc::clone(&answer);
                async move { answer(request).await.map_err(|error| std::io::Error::other(error.to_string())) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// A line that whoever started this process waits for.
fn say(word: impl std::fmt::Display) {
    use std::io::Write as _;
    println!("{word}");
    let _ = std::io::stdout().flush();
}
