//! A call that is in a tab now.

use deputy_protocol::tab::{HubFrame, TabFrame, ToolResult};
use tokio::sync::mpsc;

/// What a tab says about a call, or what its silence means.
#[derive(Debug, Clone, PartialEq)]
pub enum TabEvent {
    /// It is there.
    Accepted,
    /// The tool is about to run.
    Started,
    /// It moves.
    Progress {
        /// How far.
        progress: f64,
        /// Of how much.
        total: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// It answered.
    Result(ToolResult),
    /// It did not run, or failed.
    Error {
        /// A reason code, or `tool_failed`.
        code: String,
        /// In words.
        message: String,
    },
    /// Its signal was aborted.
    Cancelled,
    /// The tab is gone.
    Lost,
}

/// The hub's memory of one call in a tab: exactly one end (P10).
pub struct InFlight {
    frame: HubFrame,
    events: mpsc::UnboundedSender<TabEvent>,
    started: bool,
    ended: bool,
}

impl InFlight {
    pub(crate) fn new(frame: HubFrame) -> (Self, mpsc::UnboundedReceiver<TabEvent>) {
        // Unbounded here is bounded elsewhere: a socket brings at most 50 frames a second (P18).
        let (events, receiver) = mpsc::unbounded_channel();
        (Self { frame, events, started: false, ended: false }, receiver)
    }

    /// From now on this is what a tab that comes back is told of the call.
    pub(crate) fn cancel(&mut self, frame: HubFrame) {
        self.frame = frame;
    }

    pub(crate) const fn frame(&self) -> &HubFrame {
        &self.frame
    }

    /// Takes a frame in; `false` if it comes after the end or out of order (P16).
    pub(crate) fn take_in(&mut self, frame: TabFrame) -> bool {
        if self.ended {
            return false;
        }
        let event = match frame {
            TabFrame::Accepted => TabEvent::Accepted,
            // A repeated call is answered with what was said of it before (P13): `started` may come twice.
            TabFrame::Started => {
                self.started = true;
                TabEvent::Started
            }
            TabFrame::Progress { progress, total, message } if self.started => {
                TabEvent::Progress { progress, total, message }
            }
            TabFrame::Result(result) if self.started => TabEvent::Result(result),
            TabFrame::Error { code, message } => TabEvent::Error { code, message },
            TabFrame::Cancelled => TabEvent::Cancelled,
            _ => return false,
        };
        self.ended = matches!(event, TabEvent::Result(_) | TabEvent::Error { .. } | TabEvent::Cancelled);
        self.events.send(event).is_ok()
    }

    pub(crate) fn lose(self) {
        let _ = self.events.send(TabEvent::Lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> TabFrame {
        TabFrame::Result(ToolResult::Text { text: "x".to_owned() })
    }

    #[test]
    fn p10_a_call_ends_exactly_once_and_p16_what_comes_later_is_dropped() {
        let (mut call, mut events) = InFlight::new(HubFrame::Ping);
        assert!(!call.take_in(result()), "a result before `started` is out of order");
        assert!(call.take_in(TabFrame::Accepted));
        assert!(call.take_in(TabFrame::Started));
        assert!(call.take_in(result()));
        assert!(!call.take_in(result()), "a second result");
        assert!(!call.take_in(TabFrame::Cancelled), "a cancel after the end");
        let seen: Vec<TabEvent> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert_eq!(seen.len(), 3);
        assert!(matches!(seen.last(), Some(TabEvent::Result(_))));
    }
}
