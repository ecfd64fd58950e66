//! Time in tabs: pings, silence, the end of sessions. The hub owns every deadline (webmcp reference 2.1).

use super::{Tab, Tabs};
use deputy_core::Reason;
use deputy_protocol::tab::{CloseCode, HubFrame};
use std::sync::Arc;
use std::time::Duration;

/// A tab silent for longer than this is asked before it gets a call (P7).
const SILENT: Duration = Duration::from_secs(20);
/// How long the answer may take (P7).
const PROBE: Duration = Duration::from_secs(2);

/// How often it is looked which tabs are due.
const TICK: Duration = Duration::from_millis(500);
/// In so many ticks once it is looked which users have left for good.
const TICKS_PER_SWEEP: u32 = 10;
/// The machine's clock was set if it moved by so many milliseconds more or less than time has passed.
const SET_MS: u64 = 250;

impl Tabs {
    /// Looks after all tabs until the hub stops: one loop for all, so that an idle tab costs no timer, and only at those
    /// with which something is due, so that many cost no more than their pings.
    pub async fn keep_alive(self: Arc<Self>) {
        let mut every = tokio::time::interval(TICK);
        let (mut ticks, mut lead) = (0_u32, self.lead());
        loop {
            every.tick().await;
            let now_leads = self.lead();
            let was_set = now_leads.abs_diff(lead) > SET_MS;
            let tabs = if was_set {
                // Every session ends sooner or later than was thought.
                lead = now_leads;
                self.all()
            } else {
                self.agenda.take(self.clock.elapsed())
            };
            for tab in tabs {
                self.look_after(&tab);
            }
            ticks = ticks.wrapping_add(1);
            if was_set || ticks.is_multiple_of(TICKS_PER_SWEEP) {
                self.forget_idle(self.clock.now());
            }
        }
    }

    /// By how many milliseconds the date is ahead of the clock that nobody sets: always as much, unless the date is set.
    fn lead(&self) -> u64 {
        let elapsed = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.clock.now().millis().wrapping_sub(elapsed)
    }

    /// Does what is due with a tab, and notes when something is due again.
    pub(crate) fn look_after(&self, tab: &Arc<Tab>) {
        if tab.has_ended() {
            return;
        }
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let (interval, dead) = (
            Duration::from_millis(self.heartbeat.interval_ms),
            Duration::from_millis(self.heartbeat.dead_ms),
        );
        if tab.session_expires_at() <= now {
            self.end(tab, Reason::SessionEnded);
            tab.close(CloseCode::AuthFailed, "the session has ended");
        } else if self.silence(tab) >= dead {
            self.end(tab, Reason::TabGone);
            tab.close(CloseCode::Leaving, "nothing was heard for too long");
        } else {
            let pinged = tab.ping_if_due(elapsed, interval);
            let session = elapsed.saturating_add(tab.session_expires_at().since(now));
            // Never sooner than at the next tick; a tab without a socket is not pinged, and is gone soon.
            let due = (pinged + interval).min(tab.last_heard() + dead).min(session);
            self.agenda.put(tab, due.max(elapsed.saturating_add(TICK)));
        }
    }

    /// Whether the tab is awake: heard lately, or answers a ping (P7). A frozen page keeps its socket and loses frames.
    pub(crate) async fn is_awake(&self, tab: &Tab) -> bool {
        if self.silence(tab) <= SILENT {
            return true;
        }
        let hearing = tab.hearing();
        tab.send(&format!("probe_{}", self.clock.elapsed().as_millis()), HubFrame::Ping)
            && tokio::time::timeout(PROBE, hearing).await.is_ok()
    }

    /// How long nothing was heard. Not by the time of day: a clock that is set changes nothing about who is awake.
    fn silence(&self, tab: &Tab) -> Duration {
        self.clock.elapsed().saturating_sub(tab.last_heard())
    }
}
