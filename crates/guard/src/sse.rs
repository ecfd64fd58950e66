//! Event streams to clients.

use crate::guard::Guard;
use crate::user::GuardedUser;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderValue, header};
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How often a silent stream says that it is there, and whether its person may still listen is asked anew.
pub(crate) const BEAT: Duration = Duration::from_secs(15);

/// One event.
pub(crate) fn event(message: &RawValue) -> Bytes {
    let mut text = String::with_capacity(message.get().len() + 32);
    text.push_str("event: message\n");
    for line in message.get().split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    Bytes::from(text)
}

/// Where the messages of a stream come from.
pub(crate) trait Source: Send + 'static {
    /// The next one; `None` after the last. Nothing is lost when this is dropped unfinished.
    fn next(&mut self) -> impl Future<Output = Option<Box<RawValue>>> + Send;
}

/// A stream of these messages, until there is none, the token ends, or its person is let in no more.
pub(crate) fn stream(guard: &Arc<Guard>, user: GuardedUser, source: impl Source) -> Response {
    let state = Listening { guard: Arc::clone(guard), user, source };
    let events = unfold(state, |mut state| async move {
        let piece = state.next().await?;
        Some((Ok::<_, Infallible>(piece), state))
    });
    respond(Body::from_stream(events))
}

/// The headers of an event stream.
pub(crate) fn respond(body: Body) -> Response {
    let mut answer = body.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

struct Listening<S> {
    guard: Arc<Guard>,
    user: GuardedUser,
    source: S,
}

impl<S: Source> Listening<S> {
    async fn next(&mut self) -> Option<Bytes> {
        let stopping = self.guard.tasks.stopping().clone();
        tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            message = self.source.next() => {
                let message = message?;
                self.guard.still_in(&self.user).then(|| event(&message))
            }
            () = tokio::time::sleep(self.guard.left_of(&self.user).min(BEAT)) => {
                self.guard.still_in(&self.user).then(|| Bytes::from_static(b":\n\n"))
            }
        }
    }
}

impl Guard {
    /// Whether what a request began may go on.
    pub(crate) fn still_in(&self, user: &GuardedUser) -> bool {
        self.clock.now() < user.expires_at() && self.let_in(user.person()).is_ok()
    }

    /// How long the user's token still lives.
    pub(crate) fn left_of(&self, user: &GuardedUser) -> Duration {
        user.expires_at().since(self.clock.now())
    }
}
