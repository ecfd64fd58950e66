//! Values as text in their places. Everything but letters, digits and `-._~` is percent-encoded, so that no value can end
//! its place; what a style cannot tell apart is refused instead of being sent as something else.

use super::parameter::{Style, Writing};
use serde_json::{Map, Value};

/// Levels of objects in one `deepObject`.
const DEEPEST: usize = 8;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A name and a value of a query, form or cookie: the name as it is, the value encoded.
pub(super) type Pair = (String, String);

/// Percent-encoded (RFC 3986 section 2.1): unreserved characters stay.
pub(super) fn escaped(text: &str) -> String {
    escaped_but(text, |byte| matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

fn escaped_but(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || stays(byte) {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().map_or('0', char::from);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

/// In a label a dot divides.
fn escaped_with_dots(text: &str) -> String {
    escaped_but(text, |byte| matches!(byte, b'-' | b'_' | b'~'))
}

/// A value by its shape: no deeper than a list or an object of plain values.
enum Shape {
    One(String),
    Items(Vec<String>),
    Members(Vec<(String, String)>),
}

fn shape(value: &Value) -> Result<Shape, String> {
    let members = |members: &Map<String, Value>| {
        members.iter().map(|(name, value)| Ok((name.clone(), plain(value)?))).collect::<Result<_, String>>()
    };
    Ok(match value {
        Value::Array(items) => Shape::Items(items.iter().map(plain).collect::<Result<_, _>>()?),
        Value::Object(object) => Shape::Members(members(object)?),
        value => Shape::One(plain(value)?),
    })
}

fn plain(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(true) => Ok("true".to_owned()),
        Value::Bool(false) => Ok("false".to_owned()),
        Value::Null => Err("has a null where a value must be".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("is nested deeper than can be written there".to_owned()),
    }
}

/// A value in the path. An empty one is refused: it would name another resource.
pub(super) fn in_path(writing: Writing, name: &str, value: &Value) -> Result<String, String> {
    let Writing { style, explode } = writing;
    let name = escaped(name);
    let text = match (style, shape_for(style, value)?) {
        (Style::Label, shape) => {
            let joined = match shape {
                Shape::One(text) => escaped_with_dots(&text),
                shape => joined(shape, explode, if explode { "." } else { "," }, escaped_with_dots),
            };
            format!(".{joined}")
        }
        (Style::Matrix, Shape::One(text)) => matrix(&name, &escaped(&text)),
        (Style::Matrix, Shape::Items(items)) if explode => {
            items.iter().map(|item| matrix(&name, &escaped(item))).collect()
        }
        (Style::Matrix, Shape::Members(members)) if explode => {
            members.iter().map(|(name, value)| matrix(&escaped(name), &escaped(value))).collect()
        }
        (Style::Matrix, shape) => matrix(&name, &joined(shape, false, ",", escaped)),
        (_, Shape::One(text)) => escaped(&text),
        (_, shape) => joined(shape, explode, ",", escaped),
    };
    if text.is_empty() || text == "." {
        return Err("is empty, and a part of the path".to_owned());
    }
    if is_path(value) {
        return Err("has `.` or `..` as a step of a path in it".to_owned());
    }
    Ok(text)
}

fn matrix(name: &str, value: &str) -> String {
    if value.is_empty() { format!(";{name}") } else { format!(";{name}={value}") }
}

/// Encoded slashes are data here, but some servers decode before they look at the path: no step upwards in any text (R7).
fn is_path(value: &Value) -> bool {
    match value {
        Value::String(text) => text.split(['/', '\\']).any(|part| matches!(part, "." | "..")),
        Value::Array(items) => items.iter().any(is_path),
        Value::Object(members) => {
            members.iter().any(|(name, value)| is_path(&Value::String(name.clone())) || is_path(value))
        }
        _ => false,
    }
}

fn shape_for(style: Style, value: &Value) -> Result<Shape, String> {
    if style == Style::Json { Ok(Shape::One(value.to_string())) } else { shape(value) }
}

/// Items, or names and values, with something between them.
fn joined(shape: Shape, explode: bool, between: &str, escaped: impl Fn(&str) -> String) -> String {
    let parts: Vec<String> = match shape {
        Shape::One(text) => vec![escaped(&text)],
        Shape::Items(items) => items.iter().map(|item| escaped(item)).collect(),
        Shape::Members(members) if explode => {
            members.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect()
        }
        Shape::Members(members) => {
            members.iter().flat_map(|(name, value)| [escaped(name), escaped(value)]).collect()
        }
    };
    parts.join(between)
}

/// A value as names and values of a query or form. An empty list or object is nothing.
pub(super) fn as_pairs(writing: Writing, name: &str, value: &Value) -> Result<Vec<Pair>, String> {
    let own = |text: String| vec![(name.to_owned(), text)];
    let Writing { style, explode } = writing;
    if style == Style::DeepObject {
        let mut pairs = Vec::new();
        deep(name.to_owned(), value, 0, &mut pairs)?;
        return Ok(pairs);
    }
    Ok(match shape_for(style, value)? {
        Shape::One(text) => own(escaped(&text)),
        Shape::Items(items) if items.is_empty() => Vec::new(),
        Shape::Members(members) if members.is_empty() => Vec::new(),
        Shape::Items(items) if explode => items.iter().map(|item| (name.to_owned(), escaped(item))).collect(),
        Shape::Members(members) if explode => {
            members.into_iter().map(|(name, value)| (name, escaped(&value))).collect()
        }
        shape => own(match style {
            Style::SpaceDelimited => delimited(shape, ' ')?,
            Style::PipeDelimited => delimited(shape, '|')?,
            _ => joined(shape, false, ",", escaped),
        }),
    })
}

/// The delimiter is encoded as any other character is, so it must not be in an item.
fn delimited(shape: Shape, delimiter: char) -> Result<String, String> {
    let parts: Vec<String> = match shape {
        Shape::One(text) => vec![text],
        Shape::Items(items) => items,
        Shape::Members(members) => members.into_iter().flat_map(|(name, value)| [name, value]).collect(),
    };
    if parts.iter().any(|part| part.contains(delimiter)) {
        return Err(format!("has `{delimiter}` in an item, which would divide it"));
    }
    Ok(escaped(&parts.join(&delimiter.to_string())))
}

fn deep(name: String, value: &Value, level: usize, pairs: &mut Vec<Pair>) -> Result<(), String> {
    if level > DEEPEST {
        return Err("is nested deeper than can be written there".to_owned());
    }
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                if member.is_empty() || member.contains(['[', ']']) {
                    return Err("has a member whose name is empty or has `[` or `]` in it".to_owned());
                }
                deep(format!("{name}[{member}]"), value, level + 1, pairs)?;
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                deep(format!("{name}[{at}]"), item, level + 1, pairs)?;
            }
        }
        value => pairs.push((name, escaped(&plain(value)?))),
    }
    Ok(())
}

/// Pairs as a query or a form.
pub(super) fn query(pairs: &[Pair]) -> String {
    let one = |(name, value): &Pair| format!("{}={value}", escaped(name));
    pairs.iter().map(one).collect::<Vec<_>>().join("&")
}

/// A value of a header field. Nothing is encoded there, so what would end it, or be read otherwise, is refused.
pub(super) fn in_header(writing: Writing, value: &Value) -> Result<String, String> {
    let between = |part: &str| part.contains(',') || part != part.trim_matches([' ', '\t']);
    let text = match shape_for(writing.style, value)? {
        Shape::One(text) => text,
        Shape::Items(items) if items.iter().any(|item| between(item)) => {
            return Err("has a comma, or a space at an end, in an item of a header field".to_owned());
        }
        Shape::Members(members)
            if members.iter().any(|(name, value)| between(name) || between(value) || name.contains('=')) =>
        {
            return Err("has a comma, `=`, or a space at an end, in a member of a header field".to_owned());
        }
        shape => joined(shape, writing.explode, ",", str::to_owned),
    };
    if text != text.trim_matches([' ', '\t']) {
        return Err("begins or ends with a space, which a header field loses".to_owned());
    }
    if !text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return Err("has a character that cannot stand in a header field".to_owned());
    }
    Ok(text)
}

/// A value of a cookie. Cookies have no form for what is written as several.
pub(super) fn in_cookie(writing: Writing, value: &Value) -> Result<String, String> {
    match shape_for(writing.style, value)? {
        Shape::One(text) => Ok(escaped(&text)),
        _ if writing.explode => Err("is a list or an object, which a cookie cannot hold".to_owned()),
        shape => Ok(joined(shape, false, ",", escaped)),
    }
}
