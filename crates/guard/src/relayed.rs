//! What a server says over HTTP, event by event, on its way to the client.

use crate::guard::Guard;
use crate::message::{self, Said};
use crate::sessions::MESSAGE_BYTES;
use crate::sse::{BEAT, respond};
use crate::user::GuardedUser;
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use deputy_protocol::asking::sse::{Event, Parser};
use deputy_protocol::jsonrpc::Id;
use futures_util::stream::unfold;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

/// A message as it goes to the client. What is no answer to what was asked may be an answer to anything.
pub(crate) fn text(
    said: &Said,
    method: Option<&str>,
    asked: Option<&Id>,
    guard: &Guard,
    user: &GuardedUser,
) -> Box<RawValue> {
    let is_answer = matches!(said, Said::Answer { id, .. } if Some(id) == asked);
    said.text(method.filter(|_| is_answer), guard.scopes(), user)
}

/// A stream of the server's.
pub(crate) struct Relayed {
    guard: Arc<Guard>,
    user: GuardedUser,
    method: Option<String>,
    asked: Option<Id>,
    response: reqwest::Response,
    parser: Parser,
    ready: VecDeque<Bytes>,
}

impl Relayed {
    pub(crate) fn new(
        guard: &Arc<Guard>,
        user: GuardedUser,
        method: Option<String>,
        asked: Option<Id>,
        response: reqwest::Response,
    ) -> Self {
        let parser = Parser::new(MESSAGE_BYTES, MESSAGE_BYTES);
        Self { guard: Arc::clone(guard), user, method, asked, response, parser, ready: VecDeque::new() }
    }

    async fn next(&mut self) -> Option<Bytes> {
        let stopping = self.guard.tasks.stopping().clone();
        loop {
            if !self.guard.still_in(&self.user) {
                return None;
            }
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            let chunk = tokio::select! {
                biased;
                () = stopping.cancelled() => return None,
                chunk = self.response.chunk() => chunk.ok()??,
                () = tokio::time::sleep(self.guard.left_of(&self.user).min(BEAT)) => {
                    return self.guard.still_in(&self.user).then(|| Bytes::from_static(b":\n\n"));
                }
            };
            self.read(&chunk)?;
        }
    }

    /// Line by line, so that each event's id is known. `None`: the stream cannot be read on.
    fn read(&mut self, chunk: &[u8]) -> Option<()> {
        let mut events = VecDeque::new();
        for piece in chunk.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.parser.push(piece, &mut events).ok()?;
            while let Some(event) = events.pop_front() {
                self.relay(&event);
            }
        }
        Some(())
    }

    fn relay(&mut self, event: &Event) {
        for said in message::read_server(&event.data) {
            let text = text(&said, self.method.as_deref(), self.asked.as_ref(), &self.guard, &self.user);
            let mut bytes = BytesMut::new();
            if let Some(id) = self.parser.last_id().filter(|id| !id.is_empty()) {
                bytes.extend_from_slice(format!("id: {id}\n").as_bytes());
            }
            bytes.extend_from_slice(&crate::sse::event(&text));
            self.ready.push_back(bytes.freeze());
        }
    }
}

/// As an answer.
pub(crate) fn stream(relayed: Relayed) -> Response {
    let pieces = unfold(relayed, |mut relayed| async move {
        let piece = relayed.next().await?;
        Some((Ok::<_, Infallible>(piece), relayed))
    });
    respond(Body::from_stream(pieces))
}
