//! Where everything stands in a text of JSON with comments.

use serde_json::{Map, Value};
use std::ops::Range;

/// Nested deeper than this is refused.
const DEEPEST: usize = 128;

/// What is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) at: usize,
    pub(crate) what: String,
}

/// An object: its braces, and what stands between.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) open: usize,
    pub(super) close: usize,
    pub(super) members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) start: usize,
    pub(super) span: Range<usize>,
    pub(super) value: Value,
    pub(super) object: Option<Object>,
    /// The comma after it.
    pub(super) comma: Option<usize>,
}

impl Object {
    pub(super) fn find(&self, key: &str) -> Option<(usize, &Member)> {
        self.members.iter().enumerate().find(|(_, member)| member.key == key)
    }
}

/// The one object that a text is.
pub(super) fn object(text: &str) -> Result<Object, Wrong> {
    let mut reader = Reader { text, at: 0 };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    reader.skip()?;
    let begins = reader.at;
    let (_, object) = reader.value(0)?;
    let object = object.ok_or_else(|| reader.wrong(begins, "it is not an object"))?;
    reader.skip()?;
    if reader.at < text.len() {
        return Err(reader.wrong(reader.at, "something stands after its end"));
    }
    Ok(object)
}

/// Where the last comment in a stretch of white space and comments ends, and whether it ends its line.
pub(super) fn last_comment(text: &str, stretch: Range<usize>) -> Option<(usize, bool)> {
    let mut reader = Reader { text: text.get(..stretch.end)?, at: stretch.start };
    let mut last = None;
    loop {
        reader.white();
        let is_line = reader.rest().starts_with("//");
        match reader.comment() {
            Ok(true) => last = Some((reader.at, is_line)),
            _ => return last,
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, at: usize, what: &str) -> Wrong {
        Wrong { at, what: what.to_owned() }
    }

    fn white(&mut self) {
        self.at +=
            self.rest().bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    /// Whether there was one.
    fn comment(&mut self) -> Result<bool, Wrong> {
        let rest = self.rest();
        if rest.starts_with("//") {
            let line = rest.find('\n').unwrap_or(rest.len());
            // The line end is white space, with its carriage return.
            self.at += rest.get(..line).unwrap_or_default().trim_end_matches('\r').len();
            return Ok(true);
        }
        if rest.starts_with("/*") {
            let end = rest.get(2..).and_then(|inner| inner.find("*/"));
            let end = end.ok_or_else(|| self.wrong(self.at, "this comment never ends"))?;
            self.at += end + 4;
            return Ok(true);
        }
        Ok(false)
    }

    fn skip(&mut self) -> Result<(), Wrong> {
        loop {
            self.white();
            if !self.comment()? {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<(Value, Option<Object>), Wrong> {
        if depth > DEEPEST {
            return Err(self.wrong(self.at, "it is nested too deeply"));
        }
        match self.next() {
            Some(b'{') => self.object(depth).map(|(value, object)| (value, Some(object))),
            Some(b'[') => self.array(depth).map(|value| (value, None)),
            Some(b'"') => self.string().map(|text| (Value::String(text), None)),
            Some(_) => self.word().map(|value| (value, None)),
            None => Err(self.wrong(self.at, "it ends too early")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(Value, Object), Wrong> {
        let open = self.at;
        self.at += 1;
        let (mut members, mut map): (Vec<Member>, _) = (Vec::new(), Map::new());
        loop {
            self.skip()?;
            if self.next() == Some(b'}') {
                let close = self.at;
                self.at += 1;
                return Ok((Value::Object(map), Object { open, close, members }));
            }
            if members.last().is_some_and(|last| last.comma.is_none()) {
                return Err(self.wrong(self.at, "a comma or `}` is missing here"));
            }
            let start = self.at;
            if self.next() != Some(b'"') {
                return Err(self.wrong(start, "a name in quotes or `}` is missing here"));
            }
            let key = self.string()?;
            self.skip()?;
            if self.next() != Some(b':') {
                return Err(self.wrong(self.at, "a colon is missing here"));
            }
            self.at += 1;
            self.skip()?;
            let begins = self.at;
            let (value, object) = self.value(depth + 1)?;
            let span = begins..self.at;
            if map.insert(key.clone(), value.clone()).is_some() {
                return Err(self.wrong(start, &format!("`{key}` is there twice")));
            }
            self.skip()?;
            let comma = (self.next() == Some(b',')).then_some(self.at);
            self.at += usize::from(comma.is_some());
            members.push(Member { key, start, span, value, object, comma });
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Wrong> {
        self.at += 1;
        let (mut items, mut ended) = (Vec::new(), false);
        loop {
            self.skip()?;
            if self.next() == Some(b']') {
                self.at += 1;
                return Ok(Value::Array(items));
            }
            if ended {
                return Err(self.wrong(self.at, "a comma or `]` is missing here"));
            }
            items.push(self.value(depth + 1)?.0);
            self.skip()?;
            ended = self.next() != Some(b',');
            self.at += usize::from(!ended);
        }
    }

    fn string(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        let mut escaped = false;
        for (offset, byte) in self.rest().bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    self.at = start + offset + 1;
                    let whole = self.text.get(start..self.at).unwrap_or_default();
                    return serde_json::from_str(whole)
                        .map_err(|_| self.wrong(start, "this text is not JSON"));
                }
                b'\n' => break,
                _ => {}
            }
        }
        Err(self.wrong(start, "this text never ends"))
    }

    fn word(&mut self) -> Result<Value, Wrong> {
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = self.rest().bytes().take_while(is_of_word).count();
        let word = self.rest().get(..length).unwrap_or_default();
        let value = serde_json::from_str(word).map_err(|_| self.wrong(self.at, "this is not JSON"))?;
        self.at += length;
        Ok(value)
    }
}
