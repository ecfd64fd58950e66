//! Many servers behind one address: names and URIs that say whose they are, and back (gateway rules 8 and 9).
//!
//! A prompt is `{source}__{name}`. A resource's URI gets its source before the scheme, `{source}+file:///a`; only `ui://`
//! stays a `ui://`, with the source as its authority, for clients know it by its scheme. A source has no `_` and no `+`,
//! so both ways are one to one.

use crate::relay::{Object, raw};
use deputy_core::SourceName;
use serde_json::value::RawValue;

const UI: &str = "ui://";

/// The public form of a server's URI, or URI template.
#[must_use]
pub fn public_uri(source: &SourceName, own: &str) -> String {
    match own.strip_prefix(UI) {
        Some(rest) => format!("{UI}{source}/{rest}"),
        // A scheme begins with a letter (RFC 3986 section 3.1).
        None if source.as_str().starts_with(|first: char| first.is_ascii_digit()) => {
            format!("s.{source}+{own}")
        }
        None => format!("{source}+{own}"),
    }
}

/// Whose URI it is, and the server's own form of it.
#[must_use]
pub fn own_uri(public: &str) -> Option<(SourceName, String)> {
    if let Some((source, rest)) = public.strip_prefix(UI).and_then(|rest| rest.split_once('/')) {
        return Some((SourceName::new(source).ok()?, format!("{UI}{rest}")));
    }
    let (source, own) = public.split_once('+')?;
    let source = source.strip_prefix("s.").unwrap_or(source);
    Some((SourceName::new(source).ok()?, own.to_owned()))
}

/// The public name of a server's prompt.
#[must_use]
pub fn public_prompt(source: &SourceName, own: &str) -> String {
    format!("{source}__{own}")
}

/// Whose prompt it is, and its own name.
#[must_use]
pub fn own_prompt(public: &str) -> Option<(SourceName, String)> {
    let (source, own) = public.split_once("__")?;
    Some((SourceName::new(source).ok()?, own.to_owned()))
}

/// To whom a request goes, and its parameters in the server's own words. `None`: it names nothing that could be a
/// server's.
#[must_use]
pub fn route(method: &str, params: Option<&RawValue>) -> Option<(SourceName, Box<RawValue>)> {
    let mut params = Object::parse(params?).ok()?;
    let (source, member, own) = match method {
        "prompts/get" => named(&params, "name", own_prompt)?,
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => named(&params, "uri", own_uri)?,
        "completion/complete" => {
            let mut reference = params.get("ref").and_then(|reference| Object::parse(reference).ok())?;
            let (source, member, own) = match reference.read::<String>("type")?.as_str() {
                "ref/prompt" => named(&reference, "name", own_prompt)?,
                "ref/resource" => named(&reference, "uri", own_uri)?,
                _ => return None,
            };
            reference.set(member, own);
            (source, "ref", reference.to_raw())
        }
        _ => return None,
    };
    params.set(member, own);
    Some((source, params.to_raw()))
}

type Own = fn(&str) -> Option<(SourceName, String)>;

fn named(of: &Object, member: &'static str, own: Own) -> Option<(SourceName, &'static str, Box<RawValue>)> {
    let (source, name) = own(&of.read::<String>(member)?)?;
    Some((source, member, raw(&name)))
}

/// One item of a list, under its public name or URI.
#[must_use]
pub fn item(method: &str, source: &SourceName, item: &RawValue) -> Box<RawValue> {
    let Ok(mut members) = Object::parse(item) else { return item.to_owned() };
    match method {
        "prompts/list" => rename(&mut members, "name", |own| public_prompt(source, own)),
        "resources/list" => rename(&mut members, "uri", |own| public_uri(source, own)),
        "resources/templates/list" => rename(&mut members, "uriTemplate", |own| public_uri(source, own)),
        "tools/list" => {
            interface(&mut members, source);
        }
        _ => {}
    }
    members.to_raw()
}

/// `_meta.ui.resourceUri`, and its flat form, of a tool or of what it answers. Whether there was one.
pub(super) fn interface(of: &mut Object, source: &SourceName) -> bool {
    of.replace("_meta", |meta| {
        let mut meta = Object::parse(meta).ok()?;
        let public =
            |own: &RawValue| Some(raw(&public_uri(source, &serde_json::from_str::<String>(own.get()).ok()?)));
        let flat = meta.replace("ui/resourceUri", public);
        let nested = meta.replace("ui", |ui| {
            let mut ui = Object::parse(ui).ok()?;
            ui.replace("resourceUri", public).then(|| ui.to_raw())
        });
        (flat || nested).then(|| meta.to_raw())
    })
}

/// A server's result, with the public form of the URIs in it. What has none is passed on as it is.
#[must_use]
pub fn result(method: &str, source: &SourceName, result: &RawValue) -> Box<RawValue> {
    let (list, each): (&str, Renamed) = match method {
        "tools/call" => ("content", block),
        "prompts/get" => ("messages", message),
        "resources/read" => ("contents", contents),
        _ => return result.to_owned(),
    };
    let rewritten = || {
        let (text, mut is_other) = (result.get(), false);
        if !text.contains("\"uri\"") && !text.contains("resourceUri") {
            return None;
        }
        let mut members = Object::parse(result).ok()?;
        is_other |= interface(&mut members, source);
        if text.contains("\"uri\"") {
            is_other |= members.replace(list, |items| {
                let items: Vec<&RawValue> = serde_json::from_str(items.get()).ok()?;
                Some(raw(&items.into_iter().map(|item| each(item, source)).collect::<Vec<_>>()))
            });
        }
        is_other.then(|| members.to_raw())
    };
    rewritten().unwrap_or_else(|| result.to_owned())
}

/// An item of a result, with the public form of the URIs in it.
type Renamed = fn(&RawValue, &SourceName) -> Box<RawValue>;

fn message(message: &RawValue, source: &SourceName) -> Box<RawValue> {
    let Ok(mut members) = Object::parse(message) else { return message.to_owned() };
    if let Some(content) = members.get("content").map(|content| block(content, source)) {
        members.set("content", content);
    }
    members.to_raw()
}

/// A content block: a link, or a resource in it.
fn block(content: &RawValue, source: &SourceName) -> Box<RawValue> {
    let Ok(mut members) = Object::parse(content) else { return content.to_owned() };
    match members.read::<String>("type").as_deref() {
        Some("resource_link") => rename(&mut members, "uri", |own| public_uri(source, own)),
        Some("resource") => {
            if let Some(resource) = members.get("resource").map(|resource| contents(resource, source)) {
                members.set("resource", resource);
            }
        }
        _ => return content.to_owned(),
    }
    members.to_raw()
}

/// The parameters of `notifications/resources/updated`, with the public form of the URI.
#[must_use]
pub fn update(source: &SourceName, params: &RawValue) -> Box<RawValue> {
    contents(params, source)
}

fn contents(resource: &RawValue, source: &SourceName) -> Box<RawValue> {
    let Ok(mut members) = Object::parse(resource) else { return resource.to_owned() };
    rename(&mut members, "uri", |own| public_uri(source, own));
    members.to_raw()
}

fn rename(members: &mut Object, member: &str, to: impl FnOnce(&str) -> String) {
    if let Some(own) = members.read::<String>(member) {
        members.set(member, raw(&to(&own)));
    }
}

#[cfg(test)]
mod tests;
