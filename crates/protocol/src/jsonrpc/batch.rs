//! The messages of a batch, not read further than a batch may go: a body of ten million bytes is no million messages.

use super::MAXIMUM_BATCH;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// One to [`MAXIMUM_BATCH`] messages, each as the text that was sent.
pub(super) struct Batch<'a>(pub(super) Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Batch<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Batch<'de>, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = sequence.next_element()? {
            if messages.len() >= MAXIMUM_BATCH {
                return Err(A::Error::custom("too many messages"));
            }
            messages.push(message);
        }
        if messages.is_empty() { Err(A::Error::custom("no message")) } else { Ok(Batch(messages)) }
    }
}
