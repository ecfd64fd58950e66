//! The session lane: in the user's live tab, with the tab's own cookies.

use super::{Performed, answer};
use crate::assertion::Assertions;
use crate::corridor::MAXIMUM_TIMEOUT;
use crate::events::{CallEvent, Refused};
use crate::intent::Ready;
use crate::ports::Clock;
use crate::tabs::{Offer, Tab, TabEvent, Tabs};
use deputy_core::{Call, Facts as _, Outcome, Reason};
use deputy_protocol::tab::{CallFrame, HubFrame, ToolReference};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

/// After a cancel the call is free within this time, whatever the tab does (P11).
const CANCEL_WITHIN: Duration = Duration::from_millis(600);
/// A running call that says nothing for this long has timed out; progress starts it anew (P12).
const IDLE: Duration = Duration::from_secs(60);

/// Performs calls in tabs.
pub struct SessionLane {
    tabs: Arc<Tabs>,
    assertions: Arc<Assertions>,
    clock: Arc<dyn Clock>,
}

/// Asked right before the effect: does the right still hold?
pub(crate) type Still<'a> = &'a (dyn Fn() -> Result<(), Refused> + Send + Sync);

/// How a call left the loop that listens to its tab.
enum End {
    Said(TabEvent),
    Cancelled,
    TimedOut,
}

impl SessionLane {
    /// What the log calls it.
    pub const NAME: &'static str = "session";

    /// Over these tabs.
    #[must_use]
    pub const fn new(tabs: Arc<Tabs>, assertions: Arc<Assertions>, clock: Arc<dyn Clock>) -> Self {
        Self { tabs, assertions, clock }
    }

    /// Runs the call in its tab. `progress` gets its steps; the corridor lets them out.
    pub(crate) async fn perform(
        &self,
        ready: &Ready,
        progress: mpsc::Sender<CallEvent>,
        cancel: &CancellationToken,
        still: Still<'_>,
    ) -> Performed {
        let call = ready.call();
        let (tab, offer) = match self.place(ready) {
            Ok(found) => found,
            Err(refused) => return not_started(refused),
        };
        let remaining = self.remaining(call);
        let prepared = async {
            if !self.tabs.is_awake(&tab).await {
                return Err(Refused::because(
                    Reason::TabGone,
                    "it does not answer; it may be asleep in the background",
                ));
            }
            self.slot(&tab, &offer).await
        };
        let permits = tokio::select! {
            biased;
            () = cancel.cancelled() => return not_started(Refused::because(Reason::NotStarted, "it was cancelled")),
            prepared = tokio::time::timeout(remaining, prepared) => match prepared {
                Ok(Ok(permits)) => permits,
                Ok(Err(refused)) => return not_started(refused),
                Err(_) => return not_started(Refused::because(Reason::Busy, "it waited until its deadline")),
            },
        };
        // A right that ended while the call waited for its place is no right.
        if let Err(refused) = still() {
            return not_started(refused);
        }
        let performed = self.run(ready, &tab, &offer, progress, cancel).await;
        drop(permits);
        performed
    }

    /// Until the deadline; never longer than any call may take, whatever the clock was set to since (P12).
    fn remaining(&self, call: &Call) -> Duration {
        call.deadline.since(self.clock.now()).min(MAXIMUM_TIMEOUT)
    }

    /// The tab, still there, still this user's, still with exactly the definition that was decided on.
    fn place(&self, ready: &Ready) -> Result<(Arc<Tab>, Offer), Refused> {
        let call = ready.call();
        let user = ready.caller().user();
        let gone = || Refused::new(self.tabs.ended(user, &call.tool.source).unwrap_or(Reason::TabGone));
        let tabs = self.tabs.of(user);
        let tab = tabs.into_iter().find(|tab| call.tab.as_ref() == Some(&tab.document)).ok_or_else(gone)?;
        if tab.session_expires_at() <= self.clock.now() {
            return Err(Refused::new(Reason::SessionEnded));
        }
        let name = &call.tool.definition.name;
        let offer = tab.offer(|offer| offer.definition.name == *name);
        match offer {
            Some(offer) if offer.hash == call.tool.hash => Ok((tab, offer)),
            Some(_) => Err(Refused::new(Reason::ToolChanged)),
            None if tab.told_of(name) => Err(Refused::new(Reason::ToolChanged)),
            None => Err(Refused::new(Reason::ToolUnknown)),
        }
    }

