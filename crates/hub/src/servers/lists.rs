//! Tools of servers, kept for a moment for each client of a principal (gateway rules 3 and 12), and judged by the pins.

use super::offers::{self, ServerTools};
use super::{Listed, Server, Servers};
use crate::events::Refused;
use crate::intent::Reach;
use crate::ports::upstream::{Changed, Reply};
use deputy_core::{Digest, Reason, SourceName, ToolName};
use deputy_protocol::mcp::version;
use deputy_protocol::relay::Object;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, watch};

/// How long a list is relied on for calls, if the server tells of no change.
const FRESH: Duration = Duration::from_secs(60);
/// How long at least, whatever the server says: many say 0, and calls in one second may share a list.
const FRESH_AT_LEAST: Duration = Duration::from_secs(1);
/// Clients whose lists are kept; beyond that those unused for longest go.
const KEPT: usize = 4096;

/// How new a list has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Asked for now.
    Now,
    /// Not older than a minute, nor than the server says it may be, and nothing changed since.
    Lately,
}

#[derive(Default)]
pub(super) struct Lists {
    kept: Mutex<HashMap<Key, Arc<Kept>>>,
    /// What each server said last, to whomever: most are told the same.
    said: Mutex<HashMap<SourceName, Arc<Said>>>,
}

/// The largest list whose text is kept.
const TEXT_BYTES: usize = 1024 * 1024;

/// A list of tools, as a server said it and as it was read.
struct Said {
    /// If it was one page, and not too long to be kept.
    text: Option<Box<RawValue>>,
    tools: Vec<offers::Offered>,
    rest: Object,
    refused: Vec<String>,
    /// What the pins made of it, where all of it counts. INVARIANT: what counts for a tenant ceases to only by what
    /// [`Servers::forget_lists`] is told of, and that forgets this, too.
    judged: OnceLock<Arc<ServerTools>>,
}

impl Said {
    /// What was read before, to the last byte, is not read again.
    fn read(server: &Server, listed: Listed, text: Option<Box<RawValue>>, before: Option<&Self>) -> Self {
        let known: HashMap<&str, &offers::Offered> = before
            .map(|before| before.tools.iter().map(|offered| (offered.raw.get(), offered)).collect())
            .unwrap_or_default();
        let mut said =
            Self { text, tools: Vec::new(), rest: listed.rest, refused: Vec::new(), judged: OnceLock::new() };
        let mut names: HashSet<ToolName> = HashSet::new();
        for item in listed.items {
            let read = match known.get(item.get()) {
                Some(same) => Ok((*same).clone()),
                None => offers::read(server, (*item).to_owned()),
            };
            match read {
                Ok(offered) if names.insert(offered.offer.definition.name.clone()) => {
                    said.tools.push(offered)
                }
                Ok(twice) => {
                    said.refused.push(format!("`{}`: it is there twice", twice.offer.definition.name));
                }
                Err(why) => said.refused.push(why),
            }
        }
        if !said.refused.is_empty() {
            tracing::warn!(server = %server.name, refused = ?said.refused, "tools of a server are of no use");
        }
        said
    }
}

/// Whose list it is: a server of the legacy era is told once what its client can do, and may list only that.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    server: SourceName,
    side: Option<Digest>,
    principal: Arc<str>,
}

/// One list; the lock is held while it is fetched, so that a hundred calls fetch it once.
struct Kept {
    fetched: Turn<Option<Fetched>>,
    /// What was fetched last, to be looked at without waiting.
    last: Mutex<Option<Arc<ServerTools>>>,
    changes: watch::Receiver<Changed>,
    used_at: Mutex<Duration>,
}

/// A server, what was fetched last of its tools, and how often they changed.
pub(crate) type Seen = (Arc<Server>, Option<Arc<ServerTools>>, u64);

