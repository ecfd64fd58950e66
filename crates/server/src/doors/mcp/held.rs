//! A call of the legacy era: it outlives its connection, and waits for a person by itself.
//!
//! In that era a lost connection is not a cancellation, only `notifications/cancelled` is. So a call comes to its end in a
//! task of the supervisor once nobody hears of it, or may not for a while; until then whoever hears of it carries it along.

use super::Wire;
use super::call;
use super::connecting;
use super::places::Place;
use super::relay;
use super::sessions::{Running, Session};
use super::stream::{self, Outgoing, Source};
use deputy_core::id::random_hex;
use deputy_core::{Effect, Reason, SourceName, Timestamp};
use deputy_hub::ports::upstream::Reply;
use deputy_hub::traces::Served;
use deputy_hub::{CallEvent, Caller, Events, Hub, Refused, Relay, Supervisor, Wish};
use deputy_protocol::jsonrpc::{Fault, Id, asking, code, relayed, response};
use deputy_protocol::mcp::older;
use deputy_protocol::mcp::version::Revision;
use deputy_protocol::relay::{Object, raw};
use futures_util::future::BoxFuture;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long to wait before a person is asked about again, if the hub did not hold the call itself.
const PAUSE: Duration = Duration::from_millis(250);

/// How long the client may take to answer what a server asks.
const ANSWER_WITHIN: Duration = Duration::from_secs(600);

/// Whether a question is one of elicitation by URL.
fn is_by_url(params: Option<&RawValue>) -> bool {
    let params = params.and_then(|params| Object::parse(params).ok()).unwrap_or_default();
    params.read::<String>("mode").as_deref() == Some("url")
}

/// An address that the client is to open, with the id that its revision wants and later ones do not have.
fn identified(params: &RawValue) -> Option<Box<RawValue>> {
    let mut members = Object::parse(params).ok()?;
    if members.get("elicitationId").is_none() {
        members.set("elicitationId", raw(&random_hex().ok()?));
    }
    Some(members.to_raw())
}

/// What the connection is told.
#[derive(Debug)]
pub(super) enum Step {
    /// A progress notification.
    Moved(Outgoing),
    /// A person is asked.
    Waiting,
    /// The client is asked something.
    Asks(Outgoing),
    /// The response.
    Ended(Outgoing),
}

/// Everything that a held call needs.
pub(super) struct Held {
    pub(super) hub: Arc<Hub>,
    pub(super) caller: Caller,
    pub(super) wish: Wish,
    pub(super) revision: Revision,
    pub(super) id: Id,
    pub(super) token: Option<Id>,
    pub(super) running: Running,
    pub(super) place: Place,
    pub(super) session: Arc<Session>,
    /// Whether the connection can carry questions to the client.
    pub(super) takes_stream: bool,
    pub(super) renaming: Option<relay::Renaming>,
    /// The server that it leads to, if it leads to one.
    pub(super) server: Option<SourceName>,
    /// When it came.
    pub(super) began: Timestamp,
    /// How far the agent's permission would have to go, if that is why it ended.
    pub(super) needs: Arc<OnceLock<Effect>>,
    /// The span of the whole call, in however many rounds.
    pub(super) served: Served,
}

/// How one round ended.
enum Round {
    Last(Outgoing),
    Parked(deputy_core::ApprovalId),
    /// A server asks the client something.
    Asks(Object),
}

impl Held {
    /// The call, to its end.
    fn begun(mut self, steps: mpsc::Sender<Step>) -> Carried {
        let supervisor = self.hub.supervisor().clone();
        let call = Box::pin(async move {
            let last = self.carry(&steps).await;
            let Self { place, running, served, .. } = self;
            drop((place, running, served));
            // The connection may be gone; the log has the outcome all the same.
            let _ = steps.send(Step::Ended(last)).await;
        });
        Carried { call, supervisor }
    }

