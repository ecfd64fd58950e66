//! One session with a process: whose it is, what is asked, what is answered, and to whom what the process says belongs.
//!
//! Each request goes to the process under an id of our own, so that no two clients' ids meet, and so does the token under
//! which progress is told.

mod waiting;

use crate::guard::Guard;
use crate::message::{self, Ask, Said};
use crate::user::GuardedUser;
use deputy_protocol::jsonrpc::{self, Fault, Id, code};
use deputy_protocol::mcp::meta::SUBSCRIPTION_ID;
use deputy_protocol::relay::{Object, raw};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Requests of one session that wait for an answer.
const WAITING: usize = 64;
/// Messages that wait for a process that does not read.
const QUEUE: usize = 256;
/// Messages that wait for a client that listens, or reads slowly.
const HELD: usize = 64;

use waiting::Use;
pub(crate) use waiting::{Listener, Pending};

/// Whether the client knows of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// It has its id (legacy).
    Named,
    /// Its requests stand by themselves (modern); the process is shared by all that the person asks through the client.
    Stateless,
}

/// A session.
pub(crate) struct Session {
    pub(crate) owner: String,
    pub(crate) lane: Lane,
    /// It is over, or to be over.
    pub(crate) gone: CancellationToken,
    guard: Arc<Guard>,
    outgoing: mpsc::Sender<String>,
    state: Mutex<State>,
}

struct State {
    next_id: i64,
    waiting: HashMap<i64, Waiting>,
    /// What the server asked and was not answered.
    asked: HashSet<Id>,
    listener: Option<(u64, mpsc::Sender<Box<RawValue>>)>,
    listeners: u64,
    held: VecDeque<Box<RawValue>>,
    users: usize,
    used_at: Instant,
}

struct Waiting {
    client_id: Id,
    method: String,
    progress: Option<Id>,
    user: GuardedUser,
    told: mpsc::Sender<Box<RawValue>>,
    done: oneshot::Sender<Box<RawValue>>,
}

/// The session takes no more.
#[derive(Debug)]
pub(crate) struct Busy;

impl Session {
    pub(crate) fn new(guard: &Arc<Guard>, owner: String, lane: Lane) -> (Arc<Self>, mpsc::Receiver<String>) {
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let state = State {
            next_id: 1,
            waiting: HashMap::new(),
            asked: HashSet::new(),
            listener: None,
            listeners: 0,
            held: VecDeque::new(),
            users: 0,
            used_at: Instant::now(),
        };
        let gone = CancellationToken::new();
        let session =
            Self { owner, lane, gone, guard: Arc::clone(guard), outgoing, state: Mutex::new(state) };
        (Arc::new(session), queue)
    }

    // A panic while the lock was held leaves at most one request without an answer.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nobody uses it; `None` while somebody does.
    pub(crate) fn unused_for(&self) -> Option<Duration> {
        let state = self.state();
        (state.users == 0).then(|| state.used_at.elapsed())
    }

    fn used(self: &Arc<Self>) -> Use {
        self.state().users += 1;
        Use(Arc::clone(self))
    }

    /// Asks the process.
    pub(crate) fn ask(self: &Arc<Self>, ask: Ask, user: GuardedUser) -> Result<Pending, Busy> {
        let (told, hears) = mpsc::channel(HELD);
        let (done, answered) = oneshot::channel();
        let (client_id, kept) = (ask.id.clone(), self.used());
        let (own, text) = {
            let mut state = self.state();
            if state.waiting.len() >= WAITING || self.gone.is_cancelled() {
                return Err(Busy);
            }
            let own = state.next_id;
            state.next_id += 1;
            let id = Id::Integer(own);
            let text = ask.text(&id, Some(&user), Some(&id));
            let Ask { id: client_id, method, progress, .. } = ask;
            state.waiting.insert(own, Waiting { client_id, method, progress, user, told, done });
            (own, text)
        };
        if self.outgoing.try_send(one_line(&text)).is_err() {
            self.state().waiting.remove(&own);
            return Err(Busy);
        }
        Ok(Pending { client_id, own, told: hears, done: Some(answered), kept })
    }

    /// Tells the process what a client tells, in the process' own ids.
    pub(crate) fn tell(self: &Arc<Self>, method: &str, params: Option<Object>) {
        let _kept = self.used();
        let mut params = params;
        if method == "notifications/cancelled" {
            let Some(cancelled) = params.as_mut() else { return };
            let asked = cancelled.get("requestId").and_then(|id| id.get().parse::<Id>().ok());
            let Some(own) = asked.and_then(|asked| self.own_id(&asked)) else { return };
            cancelled.set("requestId", raw(&own));
        }
        let params = params.map(|params| params.to_raw());
        let text = jsonrpc::asking(None, method, params.as_deref());
        // A process that is gone, or does not read, hears nothing.
        let _ = self.outgoing.try_send(one_line(&text));
    }

    fn own_id(&self, client_id: &Id) -> Option<i64> {
        // Where several clients may share a process, one's ids say nothing about another's.
        let named = self.lane == Lane::Named;
        let state = self.state();
        let mut found = state.waiting.iter().filter(|(_, waiting)| named && waiting.client_id == *client_id);
        found.next().map(|(own, _)| *own)
    }

    /// Gives the process the client's answer, if that was asked.
    pub(crate) fn reply(self: &Arc<Self>, id: &Id, text: &RawValue) -> bool {
        let _kept = self.used();
        if !self.state().asked.remove(id) {
            return false;
        }
        self.outgoing.try_send(one_line(text)).is_ok()
    }

