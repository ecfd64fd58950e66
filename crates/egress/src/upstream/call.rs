//! One open call at a server, whatever carries it: it is read until its answer, or until the server asks back.

use async_trait::async_trait;
use deputy_hub::ports::upstream::{Ask, Failure, Reply, Told};
use deputy_protocol::asking::needs::{self, Declared};
use deputy_protocol::asking::request::Side;
use deputy_protocol::asking::{answer, message, request};
use deputy_protocol::jsonrpc::Fault;
use deputy_protocol::relay::{Object, raw};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::mpsc;

/// What comes in while a call is open.
#[derive(Debug)]
pub(super) enum Event {
    /// The end: a result.
    Result(Box<RawValue>),
    /// The end: a result that is in the words of the modern era already.
    Finished(Box<RawValue>),
    /// The end: an error.
    Error { code: i64, message: String, data: Option<Box<RawValue>> },
    /// On the way; progress without its token.
    Told(Told),
    /// The server asks something.
    Asked(Asked),
    /// The answer came and is longer than it may be.
    TooLarge { limit_bytes: usize },
}

/// A request of the server's.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Box<RawValue>,
    pub(super) method: String,
    pub(super) params: Option<Box<RawValue>>,
}

/// Why a call has no answer, and whether another try makes sense.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No.
    Failed(Failure),
    /// The session is no more: once, in a new one.
    SessionGone,
    /// The server seems to be of another era than we thought; if it is not, this is what is to be said. Nothing was done.
    Misfit(Result<Reply, Failure>),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What carries a call.
#[async_trait]
pub(super) trait Line: Send {
    /// What comes next. Nothing is lost when this is dropped unfinished.
    async fn next(&mut self) -> Result<Event, Trouble>;
    /// Sends one of our answers to the server.
    async fn say(&mut self, text: String) -> Result<(), Failure>;
    /// The answer is no longer wanted: the server is told so, and these are its requests that stay unanswered.
    fn give_up(&mut self, unanswered: Vec<String>);
}

/// Which era's words the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    Legacy,
}

/// What came of reading on.
#[derive(Debug)]
pub(super) enum Said {
    /// The last word.
    Reply(Reply),
    /// The client is asked; the call stays open.
    AsksBack,
    /// The client must open addresses and then ask anew: the parameters of each elicitation.
    AfterOpening(Vec<Box<RawValue>>),
}

/// How long a server that has asked something may take to ask more: the client is asked all of it at once.
const TOGETHER: Duration = Duration::from_millis(20);

/// An open call. Dropped before its end, it is given up.
pub(super) struct OpenCall {
    line: Box<dyn Line>,
    method: String,
    era: Era,
    declared: Declared,
    log_level: Option<String>,
    wants_progress: bool,
    waiting: Vec<(String, Asked)>,
    asked_so_far: usize,
    is_finished: bool,
}

impl OpenCall {
    pub(super) fn new(line: Box<dyn Line>, ask: &Ask, declared: Declared, era: Era) -> Self {
        Self {
            line,
            method: ask.method.clone(),
            era,
            declared,
            log_level: ask.client.log_level.clone(),
            wants_progress: ask.client.progress,
            waiting: Vec::new(),
            asked_so_far: 0,
            is_finished: false,
        }
    }

    /// Reads on.
    pub(super) async fn run(&mut self, told: &mpsc::Sender<Told>) -> Result<Said, Trouble> {
        loop {
            // What is not read to its end is still to be stopped.
            let is_end = |trouble: &Trouble| !matches!(trouble, Trouble::Failed(Failure::TooLarge { .. }));
            let event = match self.next().await {
                Some(event) => event.inspect_err(|trouble| self.is_finished = is_end(trouble))?,
                None => return Ok(Said::AsksBack),
            };
            match event {
                Event::Told(note) => {
                    if self.wants(&note) {
                        // Whoever does not read it loses it.
                        let _ = told.try_send(note);
                    }
                }
                Event::TooLarge { limit_bytes } => return Err(Failure::TooLarge { limit_bytes }.into()),
                Event::Asked(asked) => {
                    self.asked(asked).await?;
                }
                Event::Result(result) => {
                    self.is_finished = true;
                    let told = match self.era {
                        Era::Modern => answer::modern(&self.method, &result, self.declared.extensions),
                        Era::Legacy => answer::legacy(&self.method, &result).map(Cow::Owned),
                    };
                    let told = match told.map_err(|why| Failure::Unusable(why.to_string()))? {
                        Cow::Owned(told) => told,
                        Cow::Borrowed(_) => result,
                    };
                    return Ok(Said::Reply(Reply::Result(told)));
                }
                Event::Finished(result) => {
                    self.is_finished = true;
                    return Ok(Said::Reply(Reply::Result(result)));
                }
                Event::Error { code, message, data } => {
                    self.is_finished = true;
                    return Ok(self.fault(code, message, data));
                }
            }
        }
    }

    /// What comes next. `None`: the client has to be asked, and nothing more came that it could be asked with it.
    async fn next(&mut self) -> Option<Result<Event, Trouble>> {
        if self.waiting.is_empty() {
            return Some(self.line.next().await);
        }
        tokio::time::timeout(TOGETHER, self.line.next()).await.ok()
    }

