//! Limits: how many calls may be performed in a stretch of time, counted apart for whom the operator says.
//!
//! A call counts when it is decided to be performed, so a refused one uses nothing up. All limits that match are looked at
//! and taken from together, under one lock: a hundred racing calls against ten perform ten.

mod counter;
#[cfg(test)]
mod tests;

use crate::ports::{IntentsFrom, PastIntents, StoreError};
use counter::{Counter, Window};
use deputy_core::{
    Call, Class, Client, Effect, Event, Facts, SourceName, TenantId, Timestamp, ToolName, User,
};
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Keys that one limit counts apart in one tenant. Beyond it nobody new is let through: too many is a no, never a yes.
pub const KEYS_PER_LIMIT: usize = 100_000;

/// What a limit is counted apart for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Each {
    /// The person.
    User,
    /// The verified client id, never what an agent calls itself.
    Agent,
    /// The tool of its source.
    Tool,
}

/// The least class that a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeast {
    /// Tools whose effect is at least this.
    pub effect: Option<Effect>,
    /// Tools that send data out, too.
    pub egress: bool,
}

impl AtLeast {
    fn counts(self, class: Class) -> bool {
        self.effect.is_some_and(|least| class.effect >= least) || (self.egress && class.egress)
    }
}

/// An operator's limit. Tenants never share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Shown in refusals and in the log.
    pub name: String,
    /// So many calls,
    pub calls: NonZeroU64,
    /// in any stretch of time as long as this.
    pub per: Duration,
    /// Counted apart for each combination of these; none: all together.
    pub each: Vec<Each>,
    /// Only calls of this source.
    pub source: Option<SourceName>,
    /// Only calls of this tool.
    pub tool: Option<ToolName>,
    /// Only tools of at least this class.
    pub class: Option<AtLeast>,
}

/// What limits look at: of a call that is to be performed, or of the line that says one was. What was erased from a line
/// is absent.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    tenant: &'a TenantId,
    user: Option<&'a User>,
    client: Option<&'a Client>,
    source: &'a SourceName,
    tool: &'a ToolName,
    class: Class,
}

impl<'a> Counted<'a> {
    /// A call that is to be performed.
    #[must_use]
    pub fn of(caller: &'a impl Facts, call: &'a Call) -> Self {
        Self {
            tenant: &caller.user().tenant,
            user: Some(caller.user()),
            client: Some(caller.client()),
            source: &call.tool.source,
            tool: &call.tool.definition.name,
            class: call.tool.class,
        }
    }

    fn past(intent: &'a Event) -> Option<Self> {
        Some(Self {
            tenant: &intent.tenant,
            user: intent.user.as_ref(),
            client: intent.client.as_ref(),
            source: intent.source.as_ref()?,
            tool: intent.tool.as_ref()?,
            class: intent.class?,
        })
    }
}

/// A limit that is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedUp {
    /// Which.
    pub name: String,
    /// In words, for the agent.
    pub words: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    user: Option<User>,
    client: Option<Client>,
    tool: Option<(SourceName, ToolName)>,
}

#[derive(Default)]
struct Counters {
    of: HashMap<Key, Counter>,
    /// The segment in which they were last gone through.
    swept: u64,
}

/// The operator's limits and what is used of them.
pub struct RateLimits {
    limits: Vec<(Limit, Window)>,
    used: Mutex<HashMap<TenantId, Vec<Counters>>>,
    most_keys: usize,
}

impl RateLimits {
    /// Nothing is used yet; see [`RateLimits::recount`].
    #[must_use]
    pub fn new(limits: Vec<Limit>) -> Self {
        Self::with_most_keys(limits, KEYS_PER_LIMIT)
    }

    fn with_most_keys(limits: Vec<Limit>, most_keys: usize) -> Self {
        let limits = limits.into_iter().map(|limit| (Window::of(limit.per), limit));
        Self { limits: limits.map(|(w, l)| (l, w)).collect(), used: Mutex::default(), most_keys }
    }

    /// Whether a call would pass now; nothing is taken.
    ///
    /// # Errors
    /// The limit that is used up.
    pub fn look(&self, call: Counted<'_>, now: Timestamp) -> Result<(), UsedUp> {
        self.check(&mut self.used(), call, now)
    }

    /// Takes a call from every limit that counts it, or from none.
    ///
    /// # Errors
    /// The limit that is used up.
    pub fn take(&self, call: Counted<'_>, now: Timestamp) -> Result<(), UsedUp> {
        // INVARIANT: looked at and taken under one lock.
        let mut used = self.used();
        self.check(&mut used, call, now)?;
        for (limit, window, counters) in self.that_count(&mut used, call) {
            counters.of.entry(limit.key(call)).or_default().add(window.segment(now));
        }
        Ok(())
    }

