//! One connection's order and pace, without a socket: `hello` first, sequence numbers, sizes, frames per second.

use super::{CloseCode, FrameError, HubFrame, Limits, TabFrame, VERSION};
use deputy_core::Timestamp;

/// Bytes that `hello` may have (P3): until it is read, nobody is known.
pub const HELLO_BYTES: usize = 16_384;

/// Why the hub closes, with words for the close frame and the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Close {
    /// The code on the wire.
    pub code: CloseCode,
    /// In words; at most 123 bytes, so that a close frame can carry it (RFC 6455 section 5.5).
    pub reason: String,
}

impl Close {
    /// A code with its words, which are cut to what a close frame can carry.
    #[must_use]
    pub fn new(code: CloseCode, reason: &str) -> Self {
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        Self { code, reason: reason.get(..end).unwrap_or_default().to_owned() }
    }
}

impl From<FrameError> for Close {
    fn from(error: FrameError) -> Self {
        Self::new(error.close_code(), &error.to_string())
    }
}

/// How far the greeting has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    /// Nothing but `hello` is read.
    Hello,
    /// `hello` was read; nothing is read until the hub has answered it (P3).
    Welcome,
    /// Both are through.
    Done,
}

/// The hub's side of one connection. The socket door feeds it text and time; what it refuses closes the socket.
#[derive(Debug, Clone)]
pub struct Conversation {
    limits: Limits,
    greeting: Greeting,
    incoming: u64,
    outgoing: u64,
    pace: Pace,
}

impl Conversation {
    /// A connection on which nothing was said yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            greeting: Greeting::Hello,
            incoming: 1,
            outgoing: 1,
            pace: Pace::new(u64::from(limits.frames_per_second)),
        }
    }

    /// Reads what the tab said: size and pace before parsing, then the frame, then whether it may come now.
    ///
    /// # Errors
    /// With which code to close, and why. After an error nothing more may be read.
    pub fn read(&mut self, text: &str, now: Timestamp) -> Result<(String, TabFrame), Close> {
        self.refuse_large(text)?;
        if !self.pace.take(now) {
            let reason = format!("more than {} frames per second", self.limits.frames_per_second);
            return Err(Close::new(CloseCode::RateLimited, &reason));
        }
        if self.greeting == Greeting::Welcome {
            return Err(Close::new(CloseCode::BadFrame, "a frame before `welcome`"));
        }
        let (id, frame) = TabFrame::parse(text, self.incoming)?;
        self.incoming = self.incoming.saturating_add(1);
        self.refuse_disorder(&frame)?;
        Ok((id, frame))
    }

    /// Writes what the hub says, with the next sequence number. The number is spent only if the frame could be written.
    ///
    /// # Errors
    /// Never for values made by the hub; the error names what serde could not write.
    pub fn write(&mut self, frame: &HubFrame, id: &str) -> Result<String, serde_json::Error> {
        let text = frame.write(id, self.outgoing)?;
        self.outgoing = self.outgoing.saturating_add(1);
        if matches!(frame, HubFrame::Welcome(_)) {
            self.greeting = Greeting::Done;
        }
        Ok(text)
    }

    fn refuse_large(&self, text: &str) -> Result<(), Close> {
        let most = if self.greeting == Greeting::Done { self.limits.frame_bytes } else { HELLO_BYTES };
        if text.len() > most {
            let reason = format!("a frame of {} bytes, at most {most} are read", text.len());
            return Err(Close::new(CloseCode::TooBig, &reason));
        }
        Ok(())
    }

    fn refuse_disorder(&mut self, frame: &TabFrame) -> Result<(), Close> {
        match (self.greeting, frame) {
            (Greeting::Hello, TabFrame::Hello(hello)) if hello.versions.contains(&VERSION) => {
                self.greeting = Greeting::Welcome;
                Ok(())
            }
            (Greeting::Hello, TabFrame::Hello(_)) => {
                Err(Close::new(CloseCode::Version, "`versions` has none that is spoken here"))
            }
            (Greeting::Hello, _) => Err(Close::new(CloseCode::BadFrame, "the first frame has to be `hello`")),
            (_, TabFrame::Hello(_)) => Err(Close::new(CloseCode::BadFrame, "`hello` came twice")),
            _ => Ok(()),
        }
    }
}

/// A bucket of frames: two seconds' worth may come at once, then the allowed rate (P18).
#[derive(Debug, Clone)]
struct Pace {
    per_second: u64,
    /// Thousandths of a frame, so that milliseconds refill it exactly.
    left: u64,
    refilled: Option<Timestamp>,
}

impl Pace {
    const fn new(per_second: u64) -> Self {
        Self { per_second, left: Self::full(per_second), refilled: None }
    }

    const fn full(per_second: u64) -> u64 {
        per_second.saturating_mul(2_000)
    }

    fn take(&mut self, now: Timestamp) -> bool {
        if let Some(before) = self.refilled {
            let elapsed_ms = u64::try_from(now.since(before).as_millis()).unwrap_or(u64::MAX);
            let gained = elapsed_ms.saturating_mul(self.per_second);
            self.left = self.left.saturating_add(gained).min(Self::full(self.per_second));
        }
        // A clock that is set back refills nothing twice: the later of both moments counts.
        self.refilled = Some(self.refilled.map_or(now, |before| before.max(now)));
        match self.left.checked_sub(1_000) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
