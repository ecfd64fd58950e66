//! JSON objects that are passed on: single members are replaced, everything else stays the text that was sent.
//!
//! A relay that re-encodes loses something sooner or later (the order of members, `1.0`, big numbers, what it does not
//! know). [`Object`] keeps each member's text and the members' order.

pub(crate) mod skim;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One JSON object, one level deep: names in order, values as text. A member that is there twice stays there twice;
/// readers see the last one, as most parsers do.
#[derive(Debug, Clone, Default)]
pub struct Object(Vec<(String, Box<RawValue>)>);

/// Not a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a JSON object: {0}")]
pub struct NotAnObject(String);

impl Object {
    /// Takes an object apart.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(raw: &RawValue) -> Result<Self, NotAnObject> {
        serde_json::from_str(raw.get()).map_err(|error| NotAnObject(error.to_string()))
    }

    /// The members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// The text of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// A member of some type; `None` if it is absent or of another type.
    #[must_use]
    pub fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Puts a member in its place, or at the end.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Puts other texts in the place of members of this name, for which `other` has one. Whether there was any.
    pub fn replace(&mut self, name: &str, other: impl Fn(&RawValue) -> Option<Box<RawValue>>) -> bool {
        let mut any = false;
        for (_, value) in self.0.iter_mut().filter(|(known, _)| known == name) {
            if let Some(other) = other(value) {
                (*value, any) = (other, true);
            }
        }
        any
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        let found = self.get(name).map(ToOwned::to_owned);
        self.0.retain(|(known, _)| known != name);
        found
    }

    /// Keeps the members that `keep` names.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As text again: members in order, their values as they were.
    #[must_use]
    pub fn to_raw(&self) -> Box<RawValue> {
        raw(self)
    }
}

/// The same as [`Object`], borrowed from the text that was sent: for what is written once, at once.
#[derive(Debug, Default)]
pub struct Borrowed<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Borrowed<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(raw: &'a RawValue) -> Result<Self, NotAnObject> {
        Self::parse_text(raw.get())
    }

    /// The same of a part of a text that is known to be JSON.
    fn parse_text(text: &'a str) -> Result<Self, NotAnObject> {
        let members =
            skim::members_of(text).ok_or_else(|| NotAnObject("it is of another type".to_owned()))?;
        if members.len() > MAXIMUM {
            return Err(NotAnObject("an object has too many members".to_owned()));
        }
        Ok(Self(members.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect()))
    }

    /// A member that is an object itself, as it was sent: of one that is there twice the last. `None`: there is none.
    ///
    /// # Errors
    /// It is something else.
    pub fn object(&self, name: &str) -> Result<Option<Self>, NotAnObject> {
        match self.0.iter().rev().find(|(known, _)| known == name) {
            Some((_, Cow::Borrowed(sent))) => Self::parse_text(sent).map(Some),
            _ => Ok(None),
        }
    }

    /// Puts a member in its place, or at the end. Its text is JSON.
    pub fn set(&mut self, name: &'a str, value: Cow<'a, str>) {
        match self.0.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Keeps the members that `keep` names.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As text again: members in order, their values as they were.
    #[must_use]
    pub fn to_text(&self) -> String {
        let length = self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
        let mut text = String::with_capacity(length + 2);
        text.push('{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            push_quoted(&mut text, name);
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

/// A text as a JSON string, at the end of another text.
pub fn push_quoted(text: &mut String, word: &str) {
    if word.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(word);
        text.push('"');
    } else {
        text.push_str(raw(word).get());
    }
}

/// What [`members`] finds, as mere text: only where members begin and end is looked at closely. `None`: it is no object.
#[must_use]
pub fn texts<'a, const N: usize>(raw: &'a RawValue, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut found = [None; N];
    for (name, text) in skim::members(raw)? {
        let place = names.iter().position(|wanted| name == *wanted);
        if let Some(member) = place.and_then(|place| found.get_mut(place)) {
            *member = Some(text);
        }
    }
    Some(found)
}

/// The texts of some members of an object, without taking the rest apart; of one that is there twice the last, as
/// [`Object::get`] has it.
///
/// # Errors
/// It is something else than an object.
pub fn members<'a, const N: usize>(
    raw: &'a RawValue,
    names: [&str; N],
) -> Result<[Option<&'a RawValue>; N], NotAnObject> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer.deserialize_map(Wanted(names)).map_err(|error| NotAnObject(error.to_string()))
}

struct Wanted<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Wanted<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(Name(name)) = map.next_key()? {
            let place = self.0.iter().position(|wanted| *wanted == name);
            match place.and_then(|place| found.get_mut(place)) {
                Some(member) => *member = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// A name that borrows where it can.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Any value as raw JSON. What cannot be written (it never is for values of ours) becomes `null`.
#[must_use]
pub fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

/// How many members an object that is taken apart may have.
const MAXIMUM: usize = 4096;

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            if members.len() >= MAXIMUM {
                return Err(A::Error::custom("an object has too many members"));
            }
            members.push(member);
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests;