    /// A place in the tab: 32 at once, one per form, 64 waiting, then `busy` (P14).
    async fn slot(&self, tab: &Tab, offer: &Offer) -> Result<Vec<OwnedSemaphorePermit>, Refused> {
        let _place = Waiting::enter(&tab.waiting, self.tabs.limits().queue)?;
        let mut permits = Vec::with_capacity(2);
        for semaphore in tab.form(offer).into_iter().chain([Arc::clone(&tab.slots)]) {
            permits.push(semaphore.acquire_owned().await.map_err(|_| Refused::new(Reason::TabGone))?);
        }
        Ok(permits)
    }

    async fn run(
        &self,
        ready: &Ready,
        tab: &Arc<Tab>,
        offer: &Offer,
        progress: mpsc::Sender<CallEvent>,
        cancel: &CancellationToken,
    ) -> Performed {
        let call = ready.call();
        let Ok(frame) = self.frame(ready, call) else {
            return not_started(Refused::new(Reason::Internal));
        };
        let mut events = match tab.begin(call, frame, self.clock.now()) {
            Ok(events) => events,
            Err(reason) => return not_started(Refused::new(reason)),
        };
        let mut started = false;
        let end = self.listen(call, &mut events, &mut started, progress, cancel).await;
        let performed = match end {
            End::Said(event) => said(event, started, call, offer),
            End::Cancelled => self.stop(tab, call, &mut events, &mut started, Reason::NotStarted).await,
            End::TimedOut => self.stop(tab, call, &mut events, &mut started, Reason::UpstreamTimeout).await,
        };
        tab.forget(&call.id);
        if let Err(Refused { reason: reason @ (Reason::SessionChanged | Reason::SessionEnded), .. }) =
            &performed.answer
        {
            // The tab says goodbye too; the hub does not wait for it.
            self.tabs.end(tab, *reason);
        }
        performed
    }

    async fn listen(
        &self,
        call: &Call,
        events: &mut mpsc::UnboundedReceiver<TabEvent>,
        started: &mut bool,
        progress: mpsc::Sender<CallEvent>,
        cancel: &CancellationToken,
    ) -> End {
        let hard = tokio::time::sleep(self.remaining(call));
        tokio::pin!(hard);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return End::Cancelled,
                () = &mut hard => return End::TimedOut,
                () = tokio::time::sleep(IDLE) => return End::TimedOut,
                event = events.recv() => match event {
                    Some(TabEvent::Accepted) => {}
                    Some(TabEvent::Started) => *started = true,
                    Some(TabEvent::Progress { progress: done, total, message }) => {
                        let message = message.as_deref().map(answer::shown);
                        let _ = progress.try_send(CallEvent::Progress { progress: done, total, message });
                    }
                    Some(event) => return End::Said(event),
                    None => return End::Said(TabEvent::Lost),
                },
            }
        }
    }

    /// Tells the tab to stop and frees the call within a second; its code may still run (P11).
    async fn stop(
        &self,
        tab: &Tab,
        call: &Call,
        events: &mut mpsc::UnboundedReceiver<TabEvent>,
        started: &mut bool,
        why: Reason,
    ) -> Performed {
        tab.cancel(&call.id, why);
        // Only the tab's own word confirms that nothing ran; a lost socket says nothing.
        let last = async {
            while let Some(event) = events.recv().await {
                match event {
                    TabEvent::Started => *started = true,
                    TabEvent::Accepted | TabEvent::Progress { .. } => {}
                    TabEvent::Cancelled | TabEvent::Error { .. } => return true,
                    TabEvent::Result(_) | TabEvent::Lost => return false,
                }
            }
            false
        };
        let confirmed = tokio::time::timeout(CANCEL_WITHIN, last).await == Ok(true);
        if !*started && confirmed {
            return not_started(Refused::because(Reason::NotStarted, "it was stopped before it ran"));
        }
        let (outcome, reason) = match why {
            Reason::UpstreamTimeout => (Outcome::Unknown, Reason::UpstreamTimeout),
            _ => (Outcome::Cancelled, Reason::OutcomeUnknown),
        };
        Performed { outcome, answer: Err(Refused::because(reason, "it was stopped; its code may still run")) }
    }

    fn frame(&self, ready: &Ready, call: &Call) -> Result<HubFrame, Reason> {
        let caller = ready.caller();
        let now = self.clock.now();
        Ok(HubFrame::Call(Box::new(CallFrame {
            tool: ToolReference { name: call.tool.definition.name.clone(), hash: call.tool.hash },
            arguments: call.arguments.raw().to_owned(),
            timeout_ms: u64::try_from(self.remaining(call).as_millis()).unwrap_or(u64::MAX),
            agent: caller.agent().clone(),
            client: caller.client().0.clone(),
            class: call.tool.class.words(),
            assertion: self.assertions.about(caller, call, now)?,
        })))
    }
}

