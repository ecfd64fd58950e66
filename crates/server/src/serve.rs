//! Takes connections until the hub stops.
//!
//! HTTP/1.1 alone: whoever terminates TLS in front speaks it to us, and it is the version in which tabs open sockets.

use axum::response::Response;
use deputy_hub::Supervisor;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Connections at once, without sockets of welcomed tabs (R15).
const CONNECTIONS: usize = 65_536;
/// How long the headers of a request may take to arrive, and a connection may be idle (R15). Longer than proxies keep
/// idle connections (60 s), else they would send a request into one that we just closed.
const HEADER_TIME: Duration = Duration::from_secs(75);
/// Bytes of headers.
const HEADER_BYTES: usize = 64 * 1024;
/// How long running requests may go on after the hub was told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait when the system has no more connections to give.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the supervisor's shutdown begins; then no connection is taken any more, streams are ended by their
/// doors, and running requests have ten seconds. The supervisor waits for them.
///
/// # Errors
/// Never in practice; a connection that fails takes no other with it.
pub async fn serve<S>(listener: TcpListener, doors: S, supervisor: &Supervisor) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let stopping = supervisor.stopping().clone();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?.0, place))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = stopping.cancelled() => return Ok(()),
        };
        match accepted {
            Ok((stream, place)) => {
                let (doors, stopping) = (doors.clone(), stopping.clone());
                supervisor.start(async move {
                    hold(stream, doors, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, to its end. What goes wrong on it is the other side's affair.
async fn hold<S>(stream: TcpStream, doors: S, stopping: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // Small messages go out at once; a socket that refuses works as well.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_header_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(doors))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
