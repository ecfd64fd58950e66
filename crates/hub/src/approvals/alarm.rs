//! How much people are asked: who is asked too much says yes to everything (APR-09).

use crate::journal::Journal;
use deputy_core::{EventKind, Timestamp, User};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Over how long it is counted.
const HOUR: Duration = Duration::from_secs(3600);
/// Users that are counted at once; beyond that those who were asked nothing for an hour are forgotten, then all.
const USERS: usize = 10_000;

#[derive(Default)]
struct Asked {
    at: VecDeque<Timestamp>,
    alarmed: Option<Timestamp>,
}

/// Counts questions by whom they are for.
pub(crate) struct Alarm {
    most: usize,
    users: Mutex<HashMap<User, Asked>>,
}

impl Alarm {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, users: Mutex::default() }
    }

    /// One more question; the one too many within an hour is a line of the log and a warning, once an hour.
    pub(crate) async fn asked(&self, journal: &Journal, user: &User, now: Timestamp) {
        let Some(count) = self.count(user, now) else { return };
        tracing::warn!(count, most = self.most, "ALARM: a person is asked too much within an hour");
        let event = journal.event(EventKind::ApprovalAlarm, user);
        if let Err(error) = journal.append(vec![event.with_detail("asked", count)]).await {
            tracing::error!(%error, "an alarm could not be recorded");
        }
    }

    /// How many there were, if that is an alarm now.
    fn count(&self, user: &User, now: Timestamp) -> Option<usize> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS && !users.contains_key(user) {
            users.retain(|_, asked| asked.at.back().is_some_and(|at| now.since(*at) < HOUR));
            if users.len() >= USERS {
                users.clear();
            }
        }
        let asked = users.entry(user.clone()).or_default();
        asked.at.retain(|at| now.since(*at) < HOUR);
        asked.at.push_back(now);
        let due = asked.alarmed.is_none_or(|at| now.since(at) >= HOUR);
        (asked.at.len() > self.most && due).then(|| {
            asked.alarmed = Some(now);
            asked.at.len()
        })
    }
}