/// A place in a tab's queue, given back on drop.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Result<Self, Refused> {
        let place = Self(waiting);
        // Counted before it is compared, so that two cannot take the last place.
        if waiting.fetch_add(1, Ordering::AcqRel) >= most {
            Err(Refused::new(Reason::Busy))
        } else {
            Ok(place)
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

const fn not_started(refused: Refused) -> Performed {
    Performed { outcome: Outcome::NotStarted, answer: Err(refused) }
}

/// The reasons that a tab may give (`docs/reference/tab-protocol.md`). Any other word is its own fault, not policy's.
fn sayable(code: &str) -> Reason {
    match Reason::from_code(code) {
        Some(
            reason @ (Reason::SessionChanged
            | Reason::SessionEnded
            | Reason::ToolChanged
            | Reason::ToolUnknown
            | Reason::Busy
            | Reason::TooLarge
            | Reason::NotStarted
            | Reason::UpstreamTimeout
            | Reason::OutcomeUnknown),
        ) => reason,
        _ => Reason::Internal,
    }
}

/// What a tab's last word means (P13).
fn said(event: TabEvent, started: bool, call: &Call, offer: &Offer) -> Performed {
    match event {
        TabEvent::Result(result) => {
            let answer = answer::from_tab(result, offer.output.as_deref(), call);
            let outcome = if answer.is_error { Outcome::Failed } else { Outcome::Succeeded };
            Performed { outcome, answer: Ok(answer) }
        }
        TabEvent::Error { code, message } if code == "tool_failed" => {
            Performed { outcome: Outcome::Failed, answer: Ok(answer::failed(&message, call)) }
        }
        TabEvent::Error { code, message } => {
            let reason = sayable(&code);
            let outcome = match reason {
                Reason::OutcomeUnknown => Outcome::Unknown,
                _ if started => Outcome::Failed,
                _ => Outcome::NotStarted,
            };
            Performed { outcome, answer: Err(Refused::because(reason, answer::quoted(&message))) }
        }
        TabEvent::Cancelled if !started => not_started(Refused::new(Reason::NotStarted)),
        TabEvent::Cancelled => {
            Performed { outcome: Outcome::Cancelled, answer: Err(Refused::new(Reason::OutcomeUnknown)) }
        }
        // The call was sent, and `started` may have been lost with the socket: of a risky one nobody can say that it did
        // not run. A read may be made again anyway.
        _ if started || call.tool.class.is_risky() => {
            Performed { outcome: Outcome::Unknown, answer: Err(Refused::new(Reason::OutcomeUnknown)) }
        }
        _ => not_started(Refused::because(Reason::NotStarted, "the tab went away")),
    }
}
