//! The canonical form of values without numbers that would first have to become doubles.

use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

/// The largest integer below which every one is a double (ECMAScript `MAX_SAFE_INTEGER`).
const SAFE: i64 = 9_007_199_254_740_991;

/// RFC 8785 bytes; `None`: it holds a number that is not a plain integer.
pub(super) fn written(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    write(&mut out, value)?;
    Some(out)
}

fn write(out: &mut Vec<u8>, value: &Value) -> Option<()> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => self::number(out, number)?,
        Value::String(text) => string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(out, item)?;
            }
            out.push(b']');
        }
        Value::Object(members) => object(out, members)?,
    }
    Some(())
}

/// In the order of the names' UTF-16 (RFC 8785 section 3.2.3).
fn object(out: &mut Vec<u8>, members: &Map<String, Value>) -> Option<()> {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_unstable_by(|(a, _), (b, _)| order(a, b));
    out.push(b'{');
    for (place, (name, value)) in sorted.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
        write(out, value)?;
    }
    out.push(b'}');
    Some(())
}

fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn number(out: &mut Vec<u8>, number: &Number) -> Option<()> {
    let whole = number.as_i64().filter(|whole| (-SAFE..=SAFE).contains(whole))?;
    let mut digits = [0; 16];
    let (mut rest, mut first) = (whole.unsigned_abs(), digits.len());
    loop {
        first -= 1;
        *digits.get_mut(first)? = b'0' + u8::try_from(rest % 10).ok()?;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if whole < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(first..)?);
    Some(())
}

/// With the escapes that ECMAScript writes, and no others (RFC 8785 section 3.2.2.2).
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(place) = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        let (plain, marked) = rest.split_at(place);
        out.extend_from_slice(plain);
        let Some((byte, after)) = marked.split_first() else { break };
        escape(out, *byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        8 => b'b',
        9 => b't',
        10 => b'n',
        12 => b'f',
        13 => b'r',
        _ => {
            let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
