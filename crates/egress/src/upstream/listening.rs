//! Who listens to a server's changes and updates, by principal. How they are heard is the transport's matter.

use deputy_hub::ports::upstream::Changed;
use deputy_protocol::mcp::meta;
use deputy_protocol::relay::Object;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, watch};

/// How many updates may wait for one listener.
const QUEUE: usize = 64;
/// How many listeners to updates one principal may have (gateway rule 26).
const MOST: usize = 1024;

/// All listeners of one upstream.
#[derive(Default)]
pub(super) struct Listeners(Mutex<HashMap<String, Arc<Listening>>>);

/// Those of one principal.
pub(super) struct Listening {
    changed: watch::Sender<Changed>,
    updates: Mutex<Vec<(String, mpsc::Sender<Box<RawValue>>)>>,
    /// What is listened to has changed, or may have.
    pub(super) wake: Notify,
}

impl Listeners {
    /// Listens to changes. `Some`: nobody of this principal did before, and somebody must begin to hear.
    pub(super) fn changes(&self, principal: &str) -> (watch::Receiver<Changed>, Option<Arc<Listening>>) {
        let mut all = self.lock();
        let (listening, is_new) = entry(&mut all, principal);
        (listening.changed.subscribe(), is_new.then_some(listening))
    }

    /// Listens to the updates of one resource. Beyond what one principal may have, the receiver has ended.
    pub(super) fn updates(&self, principal: &str, uri: &str) -> Begun {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut all = self.lock();
        let (listening, is_new) = entry(&mut all, principal);
        let mut updates = listening.lock();
        updates.retain(|(_, sender)| !sender.is_closed());
        let kept = (updates.len() < MOST).then(|| sender.clone());
        if let Some(sender) = &kept {
            updates.push((uri.to_owned(), sender.clone()));
        }
        drop(updates);
        listening.wake.notify_one();
        Begun { receiver, kept, listening, is_new }
    }

    /// Those of a principal, if anybody listens.
    pub(super) fn of(&self, principal: &str) -> Option<Arc<Listening>> {
        self.lock().get(principal).map(Arc::clone)
    }

    pub(super) fn all(&self) -> Vec<Arc<Listening>> {
        self.lock().values().map(Arc::clone).collect()
    }

    /// True: nobody listens any more, and whoever heard for them is to end.
    pub(super) fn is_over(&self, principal: &str) -> bool {
        let mut all = self.lock();
        if all.get(principal).is_some_and(|listening| listening.is_wanted()) {
            return false;
        }
        all.remove(principal);
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Listening>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new listener to updates.
pub(super) struct Begun {
    pub(super) receiver: mpsc::Receiver<Box<RawValue>>,
    /// To see when the receiver is dropped.
    kept: Option<mpsc::Sender<Box<RawValue>>>,
    pub(super) listening: Arc<Listening>,
    /// Nobody of this principal listened before, and somebody must begin to hear.
    pub(super) is_new: bool,
}

impl Begun {
    /// Wakes who hears once the receiver is dropped, so that a subscription ends with its last listener.
    pub(super) fn wake_at_the_end(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let (kept, listening) = (self.kept.take(), Arc::clone(&self.listening));
        async move {
            if let Some(kept) = kept {
                kept.closed().await;
                listening.wake.notify_one();
            }
        }
    }
}

fn entry(all: &mut HashMap<String, Arc<Listening>>, principal: &str) -> (Arc<Listening>, bool) {
    if let Some(listening) = all.get(principal) {
        return (Arc::clone(listening), false);
    }
    let (changed, _) = watch::channel(Changed::default());
    let listening = Arc::new(Listening { changed, updates: Mutex::default(), wake: Notify::new() });
    all.insert(principal.to_owned(), Arc::clone(&listening));
    (listening, true)
}

impl Listening {
    /// The resources that somebody wants to hear of, each once.
    pub(super) fn uris(&self) -> Vec<String> {
        let mut updates = self.lock();
        updates.retain(|(_, sender)| !sender.is_closed());
        let mut uris: Vec<String> = updates.iter().map(|(uri, _)| uri.clone()).collect();
        uris.sort_unstable();
        uris.dedup();
        uris
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.changed.receiver_count() > 0 || !self.uris().is_empty()
    }

    /// Resolves when nobody holds a receiver of changes any more.
    pub(super) async fn unwatched(&self) {
        self.changed.closed().await;
    }

    /// Something may have been missed: whoever listens looks again.
    pub(super) fn everything_may_have_changed(&self) {
        self.changed.send_modify(|changed| {
            for count in [&mut changed.tools, &mut changed.prompts, &mut changed.resources] {
                *count = count.wrapping_add(1);
            }
        });
    }

    /// Tells the listeners of a notification. True: it was one for them.
    pub(super) fn note(&self, method: &str, params: Option<&RawValue>) -> bool {
        let count: fn(&mut Changed) -> &mut u64 = match method {
            "notifications/tools/list_changed" => |changed| &mut changed.tools,
            "notifications/prompts/list_changed" => |changed| &mut changed.prompts,
            "notifications/resources/list_changed" => |changed| &mut changed.resources,
            "notifications/resources/updated" => {
                self.updated(params);
                return true;
            }
            _ => return false,
        };
        self.changed.send_modify(|changed| {
            let count = count(changed);
            *count = count.wrapping_add(1);
        });
        true
    }

    /// An update is for who named this address; else for who named one that it lies below.
    fn updated(&self, params: Option<&RawValue>) {
        let Some(mut params) = params.and_then(|params| Object::parse(params).ok()) else { return };
        let Some(uri) = params.read::<String>("uri") else { return };
        if let Some(mut meta) = params.get("_meta").and_then(|meta| Object::parse(meta).ok()) {
            meta.remove(meta::SUBSCRIPTION_ID);
            if meta.is_empty() {
                params.remove("_meta");
            } else {
                params.set("_meta", meta.to_raw());
            }
        }
        let params = params.to_raw();
        let updates = self.lock();
        let exactly = updates.iter().any(|(wanted, _)| *wanted == uri);
        for (wanted, sender) in &*updates {
            if if exactly { *wanted == uri } else { uri.starts_with(wanted.as_str()) } {
                // A listener that is far behind has plenty of reasons to look already.
                let _ = sender.try_send(params.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, mpsc::Sender<Box<RawValue>>)>> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
