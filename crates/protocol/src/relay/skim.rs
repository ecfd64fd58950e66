//! Where the members of an object begin and end. A [`RawValue`] is known to be JSON, so that what is of no interest need
//! not be looked at closely: of a long list only its brackets and quotes.

use serde_json::value::RawValue;
use std::borrow::Cow;

/// The names and the texts of an object's members, in order. `None`: it is no object.
pub(crate) fn members(raw: &RawValue) -> Option<Vec<(Cow<'_, str>, &str)>> {
    members_of(raw.get())
}

/// The same of a part of a text that is known to be JSON.
pub(super) fn members_of(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut at = after_space(text, 0);
    if text.as_bytes().get(at) != Some(&b'{') {
        return None;
    }
    at += 1;
    let mut members = Vec::with_capacity(8);
    loop {
        at = after_space(text, at);
        match text.as_bytes().get(at)? {
            b'}' => return Some(members),
            b',' => at = after_space(text, at + 1),
            _ => {}
        }
        let name_end = end_of_string(text, at)?;
        let name = name(text.get(at..name_end)?)?;
        let colon = after_space(text, name_end);
        at = after_space(text, colon + 1);
        let end = end_of_value(text, at)?;
        members.push((name, text.get(at..end)?));
        at = end;
    }
}

fn name(quoted: &str) -> Option<Cow<'_, str>> {
    if quoted.contains('\\') {
        return serde_json::from_str::<String>(quoted).ok().map(Cow::Owned);
    }
    quoted.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}

fn after_space(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// The place after the quote that ends the string that begins here. Byte by byte: most strings are short.
fn end_of_string(text: &str, begin: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = begin + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn end_of_value(text: &str, begin: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (begin, 0_usize);
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                at = end_of_string(text, at)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') | None if depth == 0 => return Some(at),
            Some(_) => at += 1,
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Object;
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec![
                "\"",
                "\\",
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                " ",
                "\n",
                "a",
                "é",
                "\u{1f600}",
            ]),
            0..6,
        )
        .prop_map(|parts| parts.concat())
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::num::f64::NORMAL.prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn compared(text: String) -> Result<(), TestCaseError> {
        let raw = RawValue::from_string(text).expect("json");
        let skimmed = members(&raw);
        let parsed = Object::parse(&raw).ok();
        let parsed = parsed
            .as_ref()
            .map(|whole| whole.iter().map(|(name, value)| (name.into(), value.get())).collect());
        prop_assert_eq!(skimmed, parsed);
        Ok(())
    }

    proptest! {
        #[test]
        fn members_end_where_the_parser_says_they_do(value in json()) {
            compared(serde_json::to_string(&value).expect("text"))?;
            compared(serde_json::to_string_pretty(&value).expect("text"))?;
        }
    }
}
