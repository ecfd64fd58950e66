//! Request ids: a string or an integer, and it stays what it was.

use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;

/// The id of a request. Equal only if of the same type: `"1"` is not `1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// A number without a fraction; `1.0` counts as `1`.
    Integer(i64),
    /// Text.
    Text(String),
}

/// The longest id in bytes.
const MAXIMUM: usize = 512;
/// Beyond this a double no longer tells neighbours apart.
const SAFE: f64 = 9_007_199_254_740_991.0;

impl Id {
    /// From a JSON value; `None` for anything that is neither.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if text.len() <= MAXIMUM => Some(Self::Text(text.clone())),
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)).map(Self::Integer),
            _ => None,
        }
    }
}

impl FromStr for Id {
    type Err = ();

    /// From JSON text.
    fn from_str(text: &str) -> Result<Self, ()> {
        serde_json::from_str(text).ok().as_ref().and_then(Self::from_value).ok_or(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= SAFE).then_some(number as i64)
}
