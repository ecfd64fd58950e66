//! One socket from `hello` to its end.

use super::link::{Queued, SocketLink};
use super::socket::Socket;
use deputy_core::Origin;
use deputy_hub::Hub;
use deputy_hub::tabs::Attached;
use deputy_protocol::tab::{Close, CloseCode, Conversation, Hello, HubFrame, TabFrame};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// How long a socket may stay without saying `hello` (P2).
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer may take to read a frame.
const SAY_WITHIN: Duration = Duration::from_secs(10);
/// How long the last words may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Holds a socket until it ends. What happens at its beginning and end is boxed: a tab that is idle in between should cost
/// little. The place among the unwelcomed is given back once it is welcomed.
pub(super) async fn hold(
    hub: Arc<Hub>,
    origin: Origin,
    mut socket: Socket,
    welcomed: Arc<AtomicBool>,
    place: OwnedSemaphorePermit,
) {
    let mut conversation = Conversation::new(*hub.tabs().limits());
    let greeted =
        tokio::time::timeout(HELLO_WITHIN, Box::pin(greet(&hub, &mut socket, &mut conversation))).await;
    let hello = match greeted {
        Ok(Ok(hello)) => hello,
        Ok(Err(Some(close))) => {
            drop(place);
            return Box::pin(say_goodbye(socket, close)).await;
        }
        Ok(Err(None)) => return,
        Err(_) => {
            drop(place);
            return Box::pin(say_goodbye(socket, Close::new(CloseCode::NoHello, "no hello in 5 s"))).await;
        }
    };
    let (id, hello) = hello;
    let (link, queue) = SocketLink::new();
    let link = Arc::new(link);
    let (attached, welcome) = match Box::pin(hub.tabs().open(*hello, &origin, link.clone())).await {
        Ok(open) => open,
        Err(unwelcome) => {
            hub.count_refused("tab", "ticket_refused");
            drop(place);
            return Box::pin(say_goodbye(socket, Close::new(unwelcome.code, unwelcome.reason))).await;
        }
    };
    drop(place);
    welcomed.store(true, Ordering::Release);
    let mut talk = Talk { hub, socket, conversation, attached };
    let close = match talk.say(&id, &Attached::welcome(welcome)).await {
        Some(()) => {
            talk.attached.tab().repeat_calls();
            talk.go_on(queue, &link).await
        }
        None => None,
    };
    talk.attached.lost();
    if let Some(close) = close {
        Box::pin(say_goodbye(talk.socket, close)).await;
    }
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
    async fn go_on(&mut self, mut queue: mpsc::Receiver<Queued>, link: &SocketLink) -> Option<Close> {
        let stopping = self.hub.supervisor().stopping().clone();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Some(Close::new(CloseCode::Restart, "the hub restarts")),
                (code, reason) = link.closed() => {
                    self.cancel_what_waits(&mut queue).await?;
                    return Some(Close::new(code, &reason));
                }
                frame = queue.recv() => match frame {
                    Some(queued) => self.say(&queued.0, &queued.1).await?,
                    None => return Some(Close::new(CloseCode::Leaving, "the hub let go")),
                },
                read = read(&mut self.socket, &mut self.conversation, &self.hub) => match read {
                    Read::Frame(id, frame, length) => {
                        tokio::time::timeout(SAY_WITHIN, self.socket.shrink(length)).await.ok()?.ok()?;
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

    /// A socket that the hub closes still says which calls are to be stopped.
    async fn cancel_what_waits(&mut self, queue: &mut mpsc::Receiver<Queued>) -> Option<()> {
        while let Ok(queued) = queue.try_recv() {
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
