//! A connection that is read frame by frame: no read takes a byte of the next frame.
//!
//! So the WebSocket above it holds nothing between two messages and can be replaced there, with its buffer; see
//! [`super::socket`]. It costs a read or two per frame more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Follows the frames of RFC 6455 section 5.2 that come in.
pub(super) struct Exact<T> {
    io: T,
    piece: Piece,
    /// Bytes of it that are still to come.
    left: u64,
    header: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// The two bytes with which every header begins.
    Start,
    /// The rest of a header that has a longer length.
    Length,
    /// Mask and payload.
    Body,
}

impl<T> Exact<T> {
    pub(super) const fn new(io: T) -> Self {
        Self { io, piece: Piece::Start, left: 2, header: Vec::new() }
    }

    /// Takes note of what was read, which is never more than was left.
    fn note(&mut self, read: &[u8]) {
        self.left = self.left.saturating_sub(read.len() as u64);
        if self.piece != Piece::Body {
            self.header.extend_from_slice(read);
        }
        while self.left == 0 {
            (self.piece, self.left) = self.next();
        }
    }

    fn next(&mut self) -> (Piece, u64) {
        let (Some(second), Piece::Start | Piece::Length) = (self.header.get(1).copied(), self.piece) else {
            return (Piece::Start, 2);
        };
        let short = u64::from(second & 0x7f);
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        match (self.piece, short) {
            (Piece::Start, 126) => return (Piece::Length, 2),
            (Piece::Start, 127) => return (Piece::Length, 8),
            _ => {}
        }
        let long = self
            .header
            .get(2..)
            .unwrap_or_default()
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        self.header.clear();
        // A frame without mask or payload ends here.
        (Piece::Body, mask + if self.piece == Piece::Length { long } else { short })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Exact<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = &mut *self;
        let most = usize::try_from(own.left).unwrap_or(usize::MAX).min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        std::task::ready!(Pin::new(&mut own.io).poll_read(context, &mut part))?;
        own.note(part.filled());
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Exact<T> {
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

    /// A frame as clients write it, with this payload.
    fn frame(payload: usize) -> Vec<u8> {
        let mut frame = vec![0x81];
        match payload {
            0..126 => frame.push(0x80 | u8::try_from(payload).expect("short")),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload).expect("medium").to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(std::iter::repeat_n(0x7f, payload));
        frame
    }

    #[tokio::test]
    async fn no_read_takes_a_byte_of_the_next_frame() {
        let sizes = [0, 1, 125, 126, 65_535, 65_536, 3, 0, 200_000, 7];
        let wire: Vec<u8> = sizes.into_iter().flat_map(frame).collect();
        let mut ends: Vec<usize> = Vec::new();
        for size in sizes {
            ends.push(ends.last().copied().unwrap_or(0) + frame(size).len());
        }
        let mut exact = Exact::new(wire.as_slice());
        let (mut all, mut buffer) = (Vec::new(), vec![0; 4096]);
        loop {
            let read = exact.read(&mut buffer).await.expect("read");
            if read == 0 {
                break;
            }
            let crossed = ends.iter().find(|end| (all.len() + 1..all.len() + read).contains(*end));
            assert_eq!(crossed, None, "a read of {read} bytes at {}", all.len());
            all.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(all, wire);
    }

    #[tokio::test]
    async fn a_frame_without_mask_or_payload_is_whole_after_two_bytes() {
        let mut exact = Exact::new(&[0x89, 0x00, 0x81, 0x01, b'x'][..]);
        let mut buffer = vec![0; 16];
        assert_eq!(exact.read(&mut buffer).await.expect("read"), 2);
        assert_eq!(exact.read(&mut buffer).await.expect("read"), 2);
        assert_eq!(exact.read(&mut buffer).await.expect("read"), 1);
    }
}
