//! A server that answers as a test says, and keeps what it was asked.

use async_trait::async_trait;
use deputy_hub::ports::Upstream;
use deputy_hub::ports::upstream::{Ask, Changed, Failure, Health, Reply, Told};
use deputy_protocol::relay::{Object, raw};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

type Answer = dyn Fn(&Ask) -> Result<Reply, Failure> + Send + Sync;

/// A server in memory, in the words of the modern era.
pub struct FakeUpstream {
    tools: Mutex<Vec<Value>>,
    needs: Mutex<Vec<(String, String)>>,
    answer: Mutex<Arc<Answer>>,
    told: Mutex<Vec<Told>>,
    asked: Mutex<Vec<Ask>>,
    changed: watch::Sender<Changed>,
    updates: Mutex<Vec<(String, mpsc::Sender<Box<RawValue>>)>>,
    tasks: Mutex<Vec<(String, mpsc::Sender<()>)>>,
    hangs: Mutex<Option<CancellationToken>>,
    down: AtomicBool,
    /// Other tools, for principals whose name has this in it.
    others: Mutex<Vec<(String, Vec<Value>)>>,
    ttl_ms: AtomicU64,
    listed: AtomicU64,
    health: Mutex<Health>,
    refuses: Mutex<Option<Arc<Refuse>>>,
}

type Refuse = dyn Fn(&Ask) -> Option<Failure> + Send + Sync;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A result.
#[must_use]
pub fn result(value: &Value) -> Reply {
    Reply::Result(raw(value))
}

impl FakeUpstream {
    /// With tools of these names, that answer with their name as text.
    #[must_use]
    pub fn with_tools(names: &[&str]) -> Arc<Self> {
        let tool = |name: &&str| json!({"name": name, "description": format!("does {name}"), "inputSchema": {"type": "object"}});
        let answer = |ask: &Ask| {
            let params =
                ask.params.as_deref().and_then(|params| Object::parse(params).ok()).unwrap_or_default();
            let name: String = params.read("name").unwrap_or_else(|| ask.method.clone());
            Ok(result(&json!({"resultType": "complete", "content": [{"type": "text", "text": name}]})))
        };
        Arc::new(Self {
            tools: Mutex::new(names.iter().map(tool).collect()),
            needs: Mutex::default(),
            answer: Mutex::new(Arc::new(answer)),
            told: Mutex::default(),
            asked: Mutex::default(),
            changed: watch::Sender::default(),
            updates: Mutex::default(),
            tasks: Mutex::default(),
            hangs: Mutex::default(),
            down: AtomicBool::new(false),
            others: Mutex::default(),
            ttl_ms: AtomicU64::new(0),
            listed: AtomicU64::new(0),
            health: Mutex::new(Health {
                is_up: Some(true),
                revision: Some("2026-07-28".to_owned()),
                last_error: None,
                starts: 0,
            }),
            refuses: Mutex::default(),
        })
    }

    /// From now on it has these tools for principals whose name has this in it.
    pub fn set_tools_for(&self, principal: &str, tools: Vec<Value>) {
        lock(&self.others).push((principal.to_owned(), tools));
    }

    /// From now on it is like this.
    pub fn is_like(&self, health: Health) {
        *lock(&self.health) = health;
    }

    /// From now on it lists this tool only for clients that can do this.
    pub fn lists_only_for(&self, tool: &str, capability: &str) {
        lock(&self.needs).push((tool.to_owned(), capability.to_owned()));
    }

    /// From now on it answers so, to everything but lists of tools and `server/discover`.
    pub fn answers(&self, answer: impl Fn(&Ask) -> Result<Reply, Failure> + Send + Sync + 'static) {
        *lock(&self.answer) = Arc::new(answer);
    }

    /// From now on this is asked before anything is sent to it, lists too.
    pub fn refuses(&self, refuse: impl Fn(&Ask) -> Option<Failure> + Send + Sync + 'static) {
        *lock(&self.refuses) = Some(Arc::new(refuse));
    }

    /// From now on it tells this before each answer.
    pub fn tells(&self, told: Vec<Told>) {
        *lock(&self.told) = told;
    }

    /// From now on it answers nothing but lists, until it is told to stop.
    pub fn hangs(&self) {
        *lock(&self.hangs) = Some(CancellationToken::new());
    }

    /// From now on it cannot be reached.
    pub fn is_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    /// From now on it has these tools, and says that they changed.
    pub fn set_tools(&self, tools: Vec<Value>) {
        *lock(&self.tools) = tools;
        self.say_tools_changed();
    }

