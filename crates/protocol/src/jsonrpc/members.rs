//! The members of one JSON object, each kept as the text that was sent.

use deputy_core::JsonError;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How many members an object that we look into may have.
const MAXIMUM: usize = 256;

/// An object, one level deep. No member is there twice, and none that we read is there in another case (R9): what one
/// reader takes for `name` and another for `Name` never reaches either.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object whose `reserved` members we will look at.
    ///
    /// # Errors
    /// Not an object, a member twice, or a reserved one in another case.
    pub fn parse(raw: &'a RawValue, reserved: &[&str]) -> Result<Self, Malformed> {
        let members: Self = serde_json::from_str(raw.get()).map_err(|error| Malformed(error.to_string()))?;
        members.with(reserved)
    }

    /// The same from a whole body.
    ///
    /// # Errors
    /// As [`Members::parse`], or not JSON.
    pub(super) fn of_body(body: &'a [u8], reserved: &[&str]) -> Result<Self, Malformed> {
        let members: Self = serde_json::from_slice(body).map_err(|error| Malformed(error.to_string()))?;
        members.with(reserved)
    }

    fn with(self, reserved: &[&str]) -> Result<Self, Malformed> {
        for (name, _) in &self.0 {
            if reserved.iter().any(|known| known.eq_ignore_ascii_case(name) && known != name) {
                return Err(Malformed("a reserved member is written in another case".to_owned()));
            }
        }
        Ok(self)
    }

    /// The text of a member; `null` is there, too.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, raw)| (name.as_ref(), *raw))
    }

    /// A member that is a string, as it was sent where it can be.
    #[must_use]
    pub fn borrowed(&self, name: &str) -> Option<Cow<'a, str>> {
        let text = self.raw(name)?.get();
        match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            _ => serde_json::from_str(text).ok().map(Cow::Owned),
        }
    }

    /// A member that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.borrowed(name).map(Cow::into_owned)
    }

    /// A member of some type; `None` if it is absent or of another type.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// Whether a member is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }
}

/// Why an object is not looked into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl From<JsonError> for Malformed {
    fn from(error: JsonError) -> Self {
        Self(error.to_string())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

/// A name that borrows where it can.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom("an object has a member twice"));
            }
            if members.len() >= MAXIMUM {
                return Err(A::Error::custom("an object has too many members"));
            }
            members.push((name, map.next_value()?));
        }
        Ok(Members(members))
    }
}