    async fn carry(&mut self, steps: &mpsc::Sender<Step>) -> Outgoing {
        loop {
            match self.round(steps).await {
                Round::Last(last) => return last,
                Round::Parked(approval) => self.wish.approval = Some(approval),
                Round::Asks(result) => {
                    match self.asked(&result, steps).await {
                        Ok(relay) => (self.wish.relay, self.wish.approval) = (Some(Box::new(relay)), None),
                        Err(last) => return last,
                    }
                    continue;
                }
            }
            if let Some(last) = self.given_up() {
                return last;
            }
            tokio::select! {
                () = self.running.cancelled() => return self.cancelled(),
                () = self.hub.supervisor().stopping().cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Through the corridor once.
    async fn round(&self, steps: &mpsc::Sender<Step>) -> Round {
        // Whoever carries this call carries the corridor along.
        let mut events = self.hub.call_heard(self.caller.clone(), self.wish.clone());
        events.keep_running();
        loop {
            let event = tokio::select! {
                biased;
                // First, so that what was cancelled before it began does not begin: the other branch carries the corridor along.
                () = self.running.cancelled() => return Round::Last(self.stop(events).await),
                event = events.next() => event,
            };
            match event {
                Some(event @ (CallEvent::Progress { .. } | CallEvent::Told(_))) => {
                    if let Some(moved) = call::moved(self.token.as_ref(), &event) {
                        // A connection that does not read loses progress, not the call.
                        let _ = steps.try_send(Step::Moved(moved));
                    }
                }
                Some(CallEvent::Parked { approval, .. }) => {
                    let _ = steps.try_send(Step::Waiting);
                    return Round::Parked(approval);
                }
                Some(CallEvent::Done(done)) => return Round::Last(self.ended(done)),
                Some(CallEvent::Replied(Reply::Result(result))) => return self.replied(&result),
                Some(CallEvent::Replied(fault)) => return Round::Last(self.faulted(fault)),
                None => return Round::Last(self.ended(Err(Refused::new(Reason::Internal)))),
            }
        }
    }

    /// The client cancelled: the corridor is told, and what it says last is the answer.
    async fn stop(&self, mut events: Events) -> Outgoing {
        events.cancel();
        loop {
            match events.next().await {
                Some(CallEvent::Done(done)) => return self.ended(done),
                Some(CallEvent::Progress { .. } | CallEvent::Told(_)) => {}
                Some(CallEvent::Parked { .. } | CallEvent::Replied(_)) | None => return self.cancelled(),
            }
        }
    }

    /// Nobody is held longer than their right lasts, nor over the end of the hub.
    fn given_up(&self) -> Option<Outgoing> {
        if self.hub.supervisor().stopping().is_cancelled() {
            return Some(self.ended(Err(Refused::because(Reason::NotStarted, "the hub stops"))));
        }
        if self.hub.now() >= self.caller.expires_at() {
            return Some(self.ended(Err(Refused::new(Reason::GrantExpired))));
        }
        None
    }

    fn ended(&self, done: Result<deputy_hub::ToolAnswer, Refused>) -> Outgoing {
        if let Err(Refused { needs: Some(needs), .. }) = &done {
            // It ends once.
            let _ = self.needs.set(*needs);
        }
        if let (Err(refused), Some(relay), Some(server)) = (&done, &self.wish.relay, &self.server)
            && connecting::can_open(relay)
            && let told = (server, self.began)
            && let Some(fault) = connecting::error(&self.hub, &self.caller, &self.session, told, refused)
        {
            return raw(&fault.answering(Some(&self.id)).response());
        }
        if let (Err(refused), Some(relay)) = (&done, &self.wish.relay)
            && !relay.is_tool_call()
        {
            return raw(&relay::refusal(refused).answering(Some(&self.id)).response());
        }
        raw(&response(&self.id, call::ending(done).legacy(self.revision)))
    }

    /// A server's result, or what it asks first.
    fn replied(&self, result: &RawValue) -> Round {
        match Object::parse(result) {
            Ok(members) if members.read::<String>("resultType").as_deref() == Some("input_required") => {
                Round::Asks(members)
            }
            _ => {
                let result = relay::Renaming::result(self.renaming.as_ref(), result.to_owned());
                let is_tools = self.wish.relay.as_ref().is_some_and(|relay| relay.is_tool_call());
                let older = if is_tools { older::result(&result, self.revision) } else { None };
                let result = older.unwrap_or(result);
                Round::Last(relayed(&self.id, Ok(&result)))
            }
        }
    }

    fn faulted(&self, reply: Reply) -> Outgoing {
        let error = match reply {
            Reply::Fault { code, message, data } => relay::error_object(code, &message, data.as_deref()),
            Reply::Result(_) => relay::error_object(code::INTERNAL, "the call ended without an answer", None),
        };
        relayed(&self.id, Err(&error))
    }

    /// Asks the client what the server asks, and makes the request that goes on with its answers.
    ///
    /// # Errors
    /// The last message: the client cannot be asked, or does not answer.
    async fn asked(&self, result: &Object, steps: &mpsc::Sender<Step>) -> Result<Relay, Outgoing> {
        let refused = |words: &str| {
            self.ended(Err(Refused::because(
                Reason::NotStarted,
                format!("the server asks the client something; {words}"),
            )))
        };
        let relay = self.wish.relay.as_deref().ok_or_else(|| refused("the request is not its own"))?;
        let requests = result.get("inputRequests").map(Object::parse).transpose();
        let requests = requests.map_err(|_| refused("what it asks cannot be read"))?.unwrap_or_default();
        if !requests.is_empty() && !self.takes_stream {
            return Err(refused("the client must accept `text/event-stream` to be asked"));
        }
        let mut open = Vec::new();
        for (key, request) in requests.iter() {
            let request = Object::parse(request).map_err(|_| refused("what it asks cannot be read"))?;
            let method: String =
                request.read("method").ok_or_else(|| refused("what it asks cannot be read"))?;
            let params = request.get("params");
            if is_by_url(params) && self.revision < Revision::November2025 {
                return Err(refused("its protocol version has no elicitation by URL"));
            }
            let (id, answer) =
                self.session.asked.begin().ok_or_else(|| refused("too many questions are open"))?;
            // A connection that is gone cannot be asked.
            let with_id = params.filter(|params| is_by_url(Some(params))).and_then(identified);
            let params = with_id.as_deref().or(params);
            let sent = steps.send(Step::Asks(asking(Some(&id), &method, params))).await;
            sent.map_err(|_| refused("its connection is gone"))?;
            open.push((key.to_owned(), method, answer));
        }
        let mut answers = Object::default();
        for (key, method, answer) in open {
            let word = tokio::select! {
                word = tokio::time::timeout(ANSWER_WITHIN, answer) => word,
                () = self.running.cancelled() => return Err(self.cancelled()),
                () = self.hub.supervisor().stopping().cancelled() => return Err(refused("the hub stops")),
            };
            match word {
                Ok(Ok(Ok(result))) => answers.set(&key, result),
                // Who does not want to be asked has said so; other questions have no word for it.
                Ok(Ok(Err(_))) if method == "elicitation/create" => {
                    answers.set(&key, raw(&json!({"action": "cancel"})))
                }
                Ok(Ok(Err(_))) => return Err(refused("the client answered with an error")),
                Ok(Err(_)) | Err(_) => return Err(refused("the client did not answer")),
            }
        }
        let state: Option<String> = result.read("requestState");
        if requests.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(relay.clone().answering(state.as_deref(), &answers.to_raw()))
    }

    fn cancelled(&self) -> Outgoing {
        raw(&Fault::new(code::CANCELLED, "the call was cancelled").answering(Some(&self.id)).response())
    }
}

/// A call that goes on only as far as whoever hears of it asks for its next step.
struct Carried {
    call: BoxFuture<'static, ()>,
    supervisor: Supervisor,
}

impl Carried {
    /// From now on it runs in a task of its own.
    fn start(self) {
        self.supervisor.start(self.call);
    }
}

/// What the connection hears of one call, or of all in a batch. Dropping it ends none of them.
pub(super) struct Steps {
    first: Option<Outgoing>,
    ready: VecDeque<Outgoing>,
    receiver: mpsc::Receiver<Step>,
    awaited: usize,
    /// The only call, as long as it has no task of its own.
    carried: Option<Carried>,
}

impl Steps {
    /// Begins the calls; what is ready is heard first. One alone is carried along by whoever hears of it: no second task,
    /// and no waking between two.
    pub(super) fn of(ready: Vec<Outgoing>, calls: Vec<Held>) -> Self {
        let (sender, receiver) = mpsc::channel(64);
        let awaited = calls.len();
        let mut begun = calls.into_iter().map(|call| call.begun(sender.clone()));
        let carried = if awaited == 1 { begun.next() } else { None };
        begun.for_each(Carried::start);
        Self { first: None, ready: ready.into(), receiver, awaited, carried }
    }

    /// From now on the call goes on whether its steps are asked for or not: for who may not ask for a while.
    pub(super) fn let_go(&mut self) {
        if let Some(carried) = self.carried.take() {
            carried.start();
        }
    }

    /// The next step; `None` after the last.
    pub(super) async fn step(&mut self) -> Option<Step> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(Step::Ended(ready));
        }
        if self.awaited == 0 {
            return None;
        }
        let step = self.heard().await?;
        if matches!(step, Step::Ended(_)) {
            self.awaited -= 1;
        }
        Some(step)
    }

    async fn heard(&mut self) -> Option<Step> {
        poll_fn(|cx| {
            let Some(carried) = &mut self.carried else { return self.receiver.poll_recv(cx) };
            if carried.call.as_mut().poll(cx).is_ready() {
                self.carried = None;
                return self.receiver.poll_recv(cx);
            }
            // Only the call itself says anything, and it is this task that takes it further.
            self.receiver.try_recv().map_or(Poll::Pending, |step| Poll::Ready(Some(step)))
        })
        .await
    }

    /// The same, with a message that was heard and is to be sent first.
    pub(super) fn after(mut self, message: Outgoing) -> Self {
        self.first = Some(message);
        self
    }

    /// The same, to be heard once more.
    pub(super) fn again(mut self, heard: Vec<Outgoing>) -> Self {
        self.ready.extend(heard);
        self
    }
}

impl Drop for Steps {
    /// INVARIANT: a call that was begun comes to its end, whoever goes away.
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What became of calls that were begun.
pub(super) enum Gathered {
    /// All are over; their answers.
    Over(Vec<Outgoing>),
    /// Some go on, to be heard as a stream; a client that reads slowly does not hold them up.
    Goes(Steps),
}

/// Waits for the answers, unless a stream is better: progress was asked for, it takes long, or a person is asked.
pub(super) async fn gathered(wire: &Wire, streams: bool, mut steps: Steps) -> Gathered {
    let goes = |mut steps: Steps| {
        steps.let_go();
        Gathered::Goes(steps)
    };
    if streams {
        return goes(steps);
    }
    let mut answers = Vec::new();
    let prompt = tokio::time::sleep(stream::PROMPT);
    tokio::pin!(prompt);
    loop {
        let step = tokio::select! {
            step = steps.step() => step,
            () = &mut prompt, if wire.takes_stream => return goes(steps.again(answers)),
        };
        match step {
            Some(Step::Ended(answer)) => answers.push(answer),
            // People are slow: from here on the connection is kept alive by comments.
            Some(Step::Waiting) if wire.takes_stream => return goes(steps.again(answers)),
            Some(Step::Asks(message) | Step::Moved(message)) if wire.takes_stream => {
                return goes(steps.after(message).again(answers));
            }
            Some(Step::Waiting | Step::Moved(_) | Step::Asks(_)) => {}
            None => return Gathered::Over(answers),
        }
    }
}

impl Source for Steps {
    async fn next(&mut self) -> Option<Outgoing> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match self.step().await? {
                Step::Moved(message) | Step::Asks(message) | Step::Ended(message) => return Some(message),
                Step::Waiting => {}
            }
        }
    }
}
