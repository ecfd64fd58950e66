//! The keys of one issuer over time: when to fetch, whom to believe, how long. A state machine without IO; time is an
//! argument, and whoever fetches calls [`KeyRing::begin_forced`] or [`KeyRing::begin_scheduled`], then
//! [`KeyRing::complete`].

use super::{Fetched, Key, KeySet, KeySetError};
use crate::jws::{Algorithm, KeyId};
use deputy_core::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Between two forced refreshes (B3).
const COOL_DOWN: Duration = Duration::from_secs(30);
/// A fetch that has not completed by then is taken for lost, so that it blocks nothing.
const FETCH_LOST_AFTER: Duration = Duration::from_secs(20);
const SHORTEST_REFRESH: Duration = Duration::from_secs(60);
const LONGEST_REFRESH: Duration = Duration::from_secs(600);
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// How long known keys work while the issuer cannot be reached (B5).
pub(crate) const STALE_LIMIT: Duration = Duration::from_secs(3600);
const ABSENT_KEYS: usize = 128;
const ABSENT_FOR: Duration = Duration::from_secs(300);

/// The keys of one issuer. Locks inside; shared by every request and the one task that refreshes.
#[derive(Debug)]
pub struct KeyRing(RwLock<State>);

/// Names one fetch, in the order of their starts (B6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefreshId(u64);

/// What to do about an unknown key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Fetch now, then [`KeyRing::complete`].
    Fetch(RefreshId),
    /// Somebody is fetching already: wait until [`KeyRing::generation`] differs from this.
    Wait(u64),
    /// Too soon after the last forced fetch, whatever came of it.
    CoolingDown,
}

/// What a good fetch changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// How many keys can be used now, those absent from one set for the first time included.
    pub usable: usize,
    /// The address before, if it is another now (B2: audited).
    pub previous_jwks_uri: Option<String>,
    /// Whether a newer set is in place already, so that this one changed nothing (B6).
    pub superseded: bool,
}

/// How well the keys are known (B5: alarmed when not [`RingHealth::Fresh`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingHealth {
    /// No set was ever loaded.
    NeverLoaded,
    /// The last fetch was good.
    Fresh,
    /// Fetches fail; the known keys work on until the stale limit.
    Stale {
        /// When the last good set was fetched.
        loaded_at: Timestamp,
    },
    /// Fetches failed for longer than the stale limit: no key works.
    Expired,
}

#[derive(Debug, Default)]
struct State {
    current: KeySet,
    /// Keys that the last good set lacked for the first time (B4).
    leaving: Vec<Arc<Key>>,
    loaded: Option<(RefreshId, Timestamp)>,
    jwks_uri: Option<String>,
    last_started: u64,
    in_flight: Option<(RefreshId, Timestamp)>,
    generation: u64,
    forced_at: Option<Timestamp>,
    failures: u32,
    next_refresh: Option<Timestamp>,
    absent: VecDeque<(KeyId, Timestamp)>,
}

/// How a key was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A fetch may bring it, and is allowed or under way.
    MayArrive,
    /// It is not there.
    Unknown,
    /// There are no keys to rely on.
    NoKeys,
}

impl Default for KeyRing {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyRing {
    /// A ring that knows no key yet; its first refresh is due at once.
    #[must_use]
    pub fn new() -> Self {
        Self(RwLock::default())
    }

    /// The key for a token's header.
    pub(crate) fn find(
        &self,
        key_id: Option<&KeyId>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Arc<Key>, Missing> {
        let state = self.read();
        if state.is_usable(now)
            && let Some(key) = state.find(key_id, algorithm)
        {
            return Ok(Arc::clone(key));
        }
        Err(state.missing(key_id, now))
    }

    /// After a refresh that was forced for its sake: the key is not there, so it forces no other for a while (B3).
    pub(crate) fn remember_absent(&self, key_id: &KeyId, now: Timestamp) {
        let mut state = self.write();
        if state.loaded.is_some_and(|(_, at)| now.since(at) <= COOL_DOWN) {
            state.absent.retain(|(id, until)| id != key_id && now < *until);
            if state.absent.len() >= ABSENT_KEYS {
                state.absent.pop_front();
            }
            state.absent.push_back((key_id.clone(), now.plus(ABSENT_FOR)));
        }
    }

    /// A key was unknown: asks for a fetch. The cool-down is taken here, before the fetch, whatever its result (B3).
    #[must_use]
    pub fn begin_forced(&self, now: Timestamp) -> Begun {
        let mut state = self.write();
        if state.is_fetching(now) {
            return Begun::Wait(state.generation);
        }
        if state.is_cooling_down(now) {
            return Begun::CoolingDown;
        }
        state.forced_at = Some(now);
        Begun::Fetch(state.start(now))
    }

    /// The background task: a fetch if one is due and none is under way (B5).
    #[must_use]
    pub fn begin_scheduled(&self, now: Timestamp) -> Option<RefreshId> {
        let mut state = self.write();
        // One that is further off than any is planned was planned before the clock was set back.
        let due = state.next_refresh.is_none_or(|at| at <= now || at > now.plus(2 * LONGEST_REFRESH));
        (due && !state.is_fetching(now)).then(|| state.start(now))
    }

    /// When the next background refresh is due; none: at once.
    #[must_use]
    pub fn next_refresh(&self) -> Option<Timestamp> {
        self.read().next_refresh
    }

    /// Counts completed fetches, good or bad; those who wait for one watch it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.read().generation
    }

