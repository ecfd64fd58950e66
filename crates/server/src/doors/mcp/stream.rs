//! Server-sent events: messages as they come, comments while none comes.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

/// How long a stream is silent at most: shorter than what proxies take for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a call may take to be answered by one JSON body; after that a stream begins, so that the client has its
/// headers. The official Python client with OAuth sends nothing else, not even a cancellation, until it has them.
pub(super) const PROMPT: Duration = Duration::from_millis(250);

/// One message of ours, as text: what a server said in it stays as it was.
pub(super) type Outgoing = Box<RawValue>;

/// Where the messages of a stream come from. Dropped when the client goes away.
pub(super) trait Source: Send + 'static {
    /// The next message; `None` ends the stream. Dropping the future loses nothing: it is asked for again.
    fn next(&mut self) -> impl Future<Output = Option<Outgoing>> + Send;
}

/// The answer that carries the messages.
pub(super) fn answer(source: impl Source) -> Response {
    let body = stream::unfold(source, |mut source| async {
        let bytes = match tokio::time::timeout(KEEP_ALIVE, source.next()).await {
            Ok(Some(message)) => framed(&message),
            Ok(None) => return None,
            Err(_) => Bytes::from_static(b": keep-alive\n\n"),
        };
        Some((Ok::<_, Infallible>(bytes), source))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, Body::from_stream(body)).into_response()
}

/// One `data` line: JSON may have line breaks between its tokens, never within one.
fn framed(message: &RawValue) -> Bytes {
    Bytes::from(format!("event: message\ndata: {}\n\n", one_line(message.get())))
}

fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.into() }
}