    /// Counts again what the log says was performed within the longest window: the log is the truth, there is no second
    /// table.
    ///
    /// # Errors
    /// The log cannot be read: nobody knows what is used, so the hub must not start.
    pub async fn recount(
        &self,
        log: &dyn PastIntents,
        tenants: &[TenantId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(longest) = self.limits.iter().map(|(_, window)| window.longest()).max() else {
            return Ok(());
        };
        for tenant in tenants {
            let mut from = IntentsFrom { at: now.minus(longest), after: None };
            loop {
                let page = log.intents(tenant, from).await?;
                let Some((last, event)) = page.last() else { break };
                from = IntentsFrom { at: event.at, after: Some(*last) };
                for (_, intent) in &page {
                    self.count(intent, now);
                }
            }
        }
        Ok(())
    }

    /// How many keys are counted now.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.used().values().flatten().map(|counters| counters.of.len()).sum()
    }

    fn count(&self, intent: &Event, now: Timestamp) {
        let Some(call) = Counted::past(intent) else { return };
        let mut used = self.used();
        for (limit, window, counters) in self.that_count(&mut used, call) {
            // What a clock that was ahead wrote down counts as made now.
            let (made, now) = (window.segment(intent.at.min(now)), window.segment(now));
            if window.holds(made, now) {
                counters.of.entry(limit.key(call)).or_default().add(made);
            }
        }
    }

    fn check(
        &self,
        used: &mut HashMap<TenantId, Vec<Counters>>,
        call: Counted<'_>,
        now: Timestamp,
    ) -> Result<(), UsedUp> {
        for (limit, window, counters) in self.that_count(used, call) {
            let segment = window.segment(now);
            if let Some(counter) = counters.of.get_mut(&limit.key(call)) {
                counter.forget(segment);
                let calls = limit.calls.get();
                if counter.made() >= calls {
                    return Err(limit.used_up(window.until_free(counter, calls, now)));
                }
            } else if !counters.has_room(segment, self.most_keys) {
                return Err(limit.crowded());
            }
        }
        Ok(())
    }

    fn that_count<'s>(
        &'s self,
        used: &'s mut HashMap<TenantId, Vec<Counters>>,
        call: Counted<'s>,
    ) -> impl Iterator<Item = (&'s Limit, Window, &'s mut Counters)> {
        let own = used.entry(call.tenant.clone()).or_default();
        own.resize_with(self.limits.len(), Counters::default);
        let every = self.limits.iter().zip(own.iter_mut());
        every
            .filter(move |((limit, _), _)| limit.counts(call))
            .map(|((limit, window), counters)| (limit, *window, counters))
    }

    fn used(&self) -> MutexGuard<'_, HashMap<TenantId, Vec<Counters>>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    /// Room for one key more. Keys whose window is over are dropped, by going through all of them at most once in a
    /// segment, and when the map has grown.
    fn has_room(&mut self, now: u64, most: usize) -> bool {
        let grown = self.of.len() >= most.min(1024);
        if grown && self.swept != now {
            self.swept = now;
            self.of.retain(|_, counter| {
                counter.forget(now);
                counter.made() > 0
            });
        }
        self.of.len() < most
    }
}

impl Limit {
    fn counts(&self, call: Counted<'_>) -> bool {
        self.source.as_ref().is_none_or(|source| source == call.source)
            && self.tool.as_ref().is_none_or(|tool| tool == call.tool)
            && self.class.is_none_or(|least| least.counts(call.class))
    }

    fn key(&self, call: Counted<'_>) -> Key {
        let each = |what| self.each.contains(&what);
        Key {
            user: call.user.filter(|_| each(Each::User)).cloned(),
            client: call.client.filter(|_| each(Each::Agent)).cloned(),
            tool: each(Each::Tool).then(|| (call.source.clone(), call.tool.clone())),
        }
    }

    fn used_up(&self, free_in: Duration) -> UsedUp {
        let seconds = free_in.as_millis().div_ceil(1000).max(1);
        let words = format!(
            "the limit `{}` allows {} calls in {} s; try again in {seconds} s",
            self.name,
            self.calls,
            self.per.as_secs()
        );
        UsedUp { name: self.name.clone(), words }
    }

    fn crowded(&self) -> UsedUp {
        let words = format!("the limit `{}` counts too many callers already; try again later", self.name);
        UsedUp { name: self.name.clone(), words }
    }
}