    /// Whether there are keys to rely on, in time.
    pub(crate) fn has_keys(&self, now: Timestamp) -> bool {
        self.read().is_usable(now)
    }

    /// How well the keys are known.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> RingHealth {
        let state = self.read();
        match state.loaded {
            None => RingHealth::NeverLoaded,
            Some(_) if !state.is_usable(now) => RingHealth::Expired,
            Some((_, loaded_at)) if state.failures > 0 => RingHealth::Stale { loaded_at },
            Some(_) => RingHealth::Fresh,
        }
    }

    /// Ends a fetch; `None` is one that failed. A failed fetch and a set without a usable key leave the keys as they
    /// are. Call it for every [`RefreshId`], also when the fetch is given up.
    ///
    /// # Errors
    /// The set is of no use.
    pub fn complete(
        &self,
        refresh: RefreshId,
        fetched: Option<Fetched>,
        now: Timestamp,
    ) -> Result<Option<Loaded>, KeySetError> {
        let parsed = fetched.map(|fetched| (KeySet::parse(&fetched.set), fetched));
        let mut state = self.write();
        state.end(refresh);
        match parsed {
            None => state.fail(now),
            Some((Err(error), _)) => {
                state.fail(now);
                return Err(error);
            }
            Some((Ok(set), fetched)) => return Ok(Some(state.load(refresh, set, fetched, now))),
        }
        Ok(None)
    }

    // A panic while the lock was held cannot leave half a change behind: each method changes fields one by one, none
    // of which another depends on.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, key_id: Option<&KeyId>, algorithm: Algorithm) -> Option<&Arc<Key>> {
        let leaving = || {
            let wanted = key_id?;
            self.leaving.iter().find(|key| key.id() == Some(wanted) && key.serves(algorithm))
        };
        self.current.find(key_id, algorithm).or_else(leaving)
    }

    fn missing(&self, key_id: Option<&KeyId>, now: Timestamp) -> Missing {
        let absent =
            key_id.is_some_and(|wanted| self.absent.iter().any(|(id, until)| id == wanted && now < *until));
        let may_fetch = self.is_fetching(now) || !self.is_cooling_down(now);
        match (self.is_usable(now), may_fetch) {
            (true, _) if absent => Missing::Unknown,
            (_, true) => Missing::MayArrive,
            (true, false) => Missing::Unknown,
            (false, false) => Missing::NoKeys,
        }
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        self.loaded.is_some_and(|(_, at)| now.since(at) <= STALE_LIMIT)
    }

    fn is_fetching(&self, now: Timestamp) -> bool {
        self.in_flight.is_some_and(|(_, at)| at <= now && now.since(at) <= FETCH_LOST_AFTER)
    }

    fn is_cooling_down(&self, now: Timestamp) -> bool {
        self.forced_at.is_some_and(|at| at <= now && now.since(at) < COOL_DOWN)
    }

    fn start(&mut self, now: Timestamp) -> RefreshId {
        self.last_started += 1;
        let refresh = RefreshId(self.last_started);
        self.in_flight = Some((refresh, now));
        refresh
    }

    fn end(&mut self, refresh: RefreshId) {
        self.generation += 1;
        if self.in_flight.is_some_and(|(id, _)| id == refresh) {
            self.in_flight = None;
        }
    }

    fn fail(&mut self, now: Timestamp) {
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(5)).min(SHORTEST_REFRESH);
        self.failures = self.failures.saturating_add(1);
        self.next_refresh = Some(now.plus(with_jitter(wait)));
    }

    fn load(&mut self, refresh: RefreshId, set: KeySet, fetched: Fetched, now: Timestamp) -> Loaded {
        if self.loaded.is_some_and(|(newest, _)| refresh < newest) {
            return Loaded { usable: self.usable(), previous_jwks_uri: None, superseded: true };
        }
        let still_there = |key: &Arc<Key>| set.keys().iter().any(|new| new.is_same_as(key));
        let replaced = |key: &Arc<Key>| key.id().is_none_or(|id| set.names(id));
        let left = self.current.keys().iter().filter(|key| !still_there(key) && !replaced(key));
        self.leaving = left.cloned().collect();
        self.absent.retain(|(id, _)| !set.names(id));
        self.current = set;
        self.loaded = Some((refresh, now));
        self.failures = 0;
        let wait = fetched.max_age.unwrap_or(LONGEST_REFRESH).clamp(SHORTEST_REFRESH, LONGEST_REFRESH);
        self.next_refresh = Some(now.plus(with_jitter(wait)));
        let previous = self.jwks_uri.replace(fetched.jwks_uri);
        let previous_jwks_uri = previous.filter(|previous| Some(previous) != self.jwks_uri.as_ref());
        Loaded { usable: self.usable(), previous_jwks_uri, superseded: false }
    }

    fn usable(&self) -> usize {
        self.current.len() + self.leaving.len()
    }
}

/// Up to a tenth earlier, so that many hubs do not ask at once. Without randomness: no jitter.
fn with_jitter(wait: Duration) -> Duration {
    let mut byte = [0_u8];
    if getrandom::fill(&mut byte).is_err() {
        return wait;
    }
    let [part] = byte;
    wait.saturating_sub(wait.mul_f64(f64::from(part) / 2560.0))
}

#[cfg(test)]
mod tests;
