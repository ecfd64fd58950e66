//! A connection that gives only so much before it is welcomed (P3): nobody unknown can make the hub buffer more.

use deputy_protocol::tab::HELLO_BYTES;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `hello`, its frame headers, and some control frames.
const BEFORE_WELCOME: usize = HELLO_BYTES + 1024;

/// Counts what comes in until the switch is set.
pub(super) struct Guarded<T> {
    io: T,
    read: usize,
    welcomed: Arc<AtomicBool>,
}

impl<T> Guarded<T> {
    pub(super) fn new(io: T) -> (Self, Arc<AtomicBool>) {
        let welcomed = Arc::new(AtomicBool::new(false));
        (Self { io, read: 0, welcomed: Arc::clone(&welcomed) }, welcomed)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if !self.welcomed.load(Ordering::Acquire) {
            self.read += buffer.filled().len().saturating_sub(before);
            if self.read > BEFORE_WELCOME {
                // A reader that fails has read nothing (the contract of `AsyncRead`).
                buffer.set_filled(before);
                return Poll::Ready(Err(io::Error::other("more than `hello` before `welcome`")));
            }
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn p3_a_stranger_gives_no_more_than_a_hello_and_a_guest_as_much_as_it_likes() {
        let many = vec![7_u8; 3 * BEFORE_WELCOME];
        let (mut stranger, _) = Guarded::new(many.as_slice());
        assert!(stranger.read_to_end(&mut Vec::new()).await.is_err());
        let (mut guest, welcomed) = Guarded::new(many.as_slice());
        welcomed.store(true, Ordering::Release);
        assert_eq!(guest.read_to_end(&mut Vec::new()).await.expect("read"), many.len());
    }
}
