//! Tools of servers, kept for a moment for each client of a principal (gateway rules 3 and 12), and judged by the pins.

use super::offers::{self, ServerTools};
use super::{Server, Servers};
use crate::events::Refused;
use crate::intent::Reach;
use crate::ports::upstream::{Changed, Reply};
use deputy_core::{Reason, SourceName, ToolName};
use deputy_protocol::mcp::version;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
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
pub(super) struct Lists(Mutex<HashMap<(SourceName, String), Arc<Kept>>>);

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
        let tools = Arc::new(self.fetch(reach, server, fetched.as_ref()).await?);
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
        let lists = self.lists.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.all(&reach.user().tenant).filter_map(|server| {
            let kept = lists.get(&key(reach, server))?;
            Some((Arc::clone(server), kept.seen(), kept.changes.borrow().tools))
        });
        own.collect()
    }

    /// What was fetched last of one server.
    pub(crate) fn seen_of(&self, reach: &Reach, server: &Server) -> Option<Arc<ServerTools>> {
        let lists = self.lists.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.lists.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, _), _| name != server);
    }

    fn kept(&self, reach: &Reach, server: &Server) -> Arc<Kept> {
        let principal = server.principal(&reach.caller().principal());
        let now = self.clock.elapsed();
        let mut lists = self.lists.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(reach, server);
        if lists.len() >= KEPT && !lists.contains_key(&key) {
            let used = |kept: &Kept| *kept.used_at.lock().unwrap_or_else(PoisonError::into_inner);
            let mut all: Vec<Duration> = lists.values().map(|kept| used(kept)).collect();
            all.sort_unstable();
            let middle = all.get(all.len() / 2).copied().unwrap_or_default();
            lists.retain(|_, kept| used(kept) > middle);
        }
        let is_new = !lists.contains_key(&key);
        let kept = lists.entry(key).or_insert_with(|| {
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

    async fn fetch(
        &self,
        reach: &Reach,
        server: &Arc<Server>,
        last: Option<&Fetched>,
    ) -> Result<ServerTools, Refused> {
        let listed = match self.list(reach, server, "tools/list").await? {
            Ok(listed) => listed,
            // A server without tools is none that is broken.
            Err(Reply::Fault { code: -32601, .. }) => return Ok(ServerTools::default()),
            Err(Reply::Fault { message, .. }) => {
                let words = format!("the server `{}` does not list its tools: {message}", server.name);
                return Err(Refused::because(Reason::UpstreamUnavailable, words));
            }
            Err(Reply::Result(_)) => return Err(Refused::new(Reason::Internal)),
        };
        let mut tools = ServerTools { rest: listed.rest, ..ServerTools::default() };
        let mut names: HashSet<ToolName> = HashSet::new();
        let mut registered = Vec::new();
        let known: HashMap<&str, &offers::Offered> = last
            .map(|last| last.tools.tools.iter().map(|offered| (offered.raw.get(), offered)).collect())
            .unwrap_or_default();
        for item in listed.items {
            let read = match known.get(item.get()) {
                // Compiled before, and the same to the last byte.
                Some(same) => Ok((*same).clone()),
                None => offers::read(server, (*item).to_owned()),
            };
            match read {
                Ok(offered) if names.insert(offered.offer.definition.name.clone()) => {
                    registered.push(offered)
                }
                Ok(twice) => {
                    tools.refused.push(format!("`{}`: it is there twice", twice.offer.definition.name))
                }
                Err(why) => tools.refused.push(why),
            }
        }
        let offers = registered.iter().map(|offered| offered.offer.clone()).collect();
        let judged = self.pins.judge_server(server, reach.user(), offers).await.map_err(|error| {
            tracing::error!(%error, server = %server.name, "which definitions count cannot be read");
            Refused::new(Reason::AuditUnavailable)
        })?;
        let counts: HashSet<_> = judged.offered.iter().map(|offer| offer.hash).collect();
        registered.retain(|offered| counts.contains(&offered.offer.hash));
        tools.tools = registered;
        let name = |held: crate::tabs::Held| (held.offer.definition.name.clone(), held.was_known);
        tools.held = judged.held.into_iter().map(name).collect();
        if !tools.refused.is_empty() {
            tracing::warn!(server = %server.name, refused = ?tools.refused, "tools of a server are of no use");
        }
        Ok(tools)
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

/// Whose list it is: a server of the legacy era is told once what its client can do, and may list only that.
fn key(reach: &Reach, server: &Server) -> (SourceName, String) {
    let principal = server.principal(&reach.caller().principal());
    let side = reach.caller().side().map(|digest| digest.to_string()).unwrap_or_default();
    (server.name.clone(), format!("{side}\0{principal}"))
}
