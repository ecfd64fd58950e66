//! Canonical JSON (RFC 8785), SHA-256 digests of it, and a parser that refuses duplicate members.

mod plain;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256 hash. Shown as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of raw bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of bytes that follow each other: the same as of all of them in one.
    #[must_use]
    pub fn of_joined(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Of a list of parts, each preceded by its length (8 bytes, big endian), so that no two lists collide.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Of the canonical form of a JSON value.
    ///
    /// # Errors
    /// A number that RFC 8785 cannot write (not finite).
    pub fn of_json(value: &Value) -> Result<Self, JsonError> {
        Ok(Self::of_bytes(&value_to_canonical(value)?))
    }

    /// A digest made elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Does something with the text, without a string for it: lines of the log hold many.
    pub fn with_text<T>(&self, then: impl FnOnce(&str) -> T) -> T {
        let mut text = *b"sha256:0000000000000000000000000000000000000000000000000000000000000000";
        if let Some((_, digits)) = text.split_at_mut_checked(7) {
            // INVARIANT: 64 digits, two for each of 32 bytes.
            let _ = hex::encode_to_slice(self.0, digits);
        }
        then(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = JsonError;
    fn from_str(text: &str) -> Result<Self, JsonError> {
        let wrong = || JsonError("a digest is `sha256:` and 64 lower-case hexadecimal digits".to_owned());
        let digits = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let bytes = hex::decode(digits).map_err(|_| wrong())?;
        Ok(Self(bytes.try_into().map_err(|_| wrong())?))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Why some text is not JSON that we accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(pub(crate) String);

/// RFC 8785 bytes of a value.
///
/// # Errors
/// A number that cannot be written canonically.
pub fn to_canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, JsonError> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| JsonError(error.to_string()))
}

/// The same of a JSON value. Most hold no number with a fraction, and for those this is much faster.
///
/// # Errors
/// A number that cannot be written canonically.
pub fn value_to_canonical(value: &Value) -> Result<Vec<u8>, JsonError> {
    plain::written(value).map_or_else(|| to_canonical(value), Ok)
}

/// Adds a text to RFC 8785 bytes, quoted and escaped.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    plain::string(out, text);
}

/// Parses JSON, refusing duplicate members at any depth (A7, R9) and nesting deeper than 128.
///
/// # Errors
/// Says what is wrong and where, without quoting the input.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer).map_err(|error| JsonError(error.to_string()))?;
    deserializer.end().map_err(|error| JsonError(error.to_string()))?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("an object has a member twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a7_a_member_twice_is_refused_at_any_depth() {
        assert!(parse_strict(br#"{"a":1,"a":2}"#).is_err());
        assert!(parse_strict(br#"{"x":[{"y":{"a":1,"a":1}}]}"#).is_err());
        assert!(parse_strict(br#"{"a":1,"\u0061":2}"#).is_err());
        assert!(parse_strict(br#"{"a":1} x"#).is_err());
        assert_eq!(parse_strict(br#"{"a":[1,-2,0.5,"x",null,true]}"#).expect("json")["a"][2], 0.5);
    }

    #[test]
    fn deep_nesting_is_refused_without_overflow() {
        assert!(parse_strict("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn canonical_form_sorts_by_utf16_and_writes_numbers_as_javascript_does() {
        let value = parse_strict(
            "{\"\u{20ac}\":1,\"\\r\":2,\"1\":3,\"\u{1f600}\":4,\"n\":[1e21,1.0,-0.0,1e-7]}".as_bytes(),
        );
        let bytes = to_canonical(&value.expect("json")).expect("canonical");
        let text = String::from_utf8(bytes).expect("utf-8");
        assert_eq!(text, "{\"\\r\":2,\"1\":3,\"n\":[1e+21,1,0,1e-7],\"\u{20ac}\":1,\"\u{1f600}\":4}");
    }

    #[test]
    fn joined_bytes_have_the_digest_of_all_in_one() {
        assert_eq!(Digest::of_joined(&[b"ab", b"", b"c"]), Digest::of_bytes(b"abc"));
    }

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(Digest::of_parts(&[b"ab", b"c"]), Digest::of_parts(&[b"a", b"bc"]));
    }

    /// Names and texts in which every rule of order and of escaping has a say.
    fn any_text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            '\0',
            '\u{8}',
            '\t',
            '\n',
            '\u{b}',
            '\u{c}',
            '\r',
            '\u{1f}',
            ' ',
            '"',
            '/',
            '\\',
            '\u{7f}',
            'a',
            'B',
            '\u{e9}',
            '\u{2028}',
            '\u{20ac}',
            '\u{e000}',
            '\u{ffff}',
            '\u{1f600}',
        ]);
        prop::collection::vec(prop_oneof![odd, any::<char>()], 0..6).prop_map(String::from_iter)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let edge =
            prop::sample::select(vec![0, 1, -1, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i16>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            edge.prop_map(Value::from),
            prop::num::f64::NORMAL.prop_map(Value::from),
            any_text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any_text(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn what_has_no_fraction_goes_the_fast_way() {
        let value = serde_json::json!({"b": [1, -7, 9_007_199_254_740_991_i64], "a": {"\u{20ac}": "x\n", "z": null}, "c": true});
        assert_eq!(plain::written(&value).expect("fast"), to_canonical(&value).expect("canonical"));
        assert!(plain::written(&serde_json::json!([1.5])).is_none());
    }

    proptest! {
        #[test]
        fn the_fast_way_to_the_canonical_form_writes_what_the_thorough_one_does(value in any_json()) {
            let thorough = to_canonical(&value).expect("canonical");
            prop_assert_eq!(value_to_canonical(&value).expect("canonical"), thorough.clone());
            prop_assert!(plain::written(&value).is_none_or(|fast| fast == thorough));
            prop_assert_eq!(Digest::of_json(&value).expect("digest"), Digest::of_bytes(&thorough));
        }

        #[test]
        fn a_digest_reads_back(bytes in any::<[u8; 32]>()) {
            let digest = Digest::from_bytes(bytes);
            prop_assert_eq!(digest.to_string().parse::<Digest>().expect("digest"), digest);
        }

        #[test]
        fn the_strict_parser_agrees_with_the_lenient_one_where_no_member_repeats(text in "\\PC{0,40}") {
            if let Ok(value) = parse_strict(text.as_bytes()) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).expect("lenient accepts more"));
            }
        }
    }
}
