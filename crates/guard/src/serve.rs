//! Takes connections until the end. HTTP/1.1 alone: TLS is the business of the proxy in front.

use crate::tasks::Tasks;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once.
const CONNECTIONS: usize = 8192;
/// How long the headers of a request may take, and a connection may be idle: longer than proxies keep idle ones (60 s).
const HEADER_TIME: Duration = Duration::from_secs(75);
const HEADER_BYTES: usize = 64 * 1024;
/// How long running requests may go on once the end has begun.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait when the system has no more connections to give.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `tasks` are told to end.
pub async fn serve(listener: TcpListener, router: Router, tasks: &Tasks) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = tasks.stopping().cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stopping) = (router.clone(), tasks.stopping().clone());
                tasks.start(async move {
                    hold(stream, router, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, to its end. What goes wrong on it is the other side's affair.
async fn hold(stream: TcpStream, router: Router, stopping: CancellationToken) {
    // Small messages go out at once; a socket that refuses works as well.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_header_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
