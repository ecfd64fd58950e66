//! Invariant 4: a lane takes nothing less than `Ready`.
use deputy_hub::lanes::SessionLane;
use deputy_hub::{CallEvent, Intent};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

async fn skip(lane: &SessionLane, intent: &Intent, progress: Sender<CallEvent>, cancel: &CancellationToken) {
    lane.perform(intent, progress, cancel).await;
}

fn main() {}