    /// Says that its tools changed.
    pub fn say_tools_changed(&self) {
        self.changed.send_modify(|changed| changed.tools += 1);
    }

    /// From now on it says that its list of tools is good for so long.
    pub fn set_ttl_ms(&self, ttl_ms: u64) {
        self.ttl_ms.store(ttl_ms, Ordering::SeqCst);
    }

    /// How often it was asked for its tools.
    #[must_use]
    pub fn times_listed(&self) -> u64 {
        self.listed.load(Ordering::SeqCst)
    }

    /// From now on it has other prompts, and says so.
    pub fn prompts_changed(&self) {
        self.changed.send_modify(|changed| changed.prompts += 1);
    }

    /// How many listen to a resource now.
    #[must_use]
    pub fn listeners(&self, uri: &str) -> usize {
        lock(&self.updates).iter().filter(|(known, heard)| known == uri && !heard.is_closed()).count()
    }

    /// Tells those who listen to a resource.
    pub fn updated(&self, uri: &str) {
        for (_, heard) in lock(&self.updates).iter().filter(|(known, _)| known == uri) {
            let _ = heard.try_send(raw(&json!({"uri": uri})));
        }
    }

    /// How many listen to a task now.
    #[must_use]
    pub fn task_listeners(&self, id: &str) -> usize {
        lock(&self.tasks).iter().filter(|(known, heard)| known == id && !heard.is_closed()).count()
    }

    /// Tells those who listen to a task that it changed.
    pub fn task_changed(&self, id: &str) {
        for (_, heard) in lock(&self.tasks).iter().filter(|(known, _)| known == id) {
            let _ = heard.try_send(());
        }
    }

    /// What it was asked, but for lists of tools and `server/discover`.
    #[must_use]
    pub fn asked(&self) -> Vec<Ask> {
        lock(&self.asked).clone()
    }
}

#[async_trait]
impl Upstream for FakeUpstream {
    async fn ask(
        &self,
        ask: Ask,
        told: mpsc::Sender<Told>,
        cancel: &CancellationToken,
    ) -> Result<Reply, Failure> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Failure::NotSent("it cannot be reached".to_owned()));
        }
        let refuses = lock(&self.refuses).clone();
        if let Some(failure) = refuses.and_then(|refuses| refuses(&ask)) {
            return Err(failure);
        }
        match ask.method.as_str() {
            "server/discover" => {
                return Ok(result(&json!({
                    "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "public",
                    "capabilities": {"tools": {"listChanged": true}, "prompts": {}, "resources": {"subscribe": true}},
                    "instructions": "be kind",
                    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "1"}},
                })));
            }
            "tools/list" => {
                self.listed.fetch_add(1, Ordering::SeqCst);
                let others = lock(&self.others).clone();
                let own = others.into_iter().find(|(principal, _)| ask.principal.contains(principal));
                let mut tools = own.map_or_else(|| lock(&self.tools).clone(), |(_, tools)| tools);
                let ttl_ms = self.ttl_ms.load(Ordering::SeqCst);
                let able = Object::parse(&ask.client.capabilities).unwrap_or_default();
                for (name, capability) in &*lock(&self.needs) {
                    tools.retain(|tool| tool["name"] != **name || able.get(capability).is_some());
                }
                return Ok(result(
                    &json!({"resultType": "complete", "tools": tools, "ttlMs": ttl_ms, "cacheScope": "public"}),
                ));
            }
            _ => {}
        }
        lock(&self.asked).push(ask.clone());
        let hangs = lock(&self.hangs).clone();
        if let Some(hangs) = hangs {
            tokio::select! {
                () = cancel.cancelled() => return Err(Failure::Cancelled),
                () = hangs.cancelled() => {}
                () = tokio::time::sleep(ask.timeout) => return Err(Failure::TimedOut),
            }
        }
        let tells = lock(&self.told).clone();
        for one in tells {
            let _ = told.send(one).await;
        }
        let answer = Arc::clone(&*lock(&self.answer));
        answer(&ask)
    }

    fn changes(&self, _principal: &str) -> watch::Receiver<Changed> {
        self.changed.subscribe()
    }

    fn updates(&self, _principal: &str, uri: &str) -> mpsc::Receiver<Box<RawValue>> {
        let (sender, receiver) = mpsc::channel(16);
        lock(&self.updates).push((uri.to_owned(), sender));
        receiver
    }

    fn task_changes(&self, _principal: &str, id: &str) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel(1);
        lock(&self.tasks).push((id.to_owned(), sender));
        receiver
    }

    fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    async fn close(&self) {}
}
