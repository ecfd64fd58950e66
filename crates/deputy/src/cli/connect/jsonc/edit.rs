//! Puts one entry in and takes it out again.

use super::parse::{Member, Object, Wrong, last_comment, object};
use crate::cli::connect::older;
use serde_json::Value;

/// One server in one list of servers.
pub(crate) struct Entry<'e> {
    pub(crate) list: &'e str,
    pub(crate) name: &'e str,
    pub(crate) server: &'e Value,
}

/// What becomes of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// This.
    Text(String),
    /// It is as it should be.
    Nothing,
    /// There was no file before us, so there is none after us.
    NoFile,
}

impl Entry<'_> {
    /// A file with nothing else in it.
    pub(crate) fn alone(&self) -> String {
        let style = Style { line: "\n", unit: "  ".to_owned() };
        format!("{{\n  {}\n}}\n", self.whole_list(&style, "  "))
    }

    /// The text with the entry in it.
    pub(crate) fn put(&self, text: &str) -> Result<Edit, Wrong> {
        if text.trim_start_matches('\u{feff}').trim().is_empty() {
            // Without a line end: so it is known later that there was a file.
            return Ok(Edit::Text(format!("{text}{}", self.alone().trim_end())));
        }
        let root = object(text)?;
        let style = Style::of(text, &root);
        let Some((_, list)) = root.find(self.list) else {
            return Ok(Edit::Text(insert(text, &root, &style, |indent| self.whole_list(&style, indent))));
        };
        let servers = self.servers(list)?;
        if let Some((_, server)) = servers.find(self.name) {
            if self.is_in(&server.value) {
                return Ok(Edit::Nothing);
            }
            if !older::is_ours(&server.value, self.server) {
                return Err(Wrong { at: server.start, what: older::taken(self.name) });
            }
            return Ok(Edit::Text(self.renewed(text, server, &style)));
        }
        Ok(Edit::Text(insert(text, servers, &style, |indent| {
            format!("{}: {}", quoted(self.name), style.pretty(self.server, indent))
        })))
    }

    /// The text without the entry.
    pub(crate) fn take_out(&self, text: &str) -> Result<Edit, Wrong> {
        let alone = self.alone();
        if text == alone {
            return Ok(Edit::NoFile);
        }
        if let Some(before) = text.strip_suffix(alone.trim_end())
            && before.trim_start_matches('\u{feff}').trim().is_empty()
        {
            return Ok(Edit::Text(before.to_owned()));
        }
        if text.trim_start_matches('\u{feff}').trim().is_empty() {
            return Ok(Edit::Nothing);
        }
        let root = object(text)?;
        let Some((at, list)) = root.find(self.list) else { return Ok(Edit::Nothing) };
        let servers = self.servers(list)?;
        let Some((index, server)) = servers.find(self.name) else { return Ok(Edit::Nothing) };
        if !self.is_in(&server.value) {
            let what = format!("`{}` says something else than what would be written", self.name);
            return Err(Wrong { at: server.start, what });
        }
        let is_ours = servers.members.len() == 1 && is_own_list(text, servers, server);
        Ok(Edit::Text(if is_ours { without(text, &root, at) } else { without(text, servers, index) }))
    }

    /// The text with what is new in an entry of ours; where all else of it is there, every other byte stays.
    fn renewed(&self, text: &str, server: &Member, style: &Style) -> String {
        let mut renewed = text.to_owned();
        let value = |member: &Member| self.server.get(&member.key).filter(|ours| **ours != member.value);
        match (&server.object, self.server.as_object()) {
            (Some(found), Some(ours)) if ours.keys().all(|key| found.find(key).is_some()) => {
                // From the last on, so that the places of those before stay what they are.
                for member in found.members.iter().rev() {
                    if let Some(value) = value(member) {
                        let indent = indent(text, member.start).unwrap_or_default();
                        renewed.replace_range(member.span.clone(), &style.pretty(value, &indent));
                    }
                }
            }
            _ => {
                let indent = indent(text, server.start).unwrap_or_default();
                renewed.replace_range(server.span.clone(), &style.pretty(self.server, &indent));
            }
        }
        renewed
    }

    fn servers<'l>(&self, list: &'l Member) -> Result<&'l Object, Wrong> {
        let wrong = || Wrong { at: list.span.start, what: format!("`{}` in it is not an object", self.list) };
        list.object.as_ref().ok_or_else(wrong)
    }

    /// Everything that we would write stands there. What a client or a person added is theirs.
    fn is_in(&self, found: &Value) -> bool {
        let ours = self.server.as_object();
        ours.is_some_and(|ours| ours.iter().all(|(key, value)| found.get(key) == Some(value)))
    }

    /// A list that is made for us begins with white space, which one that was empty before does not: so it is known later.
    fn whole_list(&self, style: &Style, indent: &str) -> String {
        let (line, inner) = (style.line, format!("{indent}{}", style.unit));
        let server = style.pretty(self.server, &inner);
        format!("{}: {{{line}{inner}{}: {server}{line}{indent}}}", quoted(self.list), quoted(self.name))
    }
}

