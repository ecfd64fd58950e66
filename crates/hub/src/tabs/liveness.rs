//! Time in tabs: pings, silence, the end of sessions. The hub owns every deadline (webmcp reference 2.1).

use super::{Tab, Tabs};
use deputy_core::{Reason, Timestamp};
use deputy_protocol::tab::{CloseCode, HubFrame};
use std::sync::Arc;
use std::time::Duration;

/// A tab silent for longer than this is asked before it gets a call (P7).
const SILENT: Duration = Duration::from_secs(20);
/// How long the answer may take (P7).
const PROBE: Duration = Duration::from_secs(2);

impl Tabs {
    /// Looks after all tabs until the hub stops: one loop for all, so that an idle tab costs no timer.
    pub async fn keep_alive(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_millis(500));
        loop {
            every.tick().await;
            let now = self.clock.now();
            for tab in self.all() {
                self.look_after(&tab, now);
            }
            self.forget_idle(now);
        }
    }

    pub(crate) fn look_after(&self, tab: &Arc<Tab>, now: Timestamp) {
        if tab.session_expires_at() <= now {
            self.end(tab, Reason::SessionEnded);
            tab.close(CloseCode::AuthFailed, "the session has ended");
        } else if self.silence(tab) >= Duration::from_millis(self.heartbeat.dead_ms) {
            self.end(tab, Reason::TabGone);
            tab.close(CloseCode::Leaving, "nothing was heard for too long");
        } else {
            tab.ping_if_due(self.clock.elapsed(), Duration::from_millis(self.heartbeat.interval_ms));
        }
    }

    /// Whether the tab is awake: heard lately, or answers a ping (P7). A frozen page keeps its socket and loses frames.
    pub(crate) async fn is_awake(&self, tab: &Tab) -> bool {
        if self.silence(tab) <= SILENT {
            return true;
        }
        let mut hearing = tab.hearing();
        hearing.mark_unchanged();
        tab.send(&format!("probe_{}", self.clock.elapsed().as_millis()), HubFrame::Ping)
            && tokio::time::timeout(PROBE, hearing.changed()).await.is_ok_and(|heard| heard.is_ok())
    }

    /// How long nothing was heard. Not by the time of day: a clock that is set changes nothing about who is awake.
    fn silence(&self, tab: &Tab) -> Duration {
        self.clock.elapsed().saturating_sub(tab.last_heard())
    }
}
