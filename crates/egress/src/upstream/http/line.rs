//! One request over HTTP and what comes back on it: a body or a stream of events, and of a legacy session what comes
//! beside it.

use super::session::Session;
use super::wire::{self, Repeats, is_event_stream, lost};
use super::{Inner, refusal};
use crate::client::Streamed;
use crate::upstream::call::{Asked, Event, Line, Trouble, ended, progress};
use async_trait::async_trait;
use deputy_hub::ports::upstream::{Failure, Told};
use deputy_protocol::asking::message::{self, Message};
use deputy_protocol::asking::{request, sse};
use deputy_protocol::jsonrpc::Id;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::header::HeaderValue;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long we wait before a stream is resumed, if the server says nothing.
const RETRY: Duration = Duration::from_secs(1);
/// However short or long it wants us to wait.
const SHORTEST_RETRY: Duration = Duration::from_millis(10);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// For how long an answer is held back so that its connection can serve the next request.
const ENDS_WITHIN: Duration = Duration::from_millis(2);
/// How much room is made at once for an answer that says how long it is going to be.
const MOST_ROOM: usize = 1024 * 1024;
/// How often in a row a stream is resumed without bringing anything.
const FRUITLESS: u32 = 8;

/// The way of one request.
pub(super) struct HttpLine {
    inner: Arc<Inner>,
    principal: String,
    id: u64,
    session: Option<Arc<Session>>,
    aside: Option<mpsc::Receiver<Event>>,
    state: State,
    parser: sse::Parser,
    parsed: VecDeque<sse::Event>,
    events: VecDeque<Event>,
    fruitless: u32,
    minted: Option<HeaderValue>,
    is_answered: bool,
    /// Whether the answer may be one that was read before.
    is_list: bool,
}

