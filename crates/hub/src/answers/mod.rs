//! What a tool answered, on its way to the agent (P29): bounded, labelled, and its rest kept for paging.
//!
//! The lane has cleaned and labelled it already (`lanes/answer.rs`). Here text is cut into pages, and what is never cut
//! (structured results, media) is whole or `too_large`.

mod cut;
mod kept;
mod paging;

pub use kept::{KEPT_ANSWERS, KEPT_BYTES, KEPT_BYTES_IN_ALL, KEPT_FOR};
pub use paging::Paging;

use crate::caller::Caller;
use crate::events::{Refused, ToolAnswer};
use crate::lanes::Performed;
use crate::ports::Clock;
use cut::{Cut, cut, pages, text_bytes, text_of};
use deputy_core::{Client, Facts as _, Outcome, Reason, User};
use deputy_protocol::mcp::content;
use deputy_protocol::mcp::labels::More;
use serde_json::Value;
use std::sync::Arc;

/// Bytes of text that one answer brings to the agent, in all its blocks and with the marker of a cut.
pub const TEXT_BYTES: usize = 64 * 1024;
/// Bytes of a structured result, as JSON; beyond it is `too_large`.
pub const STRUCTURED_BYTES: usize = 1024 * 1024;
/// Bytes of everything in an answer that is neither text nor structured (images, sounds, files, links), as JSON; beyond
/// it is `too_large`.
pub const MEDIA_BYTES: usize = 4 * 1024 * 1024;
/// Blocks of one answer; beyond it is `too_large`.
pub const BLOCKS: usize = 1000;
/// Room for the marker of a cut.
const MARKER_BYTES: usize = 512;
/// The hub's own source: no application or server may have its name (`deputy__…` is the hub's).
pub const SOURCE: &str = "deputy";

/// What was cut, for those for whom it was made.
pub struct Answers {
    kept: kept::Kept,
    clock: Arc<dyn Clock>,
}

impl Answers {
    /// Nothing is kept yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { kept: kept::Kept::default(), clock }
    }

    /// Whether there is anything to read on for this user and client.
    #[must_use]
    pub fn has(&self, user: &User, client: &Client) -> bool {
        self.kept.has(user, client, self.clock.elapsed())
    }

    /// Bounds what a lane performed. Whether text was cut, and so there is something to read on now, `more` says.
    pub(crate) fn bound(&self, caller: &Caller, performed: Performed) -> Performed {
        let Ok(answer) = performed.answer else { return performed };
        match too_large(&answer) {
            Some(why) => {
                let refused = Refused::because(Reason::TooLarge, format!("the tool ran; {why}"));
                Performed { outcome: Outcome::Failed, answer: Err(refused) }
            }
            None => Performed { answer: Ok(self.cut(caller, answer)), ..performed },
        }
    }

    /// The page that a handle of this caller stands for.
    pub(crate) fn page(&self, caller: &Caller, handle: &str) -> Option<ToolAnswer> {
        let page = self.kept.page(caller.user(), caller.client(), handle, self.clock.elapsed())?;
        let mut answer = ToolAnswer {
            content: page.blocks,
            structured_content: None,
            is_error: false,
            labels: page.labels,
        };
        if let Some((handle, left_bytes)) = page.next {
            mark(&mut answer, Some(handle), left_bytes);
        }
        Some(answer)
    }

    fn cut(&self, caller: &Caller, mut answer: ToolAnswer) -> ToolAnswer {
        if text_bytes(&answer.content) <= TEXT_BYTES {
            return answer;
        }
        let room = TEXT_BYTES - MARKER_BYTES;
        let Cut { first, rest } = cut(std::mem::take(&mut answer.content), room);
        answer.content = first;
        let left_bytes = text_bytes(&rest);
        let (user, client) = (caller.user(), caller.client());
        let labels = answer.labels.clone();
        let handle = self.kept.keep(user, client, pages(rest, room), labels, self.clock.elapsed());
        mark(&mut answer, handle, left_bytes);
        answer
    }
}

/// Says that an answer was cut, how much is left, and how to read on.
fn mark(answer: &mut ToolAnswer, handle: Option<String>, left_bytes: usize) {
    let minutes = KEPT_FOR.as_secs() / 60;
    let words = match &handle {
        Some(handle) => format!(
            "[Deputy cut this answer here: {left_bytes} bytes of text are left. Read on with the tool \
             `{SOURCE}__{}` and the arguments {{\"{}\": \"{handle}\"}}, within {minutes} minutes.]",
            paging::TOOL,
            paging::HANDLE,
        ),
        None => format!(
            "[Deputy cut this answer here: {left_bytes} bytes of text are left, too much to be kept. Ask the tool for \
             less at once.]"
        ),
    };
    answer.content.push(content::text(&words));
    answer.labels.more = handle.map(|handle| More { handle, left_bytes });
}

/// Why an answer is not passed on at all: what cannot be cut is whole or nothing.
fn too_large(answer: &ToolAnswer) -> Option<String> {
    let structured = answer.structured_content.as_ref().map_or(0, json_bytes);
    if structured > STRUCTURED_BYTES {
        return Some(format!(
            "its structured result has {structured} bytes, at most {STRUCTURED_BYTES} are passed on"
        ));
    }
    if answer.content.len() > BLOCKS {
        return Some(format!(
            "it answered in {} parts, at most {BLOCKS} are passed on",
            answer.content.len()
        ));
    }
    let is_text = |block: &&Value| content::is_text(block);
    let texts: usize =
        answer.content.iter().filter(|block| !is_text(block)).filter_map(text_of).map(str::len).sum();
    let media: usize = answer.content.iter().filter(|block| !is_text(block)).map(json_bytes).sum();
    let media = media.saturating_sub(texts);
    (media > MEDIA_BYTES).then(|| {
        format!("images, sounds and files in it have {media} bytes, at most {MEDIA_BYTES} are passed on")
    })
}

/// Bytes as JSON, without writing it.
fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting does not fail; if it ever did, it would be too large.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}
