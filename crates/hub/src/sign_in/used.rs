//! Assertions that clients showed themselves with, so that none is good twice (RFC 7523 section 3).

use deputy_core::{Digest, Timestamp};
use std::collections::HashMap;

/// How many are remembered of agents that somebody let act here, and how many of all others together.
const MOST: [usize; 2] = [50_000, 5_000];

/// Whose an assertion is. Whoever publishes a document can sign as many as they like: strangers fill a place of their own,
/// and never that of the agents that people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// An agent's that somebody has let act here.
    Agent,
    /// Anybody else's.
    Stranger,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// It was not used before.
    First,
    /// It was.
    Again,
    /// There are too many at once to know.
    Full,
}

/// Those that were used, each until its end.
#[derive(Debug, Default)]
pub(super) struct Used {
    agents: HashMap<Digest, Timestamp>,
    strangers: HashMap<Digest, Timestamp>,
}

impl Used {
    /// Uses one, which is remembered until `until`. A stranger's that has become an agent's since is known still.
    pub(super) fn take(&mut self, who: Of, mark: Digest, until: Timestamp, now: Timestamp) -> Take {
        if self.agents.contains_key(&mark) || self.strangers.contains_key(&mark) {
            return Take::Again;
        }
        let [of_agents, of_strangers] = MOST;
        let (own, most) = match who {
            Of::Agent => (&mut self.agents, of_agents),
            Of::Stranger => (&mut self.strangers, of_strangers),
        };
        if own.len() >= most {
            own.retain(|_, until| *until > now);
            if own.len() >= most {
                return Take::Full;
            }
        }
        own.insert(mark, until);
        Take::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn mark(number: usize) -> Digest {
        Digest::of_bytes(&number.to_be_bytes())
    }

    #[test]
    fn an_assertion_is_good_once_whoever_it_is_of_by_then() {
        let (mut used, now) = (Used::default(), Timestamp::from_seconds(1_000));
        let until = now.plus(Duration::from_secs(60));
        assert_eq!(used.take(Of::Stranger, mark(1), until, now), Take::First);
        assert_eq!(used.take(Of::Stranger, mark(1), until, now), Take::Again);
        assert_eq!(used.take(Of::Agent, mark(1), until, now), Take::Again);
    }

    #[test]
    fn r15_strangers_fill_their_own_place_and_leave_agents_theirs() {
        let (mut used, now) = (Used::default(), Timestamp::from_seconds(1_000));
        let until = now.plus(Duration::from_secs(60));
        let [_, most] = MOST;
        for number in 0..most {
            assert_eq!(used.take(Of::Stranger, mark(number), until, now), Take::First);
        }
        assert_eq!(used.take(Of::Stranger, mark(most), until, now), Take::Full);
        assert_eq!(used.take(Of::Agent, mark(most), until, now), Take::First);
        // What has ended makes room.
        assert_eq!(used.take(Of::Stranger, mark(most + 1), until, until), Take::First);
    }
}
