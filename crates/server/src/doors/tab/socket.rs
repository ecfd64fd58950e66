//! A tab's WebSocket, whose buffers do not stay as large as its largest frame.

use super::exact::Exact;
use super::guarded::Guarded;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What an idle tab's buffer for reading may have.
const BUFFER: usize = 1024;
/// After a frame longer than this the buffer is given back.
const LARGE: usize = 4096;

type Stream = WebSocketStream<Exact<Guarded<TokioIo<Upgraded>>>>;

/// The socket. There is none only after [`Socket::shrink`] was stopped in its midst.
pub(super) struct Socket {
    stream: Option<Stream>,
    frame_bytes: usize,
}

impl Socket {
    /// Over an upgraded connection. The switch is to be set once the tab is welcomed.
    pub(super) async fn new(upgraded: Upgraded, frame_bytes: usize) -> (Self, Arc<AtomicBool>) {
        let (io, welcomed) = Guarded::new(TokioIo::new(upgraded));
        let stream = open(Exact::new(io), frame_bytes).await;
        (Self { stream: Some(stream), frame_bytes }, welcomed)
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Message, Error>> {
        self.stream.as_mut()?.next().await
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: Message) -> Result<(), Error> {
        match &mut self.stream {
            Some(stream) => stream.send(message).await,
            None => Err(Error::ConnectionClosed),
        }
    }

    /// Says why it ends.
    pub(super) async fn close(&mut self, frame: CloseFrame) -> Result<(), Error> {
        match &mut self.stream {
            Some(stream) => stream.close(Some(frame)).await,
            None => Err(Error::ConnectionClosed),
        }
    }

    /// Whether a message of this length left a buffer behind that an idle tab should not have.
    pub(super) const fn is_too_large_after(&self, length: usize) -> bool {
        length > LARGE
    }

    /// Gives the buffers back that a large message needed. To be called right after that message was read.
    pub(super) async fn shrink(&mut self) -> Result<(), Error> {
        let Some(mut stream) = self.stream.take() else { return Err(Error::ConnectionClosed) };
        // INVARIANT: nothing is lost. What is still to be written goes out here; what was read is one whole message,
        // since `Exact` gives no byte of the next.
        stream.flush().await?;
        self.stream = Some(open(stream.into_inner(), self.frame_bytes).await);
        Ok(())
    }
}

async fn open(io: Exact<Guarded<TokioIo<Upgraded>>>, frame_bytes: usize) -> Stream {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(frame_bytes))
        .max_frame_size(Some(frame_bytes));
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
}