impl Kept {
    fn seen(&self) -> Option<Arc<ServerTools>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Fetched {
    tools: Arc<ServerTools>,
    at: Duration,
    fresh: Duration,
    changed: u64,
}

impl Servers {
    /// What this client of a principal can see of a server, and counts; policy has not been asked yet.
    ///
    /// # Errors
    /// The server does not answer, or what counts cannot be read: then nothing is offered.
    pub async fn tools(
        &self,
        reach: &Reach,
        server: &Arc<Server>,
        freshness: Freshness,
    ) -> Result<Arc<ServerTools>, Refused> {
        let kept = self.kept(reach, server);
        let mut fetched = kept.fetched.lock().await;
        let now = self.clock.elapsed();
        let changed = kept.changes.borrow().tools;
        if let Some(last) = fetched.as_ref()
            && freshness == Freshness::Lately
            && last.changed == changed
            && now.saturating_sub(last.at) < last.fresh
        {
            return Ok(Arc::clone(&last.tools));
        }
        let tools = self.fetch(reach, server).await?;
        *kept.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&tools));
        let fresh = fresh(server, &tools);
        *fetched = Some(Fetched { tools: Arc::clone(&tools), at: now, fresh, changed });
        Ok(tools)
    }

    /// What was fetched last of all servers of the caller's, without asking any.
    pub(crate) fn tools_seen(&self, reach: &Reach) -> Vec<Arc<ServerTools>> {
        self.seen(reach).into_iter().filter_map(|(_, seen, _)| seen).collect()
    }

    /// The caller's servers that were asked for their tools: what was fetched last, and how often they changed since they
    /// are listened to.
    pub(crate) fn seen(&self, reach: &Reach) -> Vec<Seen> {
        let lists = self.lists.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.all(&reach.user().tenant).filter_map(|server| {
            let kept = lists.get(&key(reach, server))?;
            Some((Arc::clone(server), kept.seen(), kept.changes.borrow().tools))
        });
        own.collect()
    }

    /// What is known of a server's tools, from whomever it was fetched: for decisions, not to be shown.
    pub(crate) fn known_to_anybody(&self, server: &SourceName) -> Vec<Arc<deputy_core::Tool>> {
        let said = self.lists.said.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned();
        said.iter().flat_map(|said| &said.tools).map(|offered| Arc::clone(&offered.tool)).collect()
    }

    /// What was fetched last of one server.
    pub(crate) fn seen_of(&self, reach: &Reach, server: &Server) -> Option<Arc<ServerTools>> {
        let lists = self.lists.kept.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&key(reach, server))?.seen()
    }

    /// Asks every server of the caller's, at the same time, each no longer than `within`. Those that do not answer are
    /// named, with the reason: one that is dead hides none of the others, and none looks as if it had no tools (gateway
    /// rule 7).
    pub async fn refresh(&self, reach: &Reach, within: Duration) -> Vec<(SourceName, Refused)> {
        let asked = self.all(&reach.user().tenant).map(|server| async move {
            let late = || Refused::because(Reason::UpstreamTimeout, format!("the server `{}`", server.name));
            let tools = tokio::time::timeout(within, self.tools(reach, server, Freshness::Lately)).await;
            let refused = tools.unwrap_or_else(|_| Err(late())).err()?;
            Some((server.name.clone(), refused))
        });
        futures_util::future::join_all(asked).await.into_iter().flatten().collect()
    }

    /// Tells the user's listeners when a server says that its tools changed, for as long as its list is kept.
    fn watch(&self, reach: &Reach, kept: &Arc<Kept>) {
        let (user, tabs, kept) = (reach.user().clone(), Arc::clone(&self.tabs), Arc::downgrade(kept));
        let Some(mut changes) = kept.upgrade().map(|kept| kept.changes.clone()) else { return };
        self.tabs.supervisor.start_until_shutdown(async move {
            while changes.changed().await.is_ok() && kept.strong_count() > 0 {
                tabs.bump(&user);
            }
        });
    }

    /// Forgets what was read of one server: pins changed.
    pub(crate) fn forget_lists(&self, server: &SourceName) {
        self.lists.said.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
        self.lists.kept.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| key.server != *server);
    }

    fn kept(&self, reach: &Reach, server: &Server) -> Arc<Kept> {
        let now = self.clock.elapsed();
        let mut lists = self.lists.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(reach, server);
        if lists.len() >= KEPT && !lists.contains_key(&key) {
            let used = |kept: &Kept| *kept.used_at.lock().unwrap_or_else(PoisonError::into_inner);
            let mut all: Vec<Duration> = lists.values().map(|kept| used(kept)).collect();
            all.sort_unstable();
            let middle = all.get(all.len() / 2).copied().unwrap_or_default();
            lists.retain(|_, kept| used(kept) > middle);
        }
        let mut is_new = false;
        let kept = lists.entry(key).or_insert_with(|| {
            is_new = true;
            let principal = server.principal(&reach.caller().principal());
            Arc::new(Kept {
                fetched: Turn::default(),
                last: Mutex::default(),
                changes: server.upstream.changes(&principal),
                used_at: Mutex::new(now),
            })
        });
        *kept.used_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let kept = Arc::clone(kept);
        if is_new {
            self.watch(reach, &kept);
        }
        kept
    }

    async fn fetch(&self, reach: &Reach, server: &Arc<Server>) -> Result<Arc<ServerTools>, Refused> {
        let first = match self.page(reach, server, "tools/list", None).await? {
            Reply::Result(first) => first,
            // A server without tools is none that is broken.
            Reply::Fault { code: -32601, .. } => return Ok(Arc::default()),
            fault @ Reply::Fault { .. } => {
                let Reply::Fault { message, .. } = fault.in_its_own_voice() else {
                    return Err(Refused::new(Reason::Internal));
                };
                let words = format!("the server `{}` does not list its tools: {message}", server.name);
                return Err(Refused::because(Reason::UpstreamUnavailable, words));
            }
        };
        let said = self.read(reach, server, first).await?;
        if let Some(judged) = said.judged.get() {
            return Ok(Arc::clone(judged));
        }
        let offers = said.tools.iter().map(|offered| offered.offer.clone()).collect();
        let judged = self.pins.judge_server(server, reach.user(), offers).await.map_err(|error| {
            tracing::error!(%error, server = %server.name, "which definitions count cannot be read");
            Refused::new(Reason::AuditUnavailable)
        })?;
        let counts: HashSet<_> = judged.offered.iter().map(|offer| offer.hash).collect();
        let counted = said.tools.iter().filter(|offered| counts.contains(&offered.offer.hash));
        let name = |held: crate::tabs::Held| (held.offer.definition.name.clone(), held.was_known);
        let mut tools = ServerTools {
            tools: counted.cloned().collect(),
            rest: said.rest.clone(),
            held: judged.held.into_iter().map(name).collect(),
            refused: said.refused.clone(),
            whole: None,
        };
        let is_all = tools.held.is_empty() && tools.tools.len() == said.tools.len();
        // What is told to many, and is not too long to be kept, is written once.
        tools.whole = (is_all && said.text.is_some()).then(Arc::default);
        let tools = Arc::new(tools);
        if is_all {
            // Whoever was quicker judged the same.
            let _ = said.judged.set(Arc::clone(&tools));
        }
        Ok(tools)
    }

    /// A list that begins with this page, read; not again where it is the same text that was read last.
    async fn read(
        &self,
        reach: &Reach,
        server: &Arc<Server>,
        first: Box<RawValue>,
    ) -> Result<Arc<Said>, Refused> {
        let said = || self.lists.said.lock().unwrap_or_else(PoisonError::into_inner);
        let last = said().get(&server.name).cloned();
        let is_text = |last: &Said| last.text.as_ref().is_some_and(|text| text.get() == first.get());
        if let Some(same) = last.as_ref().filter(|last| is_text(last)) {
            return Ok(Arc::clone(same));
        }
        let (text, first) = (first.clone(), first);
        let (listed, pages) = self.followed(reach, server, "tools/list", first).await?;
        let text = Some(text).filter(|text| pages == 1 && text.get().len() <= TEXT_BYTES);
        let read = Arc::new(Said::read(server, listed, text, last.as_deref()));
        said().insert(server.name.clone(), Arc::clone(&read));
        Ok(read)
    }
}

/// How long what was listed may be relied on: as long as the server says (`ttlMs`), within bounds. Older revisions say
/// nothing.
fn fresh(server: &Server, tools: &ServerTools) -> Duration {
    let revision = server.upstream.health().revision;
    let says = revision.is_some_and(|revision| version::MODERN_SPOKEN.contains(&revision.as_str()));
    let ttl = tools.rest.read::<u64>("ttlMs").filter(|_| says).map(Duration::from_millis);
    ttl.map_or(FRESH, |ttl| ttl.clamp(FRESH_AT_LEAST, FRESH))
}

fn key(reach: &Reach, server: &Server) -> Key {
    let caller = reach.caller();
    Key { server: server.name.clone(), side: caller.side(), principal: caller.principal() }
}