    /// What the client is asked, under this state.
    pub(super) fn input_required(&self, state: &str) -> Reply {
        let requests = self.waiting.iter();
        let requests =
            requests.map(|(key, asked)| (key.as_str(), asked.method.as_str(), asked.params.as_deref()));
        Reply::Result(needs::input_required(requests, state))
    }

    /// Hands the client's answers to the server. True: nothing is left that it waits for.
    pub(super) async fn answer(&mut self, responses: &Object) -> Result<bool, Failure> {
        let mut unanswered = Vec::new();
        for (key, asked) in std::mem::take(&mut self.waiting) {
            match responses.get(&key).filter(|response| response.get().starts_with('{')) {
                Some(response) => self.line.say(request::answer(&asked.id, response)).await?,
                None => unanswered.push((key, asked)),
            }
        }
        self.waiting = unanswered;
        Ok(self.waiting.is_empty())
    }

    /// The client has to be asked. What it did not declare is refused; `ping` is answered.
    async fn asked(&mut self, asked: Asked) -> Result<(), Failure> {
        if self.era == Era::Modern {
            // Modern servers send no requests: nobody owes it an answer.
            return Ok(());
        }
        if asked.method == "ping" {
            return self.line.say(request::answer(&asked.id, &raw(&serde_json::Map::new()))).await;
        }
        let permitted = if answer::may_ask_back(&self.method) {
            self.declared.permits(&asked.method, asked.params.as_deref())
        } else {
            Declared::default().permits(&asked.method, None)
        };
        if let Err(fault) = permitted {
            return self.line.say(request::refusal(&asked.id, fault.code, &fault.message)).await;
        }
        self.asked_so_far += 1;
        self.waiting.push((format!("k{}", self.asked_so_far), asked));
        Ok(())
    }

    fn wants(&self, note: &Told) -> bool {
        match note.method.as_str() {
            "notifications/progress" => self.wants_progress,
            "notifications/message" => {
                let params = note.params.as_deref().and_then(|params| Object::parse(params).ok());
                let level = params.and_then(|params| params.read::<String>("level"));
                let wanted = self.log_level.as_deref().and_then(severity);
                wanted.is_some_and(|wanted| level.as_deref().and_then(severity) >= Some(wanted))
            }
            _ => true,
        }
    }

    fn fault(&self, code: i64, message: String, data: Option<Box<RawValue>>) -> Said {
        if self.era == Era::Legacy && code == answer::URL_ELICITATION_REQUIRED {
            return match needs::elicitations(&self.method, data.as_deref(), self.declared) {
                Ok(wanted) => Said::AfterOpening(wanted),
                Err(fault) => Said::Reply(of_ours(fault)),
            };
        }
        let code = if self.era == Era::Legacy { answer::code_of(code) } else { code };
        Said::Reply(Reply::Fault { code, message, data })
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.is_finished {
            let refusal = |(_, asked): (String, Asked)| {
                request::refusal(&asked.id, deputy_protocol::jsonrpc::code::INTERNAL, "the client went away")
            };
            let unanswered = std::mem::take(&mut self.waiting).into_iter().map(refusal).collect();
            self.line.give_up(unanswered);
        }
    }
}

/// A fault that is ours to tell.
pub(super) fn of_ours(fault: Fault) -> Reply {
    Reply::Fault { code: fault.code, message: fault.message, data: fault.data.map(|data| raw(&*data)) }
}

/// The end of a call, from a message.
pub(super) fn ended(outcome: &message::Outcome<'_>) -> Event {
    match outcome {
        message::Outcome::Result(result) => Event::Result((*result).to_owned()),
        message::Outcome::Error(error) => Event::Error {
            code: error.code,
            message: error.message.clone(),
            data: error.data.map(ToOwned::to_owned),
        },
    }
}

/// Progress under our token, without it; `None` if it is under another.
pub(super) fn progress(params: Option<&RawValue>) -> Option<(u64, Told)> {
    let mut params = Object::parse(params?).ok()?;
    let token = params.remove("progressToken")?;
    let token = serde_json::from_str::<serde_json::Number>(token.get()).ok()?;
    let token = token.as_u64().or_else(|| token.as_f64().filter(|token| token.fract() == 0.0).map(to_u64))?;
    Some((token, Told { method: "notifications/progress".to_owned(), params: Some(params.to_raw()) }))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; no such token is ours then"
)]
fn to_u64(number: f64) -> u64 {
    number as u64
}

/// A server's words, short enough for ours.
pub(super) fn shortened(words: &str) -> String {
    words.chars().take(200).collect()
}

/// How grave a log level is (RFC 5424).
pub(super) fn severity(level: &str) -> Option<usize> {
    const LEVELS: [&str; 8] =
        ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
    LEVELS.iter().position(|known| *known == level)
}

/// What the client said of itself, as requests want it.
pub(super) fn side(ask: &Ask) -> Side<'_> {
    Side {
        capabilities: &ask.client.capabilities,
        implementation: ask.client.implementation.as_deref(),
        log_level: ask.client.log_level.as_deref(),
        progress: ask.client.progress,
    }
}
