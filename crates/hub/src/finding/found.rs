//! Searching what a caller could call, without asking policy about all of it: first what fits, then what is theirs.

use crate::catalog::{Catalog, Listed};
use crate::intent::Reach;
use crate::search::{Index, MOST_RESULTS, Searched};
use crate::servers::Servers;
use crate::tabs::Tabs;
use deputy_core::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Principals whose index is kept.
const KEPT: usize = 256;
/// How many of what fits policy is asked about, at most, before a search has too few results.
const ASKED: usize = 4 * MOST_RESULTS;

/// One principal's tools, ready to be searched, for as long as nothing of them changes.
struct Ready {
    mark: Vec<usize>,
    listed: Vec<Listed>,
    index: Index<usize>,
}

/// Searches, and keeps what it made for the next search.
pub struct Finder {
    catalog: Arc<Catalog>,
    servers: Arc<Servers>,
    tabs: Arc<Tabs>,
    ready: Mutex<HashMap<Arc<str>, Arc<Ready>>>,
}

impl Finder {
    /// Nothing is ready yet.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, servers: Arc<Servers>, tabs: Arc<Tabs>) -> Self {
        Self { catalog, servers, tabs, ready: Mutex::default() }
    }

    /// The best of what this caller could call, the best first.
    #[must_use]
    pub fn find(&self, reach: &Reach, query: &str, limit: usize, now: Timestamp) -> Vec<Listed> {
        let ready = self.ready(reach);
        let found = ready.index.search(query, ASKED);
        let listed = found.into_iter().filter_map(|(at, _)| ready.listed.get(at));
        let mut sight = self.catalog.sight(reach, now);
        listed.filter(|one| sight.of(&one.tool).is_visible()).take(limit).cloned().collect()
    }

    fn ready(&self, reach: &Reach) -> Arc<Ready> {
        let principal = reach.caller().principal();
        let mark = self.mark(reach);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ready.get(&principal).filter(|known| known.mark == mark) {
            return Arc::clone(known);
        }
        drop(ready);
        let listed = self.catalog.candidates(reach);
        let index = Index::of(listed.iter().enumerate().map(|(at, one)| Searched {
            id: at,
            name: one.name.as_str(),
            title: one.tool.definition.title.as_deref(),
            description: &one.tool.definition.description,
            schema: one.tool.definition.input_schema.as_ref(),
        }));
        let made = Arc::new(Ready { mark, listed, index });
        ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() >= KEPT && !ready.contains_key(&principal) {
            ready.clear();
        }
        ready.insert(principal, Arc::clone(&made));
        made
    }

    /// Equal for as long as the same lists are kept and no tab's tools changed: what is kept is not made anew in place.
    fn mark(&self, reach: &Reach) -> Vec<usize> {
        let lists = self.servers.tools_seen(reach).into_iter().map(|seen| Arc::as_ptr(&seen).addr());
        let tabs = *self.tabs.changes(reach.user()).borrow();
        lists.chain(usize::try_from(tabs)).collect()
    }
}