enum State {
    Sending(BoxFuture<'static, Result<Streamed, Failure>>),
    Body(Streamed, Vec<u8>),
    Stream(Streamed),
    Resuming(BoxFuture<'static, Result<Streamed, Failure>>),
    /// The request was taken; the answer comes on the session's own stream.
    Aside,
    Done,
}

/// What the state became.
enum Step {
    Answered(Streamed),
    Piece(Option<bytes::Bytes>),
    Broke,
    Resumed(Streamed),
}

impl HttpLine {
    /// Begins to send. In a session, what comes beside the answer is heard, too.
    pub(super) fn new(
        inner: &Arc<Inner>,
        principal: &str,
        (id, headers, body): (u64, HeaderMap, String),
        repeats: Repeats,
        session: Option<(Arc<Session>, mpsc::Receiver<Event>)>,
    ) -> Self {
        let (session, aside) = session.unzip();
        let sending = {
            let (inner, principal) = (Arc::clone(inner), principal.to_owned());
            let place = session.as_ref().and_then(|session| session.place().cloned());
            Box::pin(
                async move { wire::post(&inner, place.as_ref(), &principal, headers, body, repeats).await },
            )
        };
        let limits = &inner.settings.limits;
        Self {
            inner: Arc::clone(inner),
            principal: principal.to_owned(),
            id,
            session,
            aside,
            state: State::Sending(sending),
            parser: sse::Parser::new(limits.stream_line_bytes, limits.answer_bytes),
            parsed: VecDeque::new(),
            events: VecDeque::new(),
            fruitless: 0,
            minted: None,
            is_answered: false,
            is_list: false,
        }
    }

    /// The same for a request for a list.
    pub(super) const fn for_a_list(mut self) -> Self {
        self.is_list = true;
        self
    }

    /// The session that the answer opened.
    pub(super) fn minted(&mut self) -> Option<HeaderValue> {
        self.minted.take()
    }

    fn is_over_channel(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.place().is_some())
    }

    fn took(&mut self, step: Step) -> Result<(), Trouble> {
        if let Step::Answered(streamed) = &step {
            self.minted = streamed.headers().get(wire::SESSION).filter(|id| id.len() <= 1024).cloned();
        }
        match step {
            Step::Answered(streamed)
                if streamed.status().is_success()
                    && is_event_stream(streamed.headers())
                    && !self.is_over_channel() =>
            {
                self.state = State::Stream(streamed);
            }
            Step::Answered(streamed) => {
                let announced = streamed.announced();
                wire::within(announced, self.inner.settings.limits.answer_bytes)?;
                let room = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
                self.state = State::Body(streamed, Vec::with_capacity(room.min(MOST_ROOM)));
            }
            Step::Resumed(streamed) => {
                let status = streamed.status();
                if !status.is_success() || !is_event_stream(streamed.headers()) {
                    let words = format!("its stream broke and could not be resumed (status {status})");
                    return Err(Failure::Lost(words).into());
                }
                self.state = State::Stream(streamed);
            }
            Step::Piece(Some(chunk)) => self.piece(&chunk)?,
            Step::Piece(None) => self.end()?,
            Step::Broke => self.broke()?,
        }
        Ok(())
    }

    fn piece(&mut self, chunk: &[u8]) -> Result<(), Trouble> {
        if let State::Body(_, body) = &mut self.state {
            wire::add(body, chunk, self.inner.settings.limits.answer_bytes)?;
            return Ok(());
        }
        let too_long = |error: sse::TooLong| Failure::TooLarge { limit_bytes: error.limit_bytes };
        self.parser.push(chunk, &mut self.parsed).map_err(too_long)?;
        while let Some(event) = self.parsed.pop_front() {
            self.fruitless = 0;
            if event.kind.is_none() {
                // What is no message is passed over: the answer may still come.
                for message in message::read(&event.data).unwrap_or_default() {
                    self.message(message);
                }
            }
        }
        Ok(())
    }

    /// The body is whole, or the stream has ended.
    fn end(&mut self) -> Result<(), Trouble> {
        let State::Body(streamed, body) = &mut self.state else { return self.broke() };
        let (status, body) = (streamed.status(), std::mem::take(body));
        if status.is_success() && self.is_over_channel() {
            self.state = State::Aside;
            return Ok(());
        }
        let is_list = self.is_list && status.is_success();
        if is_list {
            let repeated = &self.inner.repeated;
            let known = match &self.session {
                None => repeated.finished(self.id, &body).map(Event::Finished),
                Some(_) => repeated.result(self.id, &body).map(Event::Result),
            };
            if let Some(known) = known {
                self.is_answered = true;
                self.events.push_back(known);
                return Ok(());
            }
        }
        let messages = message::read(&body);
        if status.is_success() {
            let none = |why: String| Failure::Unusable(why);
            let messages = messages.map_err(|why| {
                none(if body.is_empty() {
                    format!("it took the request and gave no answer (status {status})")
                } else {
                    why.to_string()
                })
            })?;
            if let ([Message::Response { outcome: message::Outcome::Result(result), .. }], true) =
                (messages.as_slice(), is_list)
            {
                self.inner.repeated.keep(self.id, &body, result);
            }
            for message in messages {
                self.message(message);
            }
            if self.is_answered {
                return Ok(());
            }
            return Err(none("its answer is to another request".to_owned()).into());
        }
        self.is_answered = true;
        let event = refusal::of(status, messages.ok(), self.id, self.session.as_deref())?;
        self.events.push_back(event);
        Ok(())
    }

    /// The stream ended without the answer: legacy ones can be resumed where an event had an id.
    fn broke(&mut self) -> Result<(), Trouble> {
        if self.is_answered {
            return Ok(());
        }
        let ended = || Failure::Lost("the connection ended before the answer".to_owned());
        let session = self.session.as_ref().ok_or_else(ended)?;
        let place = self.parser.last_id().and_then(|id| HeaderValue::from_str(id).ok()).ok_or_else(ended)?;
        self.fruitless += 1;
        if self.fruitless > FRUITLESS {
            return Err(ended().into());
        }
        self.parser.restart();
        let wait = self.parser.retry().unwrap_or(RETRY).clamp(SHORTEST_RETRY, LONGEST_RETRY);
        let (inner, principal) = (Arc::clone(&self.inner), self.principal.clone());
        let mut headers = session.headers();
        headers.insert(wire::LAST_EVENT, place);
        self.state = State::Resuming(Box::pin(async move {
            tokio::time::sleep(wait).await;
            wire::send(
                &inner,
                None,
                &principal,
                http::Method::GET,
                headers,
                bytes::Bytes::new(),
                Repeats::Never,
            )
            .await
        }));
        Ok(())
    }

    /// A stream that has brought the answer ends now: read to its end, its connection serves the next request.
    async fn ends(&mut self) {
        if let State::Stream(streamed) = &mut self.state
            && let Ok(Ok(None) | Err(_)) = tokio::time::timeout(ENDS_WITHIN, streamed.chunk()).await
        {
            self.state = State::Done;
        }
    }

    /// One that takes longer is read to its end beside the next request.
    fn read_to_its_end(&mut self) {
        let State::Stream(mut streamed) = std::mem::replace(&mut self.state, State::Done) else { return };
        if !self.is_answered {
            return;
        }
        self.inner.settings.supervisor.start(async move {
            let to_its_end = async { while let Ok(Some(_)) = streamed.chunk().await {} };
            let _ = tokio::time::timeout(Duration::from_millis(500), to_its_end).await;
        });
    }

    fn message(&mut self, message: Message<'_>) {
        match message {
            Message::Response { id, outcome } => {
                let is_ours = match id {
                    Some(Id::Integer(id)) => u64::try_from(id) == Ok(self.id),
                    Some(Id::Text(_)) => false,
                    // It could not read our id; but there is only one request in a body.
                    None => matches!(outcome, message::Outcome::Error(_)),
                };
                if is_ours {
                    self.is_answered = true;
                    self.events.push_back(ended(&outcome));
                }
            }
            Message::Request { id, method, params } => self.events.push_back(Event::Asked(Asked {
                id: id.to_owned(),
                method: method.into_owned(),
                params: params.map(ToOwned::to_owned),
            })),
            Message::Notification { method, params } => self.told(&method, params),
        }
    }

    fn told(&mut self, method: &str, params: Option<&RawValue>) {
        if method == "notifications/progress" {
            if let Some((_, told)) = progress(params).filter(|(token, _)| *token == self.id) {
                self.events.push_back(Event::Told(told));
            }
            return;
        }
        let listening = self.inner.listeners.of(&self.principal);
        let is_change = listening.is_some_and(|listening| listening.note(method, params));
        if !is_change && !GONE.contains(&method) {
            let told = Told { method: method.to_owned(), params: params.map(ToOwned::to_owned) };
            self.events.push_back(Event::Told(told));
        }
    }
}

/// Notifications that mean nothing beyond their hop, or that the modern era has not.
const GONE: [&str; 6] = [
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
];

#[async_trait]
impl Line for HttpLine {
    async fn next(&mut self) -> Result<Event, Trouble> {
        loop {
            if self.is_answered {
                self.ends().await;
            }
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let is_over_channel = self.is_over_channel();
            let step = match &mut self.aside {
                None => step(&mut self.state).await?,
                Some(aside) if is_over_channel => tokio::select! {
                    biased;
                    event = aside.recv() => {
                        let ended = || Failure::Lost("its stream ended before the answer".to_owned());
                        return event.ok_or_else(|| ended().into());
                    }
                    step = step(&mut self.state) => step?,
                },
                Some(aside) => tokio::select! {
                    biased;
                    Some(event) = aside.recv() => return Ok(event),
                    step = step(&mut self.state) => step?,
                },
            };
            self.took(step)?;
        }
    }

