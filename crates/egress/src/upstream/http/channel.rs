//! The transport of 2024-11-05 (HTTP+SSE): all that the server says comes on one stream that we open, and the first word on
//! it is the address at which the server listens. The stream is the session: when it ends, so does that.

use super::session::Session;
use super::wire::{self, Repeats, is_event_stream, lost};
use super::{Inner, refusal};
use crate::client::Streamed;
use crate::upstream::call::{Event, Trouble, ended};
use bytes::Bytes;
use deputy_hub::ports::upstream::Failure;
use deputy_protocol::asking::message::{self, Message};
use deputy_protocol::asking::sse;
use deputy_protocol::jsonrpc::Id;
use http::{HeaderMap, Method};
use std::collections::VecDeque;
use std::sync::Arc;
use url::Url;

/// An open stream.
pub(super) struct Channel {
    /// Where the server listens.
    pub(super) place: Url,
    streamed: Streamed,
    parser: sse::Parser,
    events: VecDeque<sse::Event>,
}

impl Channel {
    /// Opens one. A server that has none is a misfit.
    pub(super) async fn open(inner: &Inner, principal: &str) -> Result<Self, Trouble> {
        let opening = tokio::time::timeout(inner.settings.limits.probe, open(inner, principal));
        let misfit = || misfit("it did not say in time where it listens");
        opening.await.unwrap_or_else(|_| Err(misfit()))
    }

    /// Asks the one question that is asked before anybody else reads the stream.
    pub(super) async fn ask(
        &mut self,
        inner: &Inner,
        principal: &str,
        id: u64,
        body: String,
    ) -> Result<Event, Trouble> {
        let streamed =
            wire::post(inner, Some(&self.place), principal, HeaderMap::new(), body, Repeats::Never).await?;
        if !streamed.status().is_success() {
            return Err(refusal::failure(streamed.status()).into());
        }
        // Read to its end, so that the connection can be used again.
        let _ = wire::whole(streamed, 64 << 10).await;
        loop {
            let event = self.next().await?;
            for message in message::read(&event.data).unwrap_or_default() {
                match message {
                    Message::Response { id: Some(Id::Integer(of)), outcome }
                        if u64::try_from(of) == Ok(id) =>
                    {
                        return Ok(ended(&outcome));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Hears what the server says, for as long as the session lasts; it ends with the stream.
    pub(super) async fn hear(mut self, session: Arc<Session>, inner: Arc<Inner>) {
        let hearing = async {
            loop {
                match self.next().await {
                    Ok(event) if event.kind.is_none() => session.heard_event(&inner, &event.data).await,
                    Ok(_) => {}
                    Err(Failure::TooLarge { limit_bytes }) => {
                        session.open.too_large(None, limit_bytes);
                        return;
                    }
                    Err(_) => return,
                }
            }
        };
        tokio::select! {
            () = session.gone.cancelled() => {}
            () = hearing => {}
        }
        session.gone.cancel();
        session.open.end("its stream ended");
    }

    async fn next(&mut self) -> Result<sse::Event, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let chunk = self.streamed.chunk().await.map_err(lost)?;
            let chunk = chunk.ok_or_else(|| Failure::Lost("its stream ended".to_owned()))?;
            let too_long = |error: sse::TooLong| Failure::TooLarge { limit_bytes: error.limit_bytes };
            self.parser.push(&chunk, &mut self.events).map_err(too_long)?;
        }
    }
}

async fn open(inner: &Inner, principal: &str) -> Result<Channel, Trouble> {
    let streamed =
        wire::send(inner, None, principal, Method::GET, HeaderMap::new(), Bytes::new(), Repeats::Never)
            .await?;
    let status = streamed.status();
    if status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 429) {
        return Err(refusal::failure(status).into());
    }
    if !status.is_success() || !is_event_stream(streamed.headers()) {
        return Err(misfit("it has no stream to open"));
    }
    let limits = &inner.settings.limits;
    let parser = sse::Parser::new(limits.stream_line_bytes, limits.answer_bytes);
    // The first event says it; that it is followed by others is no reason to read them before.
    let place = inner.settings.url.clone();
    let mut channel = Channel { place, streamed, parser, events: VecDeque::new() };
    let first = channel.next().await?;
    if first.kind.as_deref() != Some("endpoint") {
        return Err(misfit("its stream does not begin with where it listens"));
    }
    let said = std::str::from_utf8(&first.data).ok().and_then(|said| inner.settings.url.join(said).ok());
    // INVARIANT: what we say, credentials included, goes where the operator pointed and nowhere else.
    let own = said.filter(|place| {
        place.origin() == inner.settings.url.origin()
            && place.username().is_empty()
            && place.password().is_none()
    });
    channel.place = own.ok_or_else(|| {
        Failure::NotSent(
            "it wants to listen at another origin than its `url`, which is not followed".to_owned(),
        )
    })?;
    Ok(channel)
}

/// The server is not one of this transport.
fn misfit(why: &str) -> Trouble {
    Trouble::Misfit(Err(Failure::NotSent(why.to_owned())))
}
