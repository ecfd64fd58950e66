//! Arguments as policy reads them: strictly typed values by path.
//!
//! Cedar has no JSON. An argument is looked up by its path in one entity per type: `text`, `number`, `decimal`, `flag`,
//! and in `kind`, which says what it is. **An argument that is there but is not of the type that is read is neither
//! absent nor some other value: it is unknown, and reading it makes the policy error, which denies.** Otherwise
//! `"amount": "5000"`, `5000.5` or `1e300` would slip past `forbid … when { number.getTag("amount") > 100 }`.

use crate::reads::Reads;
use cedar_policy::RestrictedExpression;
use serde_json::{Number, Value};
use std::borrow::Cow;

/// How deep a set with computed paths may look.
const DEPTH_MAX: usize = 16;
/// How many values a set with computed paths may see.
const COUNT_MAX: usize = 1024;
/// The largest integer that every JSON reader agrees on (RFC 8785 appendix D, RFC 7493 section 2.2).
const INTEGER_MAX: i64 = 9_007_199_254_740_991;
/// Cedar's decimals have 64 bits, four digits of them behind the point.
const DECIMAL_MAX: i64 = 922_337_203_685_476;

type Tags = Vec<(String, RestrictedExpression)>;

/// The tags of the five entities that hold arguments.
#[derive(Default)]
pub(crate) struct Tagged {
    pub(crate) text: Tags,
    pub(crate) number: Tags,
    pub(crate) decimal: Tags,
    pub(crate) flag: Tags,
    pub(crate) kind: Tags,
}

impl Tagged {
    /// What `reads` asks for.
    ///
    /// # Errors
    /// Paths are computed, and there are more arguments, or deeper ones, than we look through.
    pub(crate) fn new(arguments: &Value, reads: &Reads) -> Result<Self, String> {
        let mut tagged = Self::default();
        if reads.every {
            tagged.walk(arguments, "", 0)?;
        } else {
            for path in &reads.paths {
                match look_up(arguments, path) {
                    Some(Found::Value(value)) => tagged.insert(path, value),
                    Some(Found::Length(length)) => tagged.insert_length(path, length),
                    None => {}
                }
            }
        }
        Ok(tagged)
    }

    fn walk(&mut self, value: &Value, path: &str, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("the arguments nest deeper than {DEPTH_MAX}, and a policy computes a path"));
        }
        if self.kind.len() >= COUNT_MAX {
            return Err(format!("there are more than {COUNT_MAX} arguments, and a policy computes a path"));
        }
        if depth > 0 {
            self.insert(path, value);
        }
        let join = |name: &str| if depth == 0 { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.walk(member, &join(&escape(name)), depth + 1)?;
                }
            }
            Value::Array(items) => {
                self.insert_length(&join("length"), items.len());
                for (index, item) in items.iter().enumerate() {
                    self.walk(item, &join(&index.to_string()), depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn insert_length(&mut self, path: &str, length: usize) {
        self.insert(path, &Value::from(length));
    }

    fn insert(&mut self, path: &str, value: &Value) {
        let kind = kind(value);
        self.kind.push((path.to_owned(), RestrictedExpression::new_string(kind.to_owned())));
        // `null` is what many agents send for "not given".
        if value.is_null() {
            return;
        }
        let or_unknown = |known: Option<RestrictedExpression>| {
            (path.to_owned(), known.unwrap_or_else(|| RestrictedExpression::new_unknown(path)))
        };
        let (integer, decimal) = match value {
            Value::Number(number) => (integer(number), decimal(number)),
            _ => (None, None),
        };
        let text = value.as_str().map(|text| RestrictedExpression::new_string(text.to_owned()));
        self.text.push(or_unknown(text));
        self.number.push(or_unknown(integer.map(RestrictedExpression::new_long)));
        self.decimal.push(or_unknown(decimal.map(RestrictedExpression::new_decimal)));
        self.flag.push(or_unknown(value.as_bool().map(RestrictedExpression::new_bool)));
    }
}

enum Found<'a> {
    Value(&'a Value),
    Length(usize),
}

fn look_up<'a>(arguments: &'a Value, path: &str) -> Option<Found<'a>> {
    let mut value = arguments;
    let mut segments = path.split('.').peekable();
    while let Some(segment) = segments.next() {
        value = match value {
            Value::Object(members) => members.get(unescape(segment)?.as_ref())?,
            Value::Array(items) if segment == "length" && segments.peek().is_none() => {
                return Some(Found::Length(items.len()));
            }
            Value::Array(items) => items.get(index(segment)?)?,
            _ => return None,
        };
    }
    Some(Found::Value(value))
}

/// Only the one canonical way to write an index, as the walk writes it.
fn index(segment: &str) -> Option<usize> {
    let index: usize = segment.parse().ok()?;
    (index.to_string() == segment).then_some(index)
}

/// A dot in a member's name is not a step: `~1`; the tilde itself: `~0` (after RFC 6901).
fn escape(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '.']) {
        Cow::Owned(name.replace('~', "~0").replace('.', "~1"))
    } else {
        Cow::Borrowed(name)
    }
}

/// `None` for what [`escape`] never writes, so that both ways of looking agree.
fn unescape(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('~') {
        return Some(Cow::Borrowed(segment));
    }
    let name = segment.replace("~1", ".").replace("~0", "~");
    (escape(&name) == segment).then_some(Cow::Owned(name))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "flag",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// `1`, `1.0` and `1e0` are one number in canonical JSON, so they are one here.
fn integer(number: &Number) -> Option<i64> {
    let integer = match number.as_i64() {
        Some(integer) => integer,
        None => whole(number.as_f64()?)?,
    };
    (-INTEGER_MAX..=INTEGER_MAX).contains(&integer).then_some(integer)
}

#[allow(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_991.0).then_some(float as i64)
}

fn decimal(number: &Number) -> Option<String> {
    if let Some(integer) = integer(number) {
        return (-DECIMAL_MAX..=DECIMAL_MAX).contains(&integer).then(|| format!("{integer}.0"));
    }
    let text = number.as_f64().filter(|float| float.abs() < 1e14)?.to_string();
    let (_, fraction) = text.split_once('.')?;
    (fraction.len() <= 4).then_some(text)
}

#[cfg(test)]
mod tests;
