//! Lines of a pipe, bounded.

use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much of a line that is too long is kept of its end: enough for an id.
const TAIL: usize = 256;
const PIECE: usize = 16 << 10;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end.
    Whole(Bytes),
    /// More than may come: how it begins and how it ends.
    TooLong { head: Bytes, tail: Bytes },
}

/// Reads lines.
pub(super) struct Lines<R> {
    reader: R,
    limit_bytes: usize,
    buffer: BytesMut,
    searched: usize,
    /// The beginning of the line that is being passed over.
    over: Option<Bytes>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, limit_bytes: usize) -> Self {
        Self { reader, limit_bytes, buffer: BytesMut::new(), searched: 0, over: None }
    }

    /// The next line; `None` at the end, where what is no whole line is forgotten. Nothing is lost when this is dropped
    /// unfinished.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(match self.over.take() {
                    Some(head) => Line::TooLong { head, tail: line },
                    None if line.len() > self.limit_bytes => {
                        let tail = line.slice(line.len().saturating_sub(TAIL)..);
                        Line::TooLong { head: line.slice(..TAIL.min(line.len())), tail }
                    }
                    None => Line::Whole(line),
                }));
            }
            self.searched = self.buffer.len();
            self.pass_over();
            self.buffer.reserve(PIECE);
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Of a line that is already too long only its last bytes are kept.
    fn pass_over(&mut self) {
        if self.over.is_none() && self.buffer.len() > self.limit_bytes {
            self.over = Some(Bytes::copy_from_slice(self.buffer.get(..TAIL).unwrap_or(&self.buffer)));
        }
        if self.over.is_some() && self.buffer.len() > TAIL {
            let tail =
                Bytes::copy_from_slice(self.buffer.get(self.buffer.len() - TAIL..).unwrap_or_default());
            self.buffer.clear();
            self.buffer.extend_from_slice(&tail);
            self.searched = self.buffer.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(limit: usize, text: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(text, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn lines_come_one_by_one_and_a_torn_one_is_forgotten() {
        let expected = [&b"a"[..], b"", b"b\r"].map(|line| Line::Whole(Bytes::from_static(line)));
        assert_eq!(lines(10, b"a\n\nb\r\nc").await, expected);
    }

    #[tokio::test]
    async fn rule_26_a_line_that_is_too_long_is_passed_over_and_its_ends_are_kept() {
        let mut text = b"{\"id\":7,".to_vec();
        text.extend(vec![b'x'; 100_000]);
        text.extend_from_slice(b"\"id\":8}\nnext\n");
        let all = lines(5_000, &text).await;
        let Line::TooLong { head, tail } = &all[0] else { panic!("short") };
        assert!(head.starts_with(b"{\"id\":7,") && head.len() <= TAIL);
        assert!(tail.ends_with(b"\"id\":8}"));
        assert_eq!(all[1], Line::Whole(Bytes::from_static(b"next")));
    }
}
