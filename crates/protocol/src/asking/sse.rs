//! Server-sent events (HTML living standard, section 9.2), read piece by piece and bounded.

use std::collections::VecDeque;
use std::time::Duration;

/// An event with data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its kind, if it says another than `message`.
    pub kind: Option<String>,
    /// Its data lines, joined.
    pub data: Vec<u8>,
}

/// More than we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {limit_bytes} bytes")]
pub struct TooLong {
    /// What it may have.
    pub limit_bytes: usize,
}

/// Reads a stream.
#[derive(Debug)]
pub struct Parser {
    line_limit_bytes: usize,
    event_limit_bytes: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    kind: Option<String>,
    next_id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
    after_return: bool,
    begun: bool,
}

impl Parser {
    /// A parser of lines and events of at most these sizes.
    #[must_use]
    pub const fn new(line_limit_bytes: usize, event_limit_bytes: usize) -> Self {
        Self {
            line_limit_bytes,
            event_limit_bytes,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            kind: None,
            next_id: None,
            last_id: None,
            retry: None,
            after_return: false,
            begun: false,
        }
    }

    /// The id of the last event that came whole, data or not: where the stream can be resumed.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the server wants us to wait before we come again.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The stream broke: what had not come whole is forgotten, ids and `retry` stay.
    pub fn restart(&mut self) {
        self.line.clear();
        self.forget();
        self.next_id.clone_from(&self.last_id);
        (self.after_return, self.begun) = (false, false);
    }

    /// Reads on. Events without data, comments and fields that nobody knows leave nothing behind.
    ///
    /// # Errors
    /// A line or an event is too long; the stream cannot be read on.
    pub fn push(&mut self, mut bytes: &[u8], events: &mut VecDeque<Event>) -> Result<(), TooLong> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.within_line(self.line.len().saturating_add(bytes.len()))?;
                self.line.extend_from_slice(bytes);
                return Ok(());
            };
            let (head, rest) = bytes.split_at(end);
            self.after_return = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            self.within_line(self.line.len().saturating_add(head.len()))?;
            if self.line.is_empty() {
                self.line_ended(head, events)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(head);
                self.line_ended(&line, events)?;
                line.clear();
                self.line = line;
            }
        }
        Ok(())
    }

    const fn within_line(&self, length: usize) -> Result<(), TooLong> {
        if length > self.line_limit_bytes {
            Err(TooLong { limit_bytes: self.line_limit_bytes })
        } else {
            Ok(())
        }
    }

    fn line_ended(&mut self, line: &[u8], events: &mut VecDeque<Event>) -> Result<(), TooLong> {
        let line = if std::mem::replace(&mut self.begun, true) {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            self.dispatch(events);
            return Ok(());
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (name, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                (name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match name {
            b"data" => self.add(value),
            b"event" => {
                self.kind = text(value).filter(|kind| !kind.is_empty() && kind != "message");
                Ok(())
            }
            b"id" if !value.contains(&0) => {
                self.next_id = text(value);
                Ok(())
            }
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.retry = text(value).and_then(|digits| digits.parse().ok()).map(Duration::from_millis);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if self.data.len().saturating_add(value.len()).saturating_add(1) > self.event_limit_bytes {
            return Err(TooLong { limit_bytes: self.event_limit_bytes });
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        Ok(())
    }

    fn dispatch(&mut self, events: &mut VecDeque<Event>) {
        self.last_id.clone_from(&self.next_id);
        if !self.data.is_empty() {
            events.push_back(Event { kind: self.kind.take(), data: std::mem::take(&mut self.data) });
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.data.clear();
        self.has_data = false;
        self.kind = None;
    }
}

fn text(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests;
