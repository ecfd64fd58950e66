//! One socket from `hello` to its end.

use super::link::{Next, Queue, SocketLink};
use super::socket::Socket;
use deputy_core::Origin;
use deputy_hub::Hub;
use deputy_hub::tabs::Attached;
use deputy_protocol::tab::{Close, CloseCode, Conversation, Hello, HubFrame, TabFrame};
use hyper::upgrade::Upgraded;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// How long a socket may stay without saying `hello` (P2).
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer may take to read a frame.
const SAY_WITHIN: Duration = Duration::from_secs(10);
/// How long the last words may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Holds a socket until it ends. Whatever is not there while a tab is idle is boxed, and so is what stays: an async function
/// keeps room for its arguments twice, and for the largest of what it ever waits for.
pub(super) async fn hold(hub: Arc<Hub>, origin: Origin, upgraded: Upgraded, place: OwnedSemaphorePermit) {
    let Some((mut talk, queue)) = Box::pin(welcome(hub, origin, upgraded, place)).await else { return };
    let close = talk.go_on(queue).await;
    Box::pin(talk.end(close)).await;
}

/// From the first byte to `welcome`. The place among the unwelcomed is given back once it is through.
async fn welcome(
    hub: Arc<Hub>,
    origin: Origin,
    upgraded: Upgraded,
    place: OwnedSemaphorePermit,
) -> Option<(Box<Talk>, Queue)> {
    let (mut socket, welcomed) = Socket::new(upgraded, hub.tabs().limits().frame_bytes).await;
    let mut conversation = Conversation::new(*hub.tabs().limits());
    let greeted = tokio::time::timeout(HELLO_WITHIN, greet(&hub, &mut socket, &mut conversation)).await;
    let refused = match greeted {
        Ok(Ok((id, hello))) => {
            let (link, queue) = SocketLink::new();
            match hub.tabs().open(*hello, &origin, link).await {
                Ok((attached, welcome)) => {
                    drop(place);
                    welcomed.store(true, Ordering::Release);
                    let mut talk = Box::new(Talk { hub, socket, conversation, attached });
                    if talk.say(&id, &Attached::welcome(welcome)).await.is_none() {
                        talk.attached.lost();
                        return None;
                    }
                    talk.attached.tab().repeat_calls();
                    return Some((talk, queue));
                }
                Err(unwelcome) => {
                    hub.count_refused("tab", "ticket_refused");
                    Close::new(unwelcome.code, unwelcome.reason)
                }
            }
        }
        Ok(Err(Some(close))) => close,
        Ok(Err(None)) => return None,
        Err(_) => Close::new(CloseCode::NoHello, "no hello in 5 s"),
    };
    drop(place);
    say_goodbye(socket, refused).await;
    None
}

/// Reads the one frame that may come from a stranger.
async fn greet(
    hub: &Hub,
    socket: &mut Socket,
    conversation: &mut Conversation,
) -> Result<(String, Box<Hello>), Option<Close>> {
    loop {
        match read(socket, conversation, hub).await {
            Read::Frame(id, TabFrame::Hello(hello), _) => return Ok((id, hello)),
            Read::Frame(..) => {
                return Err(Some(Close::new(CloseCode::BadFrame, "the first frame has to be `hello`")));
            }
            Read::Nothing => {}
            Read::Bad(close) => return Err(Some(close)),
            Read::Gone => return Err(None),
        }
    }
}

enum Read {
    /// Its id, itself, and how long it was.
    Frame(String, TabFrame, usize),
    Nothing,
    Bad(Close),
    Gone,
}

async fn read(socket: &mut Socket, conversation: &mut Conversation, hub: &Hub) -> Read {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => match conversation.read(text.as_str(), hub.steady()) {
            Ok((id, frame)) => Read::Frame(id, frame, text.len()),
            Err(close) => Read::Bad(close),
        },
        Some(Ok(Message::Binary(_))) => {
            Read::Bad(Close::new(CloseCode::BadFrame, "binary frames are not read"))
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Read::Nothing,
        Some(Err(tokio_tungstenite::tungstenite::Error::Capacity(_))) => {
            Read::Bad(Close::new(CloseCode::TooBig, "the frame is too big"))
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Read::Gone,
    }
}

struct Talk {
    hub: Arc<Hub>,
    socket: Socket,
    conversation: Conversation,
    attached: Attached,
}

impl Talk {
    /// Until somebody ends it. The result is what is still to be said.
    async fn go_on(&mut self, queue: Queue) -> Option<Close> {
        let stopping = self.hub.supervisor().stopping().clone();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Some(Close::new(CloseCode::Restart, "the hub restarts")),
                next = queue.next() => match next {
                    Next::Say(queued) => self.say(&queued.0, &queued.1).await?,
                    Next::Close(code, reason) => {
                        Box::pin(self.cancel_what_waits(&queue)).await?;
                        return Some(Close::new(code, &reason));
                    }
                },
                read = read(&mut self.socket, &mut self.conversation, &self.hub) => match read {
                    Read::Frame(id, frame, length) => {
                        if self.socket.is_too_large_after(length) {
                            let shrink = Box::pin(self.socket.shrink());
                            tokio::time::timeout(SAY_WITHIN, shrink).await.ok()?.ok()?;
                        }
                        if let Err(unwelcome) = self.attached.frame(&id, frame).await {
                            return Some(Close::new(unwelcome.code, unwelcome.reason));
                        }
                    }
                    Read::Nothing => {}
                    Read::Bad(close) => return Some(close),
                    Read::Gone => return None,
                },
            }
        }
    }

    /// The socket is over; this is what is still to be said.
    async fn end(self: Box<Self>, close: Option<Close>) {
        self.attached.lost();
        if let Some(close) = close {
            say_goodbye(self.socket, close).await;
        }
    }

    /// A socket that the hub closes still says which calls are to be stopped.
    async fn cancel_what_waits(&mut self, queue: &Queue) -> Option<()> {
        while let Some(queued) = queue.pop() {
            if matches!(queued.1, HubFrame::Cancel { .. }) {
                self.say(&queued.0, &queued.1).await?;
            }
        }
        Some(())
    }

    async fn say(&mut self, id: &str, frame: &HubFrame) -> Option<()> {
        let text = self.conversation.write(frame, id).ok()?;
        // A peer that stops reading holds nothing up for long.
        tokio::time::timeout(SAY_WITHIN, self.socket.send(Message::text(text))).await.ok()?.ok()
    }
}

async fn say_goodbye(mut socket: Socket, close: Close) {
    tracing::info!(code = close.code.number(), reason = close.reason, "a tab's socket is closed");
    let frame = CloseFrame { code: close.code.number().into(), reason: close.reason.into() };
    let last = async {
        let _ = socket.close(frame).await;
        // The other side's close frame, so that it does not see an abnormal end.
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = tokio::time::timeout(CLOSE_WITHIN, last).await;
}