    async fn say(&mut self, text: String) -> Result<(), Failure> {
        match &self.session {
            Some(session) => session.say(&self.inner, text).await,
            None => Ok(()),
        }
    }

    /// In the modern era the closed stream says it.
    fn give_up(&mut self, unanswered: Vec<String>) {
        let Some(session) = self.session.clone() else { return };
        let inner = Arc::clone(&self.inner);
        let cancelled = request::cancelled(self.id, "the client went away");
        self.inner.settings.supervisor.start(async move {
            for text in std::iter::once(cancelled).chain(unanswered) {
                let saying = session.say(&inner, text);
                if !matches!(tokio::time::timeout(Duration::from_secs(5), saying).await, Ok(Ok(()))) {
                    return;
                }
            }
        });
    }
}

impl Drop for HttpLine {
    fn drop(&mut self) {
        self.read_to_its_end();
        if let Some(session) = &self.session {
            session.ended(self.id, &self.inner);
        }
    }
}

async fn step(state: &mut State) -> Result<Step, Failure> {
    Ok(match state {
        State::Sending(sending) => Step::Answered(sending.await?),
        State::Resuming(resuming) => Step::Resumed(resuming.await?),
        State::Body(streamed, _) => Step::Piece(streamed.chunk().await.map_err(lost)?),
        State::Stream(streamed) => match streamed.chunk().await {
            Ok(piece) => Step::Piece(piece),
            Err(_) => Step::Broke,
        },
        State::Aside => std::future::pending().await,
        State::Done => Step::Broke,
    })
}
