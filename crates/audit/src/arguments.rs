//! What a line says of a call's arguments. Always in the personal part: arguments are about people, and can be guessed.
//!
//! `redacted` takes out what the tool's schema marks (`writeOnly`, `format: password`, `x-deputy-redact`), what stands under
//! a telling name, and what looks like a secret wherever it stands: keys, tokens, card numbers. It is a sieve, not a proof:
//! a secret that neither schema, name nor form gives away stays. Where that matters, record the hash.

mod pattern;
mod schema;

use deputy_core::Event;
use serde_json::{Map, Value};

/// What stands in the place of what was taken out.
pub const REDACTED: &str = "[redacted]";
/// The detail that holds recorded arguments, under [`deputy_core::event::PERSONAL`].
pub const DETAIL: &str = "arguments";
/// Larger arguments are recorded by their hash alone, in bytes of JSON.
const LARGEST: usize = 16 * 1024;
/// Deeper than this nothing is looked at any more, so it is taken out.
const DEEPEST: usize = 32;

/// How much of a call's arguments is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recording {
    /// Nothing, not even their hash.
    None,
    /// SHA-256 of their canonical form.
    #[default]
    Hash,
    /// The hash, and the arguments without what must not be kept.
    Redacted,
    /// The hash, and the arguments as they are.
    Full,
}

impl Recording {
    /// All of them, with their words in the configuration.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("hash", Self::Hash), ("redacted", Self::Redacted), ("full", Self::Full)];

    /// A line with what is to be recorded of these arguments; `event.arguments` holds their hash already. `schema` is the
    /// tool's input schema.
    #[must_use]
    pub fn apply(self, mut event: Event, arguments: &Value, schema: Option<&Value>) -> Event {
        match self {
            Self::None => {
                event.arguments = None;
                event
            }
            Self::Hash => event,
            Self::Redacted | Self::Full if is_too_large(arguments) => {
                event.with_detail("arguments_left_out", "too_large")
            }
            Self::Redacted => event.with_personal(DETAIL, redacted(arguments, schema)),
            Self::Full => event.with_personal(DETAIL, arguments.clone()),
        }
    }
}

fn is_too_large(arguments: &Value) -> bool {
    let mut size = Size(0);
    serde_json::to_writer(&mut size, arguments).is_err() || size.0 > LARGEST
}

/// Counts what is written, and stops at what is too much.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        if self.0 > LARGEST { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The arguments without what must not be kept.
#[must_use]
pub fn redacted(arguments: &Value, schema: Option<&Value>) -> Value {
    let root = schema.unwrap_or(&Value::Null);
    without(arguments, &schema::Marks::of(root), 0)
}

fn without(value: &Value, marks: &schema::Marks<'_>, depth: usize) -> Value {
    if depth > DEEPEST || marks.secret() {
        return Value::String(REDACTED.to_owned());
    }
    match value {
        Value::Object(members) => {
            let kept = members.iter().map(|(name, value)| {
                let secret = pattern::is_telling_name(name) && !matches!(value, Value::Null | Value::Bool(_));
                let value = match secret {
                    true => Value::String(REDACTED.to_owned()),
                    false => without(value, &marks.member(name), depth + 1),
                };
                (pattern::without_secrets(name), value)
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let kept = items.iter().enumerate();
            Value::Array(kept.map(|(at, item)| without(item, &marks.item(at), depth + 1)).collect())
        }
        Value::String(text) => Value::String(pattern::without_secrets(text)),
        Value::Number(number) if pattern::is_card_number(&number.to_string()) => {
            Value::String(REDACTED.to_owned())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
