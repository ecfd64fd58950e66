//! One socket of a tab after `welcome`: what it says, and how it ends.

use super::tab::{Tab, read_offers};
use super::{Tabs, Unwelcome};
use crate::pins::Moment;
use deputy_core::{Definition, EventKind, Reason};
use deputy_protocol::tab::{ByeReason, CloseCode, HubFrame, TabFrame, Welcome};
use std::sync::Arc;
use std::time::Duration;

/// A tab's socket after `welcome`. Frames and the end of the socket go through it.
pub struct Attached {
    pub(super) tab: Arc<Tab>,
    pub(super) generation: u64,
    pub(super) tabs: Arc<Tabs>,
}

impl Attached {
    /// Takes in one frame.
    ///
    /// # Errors
    /// How to close: the tab said goodbye, a newer socket took over, or the frame does not belong here.
    pub async fn frame(&self, id: &str, frame: TabFrame) -> Result<(), Unwelcome> {
        if !self.tab.is_current(self.generation) {
            // Superseded or over: what it says does not count any more.
            return Err(Unwelcome { code: CloseCode::Superseded, reason: "this socket is over" });
        }
        self.tab.heard(self.tabs.clock.elapsed());
        match frame {
            TabFrame::Hello(_) => {
                return Err(Unwelcome { code: CloseCode::BadFrame, reason: "a second hello" });
            }
            // Boxed: every idle socket keeps room for what its frames may wait for.
            TabFrame::Tools { tools, refused } => Box::pin(self.offer(tools, refused)).await,
            TabFrame::Focus { focused } => {
                if focused {
                    self.tab.focus(self.tabs.clock.now());
                }
            }
            TabFrame::Bye { reason } => {
                self.tabs.end(&self.tab, reason_of(reason));
                let code = if reason == ByeReason::Frozen { CloseCode::Frozen } else { CloseCode::Normal };
                return Err(Unwelcome { code, reason: "goodbye" });
            }
            TabFrame::Pong | TabFrame::Unknown => {}
            other => self.tab.take_in(id, other),
        }
        Ok(())
    }

    /// The socket is gone. Its calls fail within a second, the tab is unlisted after two (P24): reload and close look
    /// alike, and a reload may come back.
    pub fn lost(&self) {
        if !self.tab.detach(self.generation) {
            return;
        }
        let (tab, tabs, generation) = (Arc::clone(&self.tab), Arc::clone(&self.tabs), self.generation);
        self.tabs.supervisor.start(async move {
            tokio::time::sleep(Duration::from_millis(900)).await;
            if tab.is_detached(generation) {
                tab.fail_calls();
                tokio::time::sleep(Duration::from_millis(1000)).await;
            }
            if tab.is_detached(generation) {
                tabs.end(&tab, Reason::TabGone);
            }
        });
    }

    /// The tab behind the socket.
    #[must_use]
    pub const fn tab(&self) -> &Arc<Tab> {
        &self.tab
    }

    /// The first frame to send.
    #[must_use]
    pub fn welcome(welcome: Welcome) -> HubFrame {
        HubFrame::Welcome(Box::new(welcome))
    }

    /// New tools count once their line is on disk, and are offered if their definitions count (P26, P27).
    async fn offer(&self, definitions: Vec<Definition>, mut refused: Vec<String>) {
        let (tabs, tab) = (&self.tabs, &self.tab);
        let _alone = tab.sorting.lock().await;
        let (offers, more) = read_offers(tab, &tabs.interned, definitions);
        refused.extend(more);
        if refused.is_empty() && tab.has_registered(&offers) {
            return;
        }
        let pins: Vec<String> = offers.iter().map(|o| format!("{} {}", o.definition.name, o.hash)).collect();
        let mut event = tabs.event(EventKind::ToolsChanged, tab).with_detail("tools", pins);
        if !refused.is_empty() {
            // The page chose these words: they can be erased, and they are few and short.
            event = event.with_detail("refused", refused.len()).with_personal("refused", shortened(refused));
        }
        let recorded = async {
            tabs.journal.append(vec![event]).await?;
            tabs.pins.judge(tab, offers, Moment::Registered).await
        };
        let judged = match recorded.await {
            Ok(judged) => judged,
            Err(error) => {
                tracing::error!(%error, "a tab's tools are not offered: their lines and pins cannot be written");
                tab.close(CloseCode::Restart, "the audit log cannot be written");
                return;
            }
        };
        // A newer socket may have spoken while the line was written (P20).
        if !tab.is_current(self.generation) {
            return;
        }
        tab.set_tools(judged);
        tabs.bump(&tab.user);
    }
}

/// At most 16 sentences of at most 200 characters.
fn shortened(sentences: Vec<String>) -> Vec<String> {
    sentences.into_iter().take(16).map(|sentence| sentence.chars().take(200).collect()).collect()
}

const fn reason_of(bye: ByeReason) -> Reason {
    match bye {
        ByeReason::SignedOut => Reason::SessionEnded,
        ByeReason::SessionChanged => Reason::SessionChanged,
        ByeReason::Frozen | ByeReason::Closed => Reason::TabGone,
    }
}