    /// From now on this client hears what belongs to no request. Who listened before hears no more.
    pub(crate) fn listen(self: &Arc<Self>) -> Listener {
        let (sender, receiver) = mpsc::channel(2 * HELD);
        let kept = self.used();
        let mut state = self.state();
        while let Some(message) = state.held.pop_front() {
            // There is room for all that is ever held.
            let _ = sender.try_send(message);
        }
        state.listeners += 1;
        let number = state.listeners;
        state.listener = Some((number, sender));
        Listener { number, messages: receiver, kept }
    }

    /// The process said this.
    pub(crate) fn heard(&self, line: &[u8]) {
        let said = message::read_server(line);
        if said.is_empty() && !line.trim_ascii().is_empty() {
            tracing::debug!(bytes = line.len(), "what the server wrote is no message");
        }
        for said in said {
            match said {
                Said::Answer { id, outcome } => self.answered(&id, outcome),
                Said::Request { id, method, params } => self.asked(id, &method, params.as_deref()),
                Said::Notification { method, params } => self.told(&method, params),
            }
        }
    }

    fn answered(&self, id: &Id, outcome: Result<Box<RawValue>, Box<RawValue>>) {
        let Id::Integer(own) = id else { return };
        let Some(waiting) = self.state().waiting.remove(own) else { return };
        let outcome = outcome.map(|result| {
            let restored = in_meta(&result, SUBSCRIPTION_ID, id, &waiting.client_id);
            restored.unwrap_or(result)
        });
        let (scopes, user) = (self.guard.scopes(), &waiting.user);
        let text = message::answer(&waiting.client_id, &outcome, Some(&waiting.method), scopes, user);
        // Nobody may be waiting any more.
        let _ = waiting.done.send(text);
        // A server that does not know the modern era is of no further use to requests that stand by themselves.
        if self.lane == Lane::Stateless && waiting.method == "server/discover" && outcome.is_err() {
            self.gone.cancel();
        }
    }

    fn asked(&self, id: Id, method: &str, params: Option<&RawValue>) {
        let mut state = self.state();
        if self.lane == Lane::Stateless || state.asked.len() >= WAITING || state.asked.contains(&id) {
            drop(state);
            let fault = Fault::new(code::METHOD_NOT_FOUND, "nobody can be asked here").answering(Some(&id));
            // A server that asks and does not read what it is answered is not waited for.
            let _ = self.outgoing.try_send(fault.response().to_string());
            return;
        }
        let text = jsonrpc::asking(Some(&id), method, params);
        state.asked.insert(id);
        state.deliver(text);
    }

    fn told(&self, method: &str, params: Option<Box<RawValue>>) {
        let mut state = self.state();
        let members = params.as_deref().and_then(|params| Object::parse(params).ok()).unwrap_or_default();
        if method == "notifications/progress" {
            let token = members.get("progressToken").and_then(|token| token.get().parse::<Id>().ok());
            let Some(Id::Integer(own)) = token else { return };
            let Some(waiting) = state.waiting.get(&own) else { return };
            let Some(wanted) = &waiting.progress else { return };
            let mut members = members;
            members.set("progressToken", raw(wanted));
            let text = jsonrpc::asking(None, method, Some(&members.to_raw()));
            let _ = waiting.told.try_send(text);
            return;
        }
        let subscription = members.get("_meta").and_then(|meta| Object::parse(meta).ok());
        let subscription = subscription.and_then(|meta| meta.get(SUBSCRIPTION_ID)?.get().parse::<Id>().ok());
        if let (Some(own @ Id::Integer(number)), Some(params)) = (subscription, params.as_deref())
            && let Some(waiting) = state.waiting.get(&number)
        {
            let restored = in_meta(params, SUBSCRIPTION_ID, &own, &waiting.client_id);
            let text = jsonrpc::asking(None, method, restored.as_deref().or(Some(params)));
            let _ = waiting.told.try_send(text);
            return;
        }
        state.deliver(jsonrpc::asking(None, method, params.as_deref()));
    }

    /// It is over: whoever waits is told.
    pub(crate) fn end(&self) {
        self.gone.cancel();
        let mut state = self.state();
        state.waiting.clear();
        state.listener = None;
    }
}

impl State {
    /// To the client that listens, else to the request that began last, else to whoever listens next.
    fn deliver(&mut self, text: Box<RawValue>) {
        let text = match &self.listener {
            Some((_, listener)) => match listener.try_send(text) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(text) | mpsc::error::TrySendError::Closed(text)) => text,
            },
            None => text,
        };
        let newest = self.waiting.iter().max_by_key(|(own, _)| **own).map(|(_, waiting)| waiting);
        let text = match newest.map(|waiting| waiting.told.try_send(text.clone())) {
            Some(Ok(())) => return,
            _ => text,
        };
        if self.held.len() >= HELD {
            self.held.pop_front();
            tracing::debug!("nobody listens to the server; its oldest message is forgotten");
        }
        self.held.push_back(text);
    }
}

/// A member of `_meta` that is our id, as the client's.
fn in_meta(of: &RawValue, member: &str, own: &Id, theirs: &Id) -> Option<Box<RawValue>> {
    if !of.get().contains(member) {
        return None;
    }
    let mut members = Object::parse(of).ok()?;
    let replaced = members.replace("_meta", |meta| {
        let mut meta = Object::parse(meta).ok()?;
        let ours = |id: &RawValue| id.get().parse::<Id>().is_ok_and(|id| id == *own);
        meta.replace(member, |id| ours(id).then(|| raw(theirs))).then(|| meta.to_raw())
    });
    replaced.then(|| members.to_raw())
}

/// JSON has no line end inside a text that is not escaped, so each is white space.
fn one_line(text: &RawValue) -> String {
    text.get().replace(['\n', '\r'], " ")
}