/// How a file writes its lines.
struct Style {
    line: &'static str,
    unit: String,
}

impl Style {
    fn of(text: &str, root: &Object) -> Self {
        let line = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let first = root.members.first().and_then(|first| indent(text, first.start));
        let unit = first.filter(|indent| !indent.is_empty()).unwrap_or_else(|| "  ".to_owned());
        Self { line, unit }
    }

    fn pretty(&self, value: &Value, indent: &str) -> String {
        // A `Value` always serializes.
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let inner = line.trim_start_matches(' ');
                format!("{}{inner}", self.unit.repeat((line.len() - inner.len()) / 2))
            })
            .collect();
        lines.join(&format!("{}{indent}", self.line))
    }
}

/// The white space before what begins its line; `None`: something else stands before it.
fn indent(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let line = before.rfind('\n').map(|end| end + 1)?;
    let indent = before.get(line..)?;
    indent.chars().all(|letter| letter == ' ' || letter == '\t').then(|| indent.to_owned())
}

fn insert(text: &str, object: &Object, style: &Style, member: impl Fn(&str) -> String) -> String {
    let mut text = text.to_owned();
    let Some(last) = object.members.last() else {
        let comment = last_comment(&text, object.open + 1..object.close);
        let (at, line) = comment
            .map_or((object.open + 1, ""), |(end, is_line)| (end, if is_line { style.line } else { "" }));
        let own = indent(&text, line_start(&text, object.open)).unwrap_or_default();
        text.insert_str(at, &format!("{line}{}", member(&own)));
        return text;
    };
    let own = object.members.first().and_then(|first| indent(&text, first.start));
    let after = last.comma.map_or(last.span.end, |comma| comma + 1);
    let comment = last_comment(&text, after..object.close);
    let at = comment.map_or(after, |(end, _)| end);
    let between = match (&own, comment) {
        (Some(indent), _) => format!("{}{indent}", style.line),
        (None, Some((_, true))) => style.line.to_owned(),
        (None, _) => " ".to_owned(),
    };
    let comma = if last.comma.is_some() { "," } else { "" };
    text.insert_str(at, &format!("{between}{}{comma}", member(own.as_deref().unwrap_or_default())));
    if last.comma.is_none() {
        text.insert(last.span.end, ',');
    }
    text
}

/// Where the line of a byte begins, past its white space.
fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let rest = text.get(line..at).unwrap_or_default();
    line + (rest.len() - rest.trim_start_matches([' ', '\t']).len())
}

fn without(text: &str, object: &Object, index: usize) -> String {
    let mut text = text.to_owned();
    let Some(member) = object.members.get(index) else { return text };
    let before = index.checked_sub(1).and_then(|before| object.members.get(before));
    let after_before = before.and_then(|before| before.comma).unwrap_or(object.open) + 1;
    let from = last_comment(&text, after_before..member.start).map_or(after_before, |(end, _)| end);
    match member.comma {
        Some(comma) => text.replace_range(from..=comma, ""),
        None => {
            text.replace_range(from..member.span.end, "");
            if let Some(comma) = before.and_then(|before| before.comma) {
                text.remove(comma);
            }
        }
    }
    text
}

fn is_own_list(text: &str, list: &Object, only: &Member) -> bool {
    let is_white = |from: usize, to: usize| {
        text.get(from..to).is_some_and(|white| !white.is_empty() && white.trim().is_empty())
    };
    is_white(list.open + 1, only.start) && is_white(only.span.end, list.close)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
