//! The open calls of one session or process, for what comes without saying to which call it belongs.

use super::call::{self, Asked, Event};
use deputy_hub::ports::upstream::Told;
use deputy_protocol::asking::message::Message;
use deputy_protocol::asking::needs::Declared;
use deputy_protocol::asking::request;
use deputy_protocol::jsonrpc::Id;
use deputy_protocol::relay::raw;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// How much may wait for one call that is not being read.
const QUEUE: usize = 256;
/// Of that, what notifications leave free for what must not be lost.
const RESERVE: usize = 16;

/// Open calls, by the id that we gave them.
#[derive(Default)]
pub(super) struct OpenCalls(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    by_id: BTreeMap<u64, Entry>,
    /// Why there will be no more; the call that comes now is told so.
    ended: Option<String>,
}

struct Entry {
    events: mpsc::Sender<Event>,
    principal: String,
    can_be_asked: bool,
}

/// Who is told of something.
pub(super) enum Routed {
    /// It is done with.
    Done,
    /// The server is owed this.
    Owed(String),
    /// It is a notification that belongs to no call.
    Unclaimed,
}

impl OpenCalls {
    /// A new call; `Err` says why there are no more.
    pub(super) fn add(
        &self,
        id: u64,
        principal: &str,
        can_be_asked: bool,
    ) -> Result<mpsc::Receiver<Event>, String> {
        let mut calls = self.lock();
        if let Some(why) = &calls.ended {
            return Err(why.clone());
        }
        let (events, receiver) = mpsc::channel(QUEUE);
        calls.by_id.insert(id, Entry { events, principal: principal.to_owned(), can_be_asked });
        Ok(receiver)
    }

    /// The call is over. True: it was open until now.
    pub(super) fn remove(&self, id: u64) -> bool {
        self.lock().by_id.remove(&id).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().by_id.is_empty()
    }

    /// An answer was too long to be read; where nobody knows whose, it may be anybody's.
    pub(super) fn too_large(&self, id: Option<u64>, limit_bytes: usize) {
        let mut calls = self.lock();
        let meant = id.and_then(|id| calls.by_id.remove(&id)).map(|entry| vec![entry]);
        for entry in meant.unwrap_or_else(|| std::mem::take(&mut calls.by_id).into_values().collect()) {
            let _ = entry.events.try_send(Event::TooLarge { limit_bytes });
        }
    }

    /// No more: the receivers of all open calls end, and later ones are told why.
    pub(super) fn end(&self, why: &str) {
        let mut calls = self.lock();
        calls.by_id.clear();
        calls.ended.get_or_insert_with(|| why.to_owned());
    }

    /// Why it ended, if it did.
    pub(super) fn ended(&self) -> Option<String> {
        self.lock().ended.clone()
    }

    /// Hands a message to the call that it is for.
    pub(super) fn route(&self, message: &Message<'_>) -> Routed {
        match message {
            Message::Response { id: Some(Id::Integer(id)), outcome } => {
                let entry = u64::try_from(*id).ok().and_then(|id| self.lock().by_id.remove(&id));
                if let Some(entry) = entry {
                    let _ = entry.events.try_send(call::ended(outcome));
                }
                Routed::Done
            }
            // Nobody knows whose it is.
            Message::Response { .. } => Routed::Done,
            Message::Request { id, method, .. } if method == "ping" => {
                Routed::Owed(request::answer(id, &raw(&serde_json::Map::new())))
            }
            Message::Request { id, method, params } => {
                let asked = Asked {
                    id: (*id).to_owned(),
                    method: method.clone().into_owned(),
                    params: params.map(ToOwned::to_owned),
                };
                self.ask(asked).map_or(Routed::Done, Routed::Owed)
            }
            Message::Notification { method, params } if method == "notifications/progress" => {
                if let Some((token, told)) = call::progress(*params)
                    && let Some(entry) = self.lock().by_id.get(&token)
                {
                    tell(entry, told);
                }
                Routed::Done
            }
            Message::Notification { method, params } if method == "notifications/message" => {
                let calls = self.lock();
                // What one principal's call logs is not another's to read.
                if is_of_one_principal(&calls.by_id) {
                    for entry in calls.by_id.values() {
                        let params = params.map(ToOwned::to_owned);
                        tell(entry, Told { method: method.clone().into_owned(), params });
                    }
                }
                Routed::Done
            }
            Message::Notification { .. } => Routed::Unclaimed,
        }
    }

    /// Asks the newest call that can be asked; `Some`: the server is owed a refusal. Where calls of several principals
    /// are open, nobody knows whom it means.
    fn ask(&self, asked: Asked) -> Option<String> {
        let calls = self.lock();
        let askable = calls.by_id.values().rev().find(|entry| entry.can_be_asked);
        let refusal = |id: &serde_json::value::RawValue| match Declared::default().permits("", None) {
            Err(fault) => Some(request::refusal(id, fault.code, &fault.message)),
            Ok(()) => None,
        };
        match askable.filter(|_| is_of_one_principal(&calls.by_id)) {
            None => refusal(&asked.id),
            Some(entry) => match entry.events.try_send(Event::Asked(asked)) {
                Ok(()) => None,
                Err(error) => match error.into_inner() {
                    Event::Asked(asked) => refusal(&asked.id),
                    _ => None,
                },
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of_one_principal(calls: &BTreeMap<u64, Entry>) -> bool {
    let mut principals = calls.values().map(|entry| &entry.principal);
    let first = principals.next();
    principals.all(|principal| Some(principal) == first)
}

fn tell(entry: &Entry, told: Told) {
    if entry.events.capacity() > RESERVE {
        let _ = entry.events.try_send(Event::Told(told));
    }
}
