//! How many calls were made in a window that slides, in sixty-one numbers at most.
//!
//! A window is cut into sixty segments. A call counts from when it is made until its segment has left the window whole:
//! for at least the window's length, and at most a sixtieth longer. So there are never more calls than allowed in any
//! stretch of that length, and nothing begins anew at an hour's or a day's edge.

use deputy_core::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Segments of a window.
pub(super) const SEGMENTS: u64 = 60;

/// A length of time, cut into segments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    segment_ms: u64,
}

impl Window {
    pub(super) fn of(per: Duration) -> Self {
        let per_ms = u64::try_from(per.as_millis()).unwrap_or(u64::MAX);
        Self { segment_ms: per_ms.div_ceil(SEGMENTS).max(1) }
    }

    /// The number of the segment that a moment lies in.
    pub(super) const fn segment(self, at: Timestamp) -> u64 {
        at.millis() / self.segment_ms
    }

    /// Whether a call of the segment `made` counts in the segment `now`.
    pub(super) const fn holds(self, made: u64, now: u64) -> bool {
        made.saturating_add(SEGMENTS) >= now
    }

    /// As long as a call can count at most.
    pub(super) const fn longest(self) -> Duration {
        Duration::from_millis(self.segment_ms.saturating_mul(SEGMENTS + 1))
    }

    /// How long until one of `calls` is free again.
    pub(super) fn until_free(self, counter: &Counter, calls: u64, now: Timestamp) -> Duration {
        let free = counter.free_at(calls).saturating_mul(self.segment_ms);
        Timestamp::from_millis(free).since(now)
    }
}

/// The calls of one key that still count: how many in which segment, oldest first.
#[derive(Debug, Default)]
pub(super) struct Counter {
    segments: VecDeque<(u64, u64)>,
    made: u64,
}

impl Counter {
    /// How many calls count.
    pub(super) const fn made(&self) -> u64 {
        self.made
    }

    /// Counts one call; `segment` is not before the newest one.
    pub(super) fn add(&mut self, segment: u64) {
        self.put(segment, 1);
        self.made = self.made.saturating_add(1);
    }

    /// Lets go of what has left the window. A clock that was set back gives nothing free: calls that lie ahead of it count
    /// as made now.
    pub(super) fn forget(&mut self, now: u64) {
        let mut ahead = 0_u64;
        while let Some((_, calls)) = self.segments.pop_back_if(|(segment, _)| *segment > now) {
            ahead = ahead.saturating_add(calls);
        }
        if ahead > 0 {
            self.put(now, ahead);
        }
        while let Some((_, calls)) = self.segments.pop_front_if(|(at, _)| at.saturating_add(SEGMENTS) < now) {
            self.made = self.made.saturating_sub(calls);
        }
    }

    /// The segment in which fewer than `calls` count, if none is made meanwhile.
    fn free_at(&self, calls: u64) -> u64 {
        let mut left = self.made;
        for (segment, made) in &self.segments {
            left = left.saturating_sub(*made);
            if left < calls {
                return segment.saturating_add(SEGMENTS + 1);
            }
        }
        0
    }

    fn put(&mut self, segment: u64, calls: u64) {
        match self.segments.back_mut() {
            Some((newest, made)) if *newest >= segment => *made = made.saturating_add(calls),
            _ => self.segments.push_back((segment, calls)),
        }
    }
}
