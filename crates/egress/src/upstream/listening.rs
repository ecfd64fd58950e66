//! Who listens to a server's changes, to updates of its resources and to its tasks, by principal. How they are heard is the transport's matter.

use deputy_hub::ports::upstream::{Changed, ClientSide};
use deputy_protocol::mcp::{meta, tasks};
use deputy_protocol::relay::{Object, raw};
use serde_json::value::RawValue;
use serde_json::{Map, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, watch};

/// How many updates may wait for one listener.
const QUEUE: usize = 64;
/// How many listeners to single things one principal may have (gateway rule 26).
const MOST: usize = 1024;

/// All listeners of one upstream.
#[derive(Default)]
pub(super) struct Listeners(Mutex<HashMap<String, Arc<Listening>>>);

/// Those of one principal.
pub(super) struct Listening {
    changed: watch::Sender<Changed>,
    heeds: Mutex<Vec<Heed>>,
    /// What is listened to has changed, or may have.
    pub(super) wake: Notify,
}

/// One who listens to one thing.
enum Heed {
    /// Updates of the resource at an address.
    Resource(String, mpsc::Sender<Box<RawValue>>),
    /// Word that the task of an id changed. One word that waits is as good as many.
    Task(String, mpsc::Sender<()>),
}

impl Heed {
    fn is_over(&self) -> bool {
        match self {
            Self::Resource(_, sender) => sender.is_closed(),
            Self::Task(_, sender) => sender.is_closed(),
        }
    }
}

/// What somebody wants to hear of beyond lists, each once and in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) uris: Vec<String>,
    pub(super) tasks: Vec<String>,
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        self.uris.is_empty() && self.tasks.is_empty()
    }

    /// The parameters of `subscriptions/listen`, and what its client has to be able to do.
    pub(super) fn listen(&self) -> (Box<RawValue>, ClientSide) {
        let mut wanted = Map::new();
        for name in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
            wanted.insert(name.to_owned(), json!(true));
        }
        let mut client = ClientSide::default();
        if !self.uris.is_empty() {
            wanted.insert("resourceSubscriptions".to_owned(), json!(self.uris));
        }
        if !self.tasks.is_empty() {
            wanted.insert("taskIds".to_owned(), json!(self.tasks));
            client.capabilities = raw(&json!({"extensions": {tasks::EXTENSION: {}}})).into();
        }
        (raw(&json!({ "notifications": wanted })), client)
    }
}

impl Listeners {
    /// Listens to changes. `Some`: nobody of this principal did before, and somebody must begin to hear.
    pub(super) fn changes(&self, principal: &str) -> (watch::Receiver<Changed>, Option<Arc<Listening>>) {
        let mut all = self.lock();
        let (listening, is_new) = entry(&mut all, principal);
        (listening.changed.subscribe(), is_new.then_some(listening))
    }

    /// Listens to the updates of one resource. Beyond what one principal may have, the receiver has ended.
    pub(super) fn updates(&self, principal: &str, uri: &str) -> Begun<Box<RawValue>> {
        self.heed(principal, QUEUE, |sender| Heed::Resource(uri.to_owned(), sender))
    }

    /// Listens to the changes of one task, likewise.
    pub(super) fn task(&self, principal: &str, id: &str) -> Begun<()> {
        self.heed(principal, 1, |sender| Heed::Task(id.to_owned(), sender))
    }

    fn heed<T>(&self, principal: &str, queue: usize, of: impl FnOnce(mpsc::Sender<T>) -> Heed) -> Begun<T> {
        let (sender, receiver) = mpsc::channel(queue);
        let mut all = self.lock();
        let (listening, is_new) = entry(&mut all, principal);
        let mut heeds = listening.lock();
        heeds.retain(|heed| !heed.is_over());
        let kept = (heeds.len() < MOST).then(|| sender.clone());
        if let Some(sender) = &kept {
            heeds.push(of(sender.clone()));
        }
        drop(heeds);
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

/// A new listener to one thing.
pub(super) struct Begun<T> {
    pub(super) receiver: mpsc::Receiver<T>,
    /// To see when the receiver is dropped.
    kept: Option<mpsc::Sender<T>>,
    pub(super) listening: Arc<Listening>,
    /// Nobody of this principal listened before, and somebody must begin to hear.
    pub(super) is_new: bool,
}

impl<T: Send + 'static> Begun<T> {
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
    let listening = Arc::new(Listening { changed, heeds: Mutex::default(), wake: Notify::new() });
    all.insert(principal.to_owned(), Arc::clone(&listening));
    (listening, true)
}

impl Listening {
    /// What somebody wants to hear of beyond lists.
    pub(super) fn wanted(&self) -> Wanted {
        let mut heeds = self.lock();
        heeds.retain(|heed| !heed.is_over());
        let mut wanted = Wanted::default();
        for heed in &*heeds {
            match heed {
                Heed::Resource(uri, _) => wanted.uris.push(uri.clone()),
                Heed::Task(id, _) => wanted.tasks.push(id.clone()),
            }
        }
        drop(heeds);
        for each in [&mut wanted.uris, &mut wanted.tasks] {
            each.sort_unstable();
            each.dedup();
        }
        wanted
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.changed.receiver_count() > 0 || !self.wanted().is_empty()
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
        self.look_at_tasks();
    }

    /// It is heard of all tasks from now on: what became of them before is not known.
    pub(super) fn look_at_tasks(&self) {
        self.changed_task(None);
    }

    fn changed_task(&self, only: Option<&str>) {
        for heed in &*self.lock() {
            if let Heed::Task(id, sender) = heed
                && only.is_none_or(|only| only == id)
            {
                // Full: word of an earlier change waits, and whoever takes it looks at the task as it is then.
                let _ = sender.try_send(());
            }
        }
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
            "notifications/tasks" => {
                let params = params.and_then(|params| Object::parse(params).ok());
                if let Some(id) = params.and_then(|params| params.read::<String>("taskId")) {
                    self.changed_task(Some(&id));
                }
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
        let heeds = self.lock();
        let updates = || {
            heeds.iter().filter_map(|heed| match heed {
                Heed::Resource(wanted, sender) => Some((wanted, sender)),
                Heed::Task(..) => None,
            })
        };
        let exactly = updates().any(|(wanted, _)| *wanted == uri);
        for (wanted, sender) in updates() {
            if if exactly { *wanted == uri } else { uri.starts_with(wanted.as_str()) } {
                // A listener that is far behind has plenty of reasons to look already.
                let _ = sender.try_send(params.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Heed>> {
        self.heeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
