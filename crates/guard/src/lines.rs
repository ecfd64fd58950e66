//! Lines of a pipe, bounded.

use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const PIECE: usize = 16 << 10;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its end.
    Whole(Bytes),
    /// More than may come; it was passed over.
    TooLong,
}

/// Reads lines.
pub(crate) struct Lines<R> {
    reader: R,
    limit_bytes: usize,
    buffer: BytesMut,
    searched: usize,
    passing_over: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(reader: R, limit_bytes: usize) -> Self {
        Self { reader, limit_bytes, buffer: BytesMut::new(), searched: 0, passing_over: false }
    }

    /// The next line; `None` at the end, where what is no whole line is forgotten. Nothing is lost when this is dropped
    /// unfinished.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                let over = std::mem::take(&mut self.passing_over) || line.len() > self.limit_bytes;
                return Ok(Some(if over { Line::TooLong } else { Line::Whole(line) }));
            }
            if self.buffer.len() > self.limit_bytes {
                self.passing_over = true;
            }
            if self.passing_over {
                self.buffer.clear();
            }
            self.searched = self.buffer.len();
            self.buffer.reserve(PIECE);
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_a_long_one_is_passed_over_and_a_torn_one_forgotten() {
        let mut text = b"a\n\n".to_vec();
        text.extend(vec![b'x'; 100_000]);
        text.extend_from_slice(b"\nb\ntorn");
        let mut lines = Lines::new(&text[..], 10);
        for wanted in [Line::Whole(Bytes::from_static(b"a")), Line::Whole(Bytes::new()), Line::TooLong] {
            assert_eq!(lines.next().await.unwrap(), Some(wanted));
        }
        assert_eq!(lines.next().await.unwrap(), Some(Line::Whole(Bytes::from_static(b"b"))));
        assert_eq!(lines.next().await.unwrap(), None);
    }
}
