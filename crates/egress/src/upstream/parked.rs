//! Calls whose server waits for the client's answer. Their handles are random, bound to a principal and a method, good
//! once, and end.

use super::call::{OpenCall, Said, Trouble};
use deputy_hub::Supervisor;
use deputy_hub::ports::upstream::{Ask, Failure, Reply, Told};
use deputy_protocol::asking::needs;
use deputy_protocol::jsonrpc::{Fault, code};
use deputy_protocol::relay::Object;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Before each handle, so that it is not taken for a server's own state.
const PREFIX: &str = "deputy.open.";

/// The kept calls of one upstream.
pub(super) struct Parked {
    kept: Mutex<Kept>,
    supervisor: Supervisor,
    lifetime: Duration,
    per_principal: usize,
}

#[derive(Default)]
struct Kept {
    by_handle: HashMap<String, Entry>,
    counter: u64,
}

struct Entry {
    principal: String,
    method: String,
    number: u64,
    what: Waiting,
}

/// What waits.
pub(super) enum Waiting {
    /// A call that is open at the server.
    Call(Box<OpenCall>),
    /// Nothing: it is asked anew once the user has opened these addresses (so many).
    Opening(usize),
}

/// What is to be done with an ask.
pub(super) enum Resumed {
    /// It is no answer to anything kept.
    Fresh,
    /// It is asked anew.
    Anew,
    /// The server has the client's answers: read on.
    Call(Box<OpenCall>),
    /// Nothing more.
    Done(Reply),
}

impl Parked {
    pub(super) fn new(supervisor: Supervisor, lifetime: Duration, per_principal: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), supervisor, lifetime, per_principal })
    }

    /// Reads on until the call's last word; where its server asks back, keeps it and says so to the client.
    pub(super) async fn carry(
        self: &Arc<Self>,
        mut call: Box<OpenCall>,
        ask: &Ask,
        told: &mpsc::Sender<Told>,
    ) -> Result<Reply, Trouble> {
        match call.run(told).await? {
            Said::Reply(reply) => Ok(reply),
            Said::AsksBack => Ok(self.ask_back(call, ask)?),
            Said::AfterOpening(wanted) => {
                let handle = self.keep(ask, Waiting::Opening(wanted.len()))?;
                let keys: Vec<String> = (1..=wanted.len()).map(|number| format!("k{number}")).collect();
                let requests = keys.iter().zip(&wanted);
                let requests =
                    requests.map(|(key, params)| (key.as_str(), "elicitation/create", Some(&**params)));
                Ok(Reply::Result(needs::input_required(requests, &handle)))
            }
        }
    }

    /// What an ask answers, if it answers anything of ours.
    ///
    /// # Errors
    /// What it answers is not there any more.
    pub(super) async fn resume(self: &Arc<Self>, ask: &Ask, is_legacy: bool) -> Result<Resumed, Failure> {
        let Some(params) = ask.params.as_deref().filter(|params| params.get().contains("requestState"))
        else {
            return Ok(Resumed::Fresh);
        };
        let Ok(params) = Object::parse(params) else { return Ok(Resumed::Fresh) };
        let Some(state) = params.get("requestState") else { return Ok(Resumed::Fresh) };
        let state = serde_json::from_str::<String>(state.get()).unwrap_or_default();
        if !state.starts_with(PREFIX) && !is_legacy {
            return Ok(Resumed::Fresh);
        }
        let responses = params.get("inputResponses").and_then(|responses| Object::parse(responses).ok());
        let responses = responses.unwrap_or_default();
        match self.take(&state, ask) {
            None => Err(Failure::Lost(
                "what this answers is not waiting any more; whether the call had an effect is unknown"
                    .to_owned(),
            )),
            Some(Waiting::Opening(wanted)) => Ok(opened(wanted, &responses)),
            Some(Waiting::Call(mut call)) => {
                if call.answer(&responses).await? {
                    return Ok(Resumed::Call(call));
                }
                self.ask_back(call, ask).map(Resumed::Done)
            }
        }
    }

    /// Gives everything up.
    pub(super) fn clear(&self) {
        let kept = std::mem::take(&mut *self.lock());
        drop(kept);
    }

    fn ask_back(self: &Arc<Self>, call: Box<OpenCall>, ask: &Ask) -> Result<Reply, Failure> {
        let handle = fresh_handle()?;
        let reply = call.input_required(&handle);
        self.put(handle, ask, Waiting::Call(call));
        Ok(reply)
    }

    fn keep(self: &Arc<Self>, ask: &Ask, what: Waiting) -> Result<String, Failure> {
        let handle = fresh_handle()?;
        self.put(handle.clone(), ask, what);
        Ok(handle)
    }

    fn put(self: &Arc<Self>, handle: String, ask: &Ask, what: Waiting) {
        let mut kept = self.lock();
        let of_principal = || kept.by_handle.iter().filter(|(_, entry)| entry.principal == ask.principal);
        let is_full = of_principal().count() >= self.per_principal;
        let oldest = of_principal().min_by_key(|(_, entry)| entry.number).map(|(handle, _)| handle.clone());
        let given_up = oldest.filter(|_| is_full).and_then(|oldest| kept.by_handle.remove(&oldest));
        kept.counter += 1;
        let (principal, method, number) = (ask.principal.clone(), ask.method.clone(), kept.counter);
        kept.by_handle.insert(handle.clone(), Entry { principal, method, number, what });
        drop(kept);
        drop(given_up);
        let (parked, lifetime) = (Arc::downgrade(self), self.lifetime);
        self.supervisor.start_until_shutdown(async move {
            tokio::time::sleep(lifetime).await;
            let ended = parked.upgrade().and_then(|parked| parked.lock().by_handle.remove(&handle));
            drop(ended);
        });
    }

    /// Takes it out, if it is this principal's and of this method: good once.
    fn take(&self, handle: &str, ask: &Ask) -> Option<Waiting> {
        let mut kept = self.lock();
        let entry = kept.by_handle.get(handle)?;
        if entry.principal != ask.principal || entry.method != ask.method {
            return None;
        }
        kept.by_handle.remove(handle).map(|entry| entry.what)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only who accepted everything is sent on: to ask the server anew would only bring the same question.
fn opened(wanted: usize, responses: &Object) -> Resumed {
    let accepted = |number: usize| {
        let response: &RawValue = responses.get(&format!("k{number}"))?;
        Object::parse(response).ok()?.read::<String>("action").filter(|action| action == "accept")
    };
    if (1..=wanted).all(|number| accepted(number).is_some()) {
        return Resumed::Anew;
    }
    let words = "the server needs the user to open an address first, and the user did not";
    Resumed::Done(super::call::of_ours(Fault::new(code::CANCELLED, words)))
}

fn fresh_handle() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| {
        Failure::Lost("there is no randomness for a handle; the call was cancelled".to_owned())
    })?;
    Ok(format!("{PREFIX}{}", hex::encode(bytes)))
}
