//! What servers of the modern era say, for clients of the legacy one: a client that meets a structure that it does not know
//! refuses the whole answer, a list of a hundred tools for the schema of one of them.

use super::content;
use super::version::Revision;
use crate::relay::{Object, raw, texts};
use serde_json::Value;
use serde_json::value::RawValue;

/// A tool's result. `None`: it is fit as it is.
///
/// Structured content that is no object is said as text, unless there is text already: servers repeat it there. Kinds of
/// content that the revision does not know are text too.
#[must_use]
pub fn result(result: &RawValue, revision: Revision) -> Option<Box<RawValue>> {
    let [structured, content] = texts(result, ["structuredContent", "content"])?;
    let unfit = structured.filter(|text| !text.starts_with('{') && *text != "null");
    if unfit.is_none() && revision.has_structure() {
        return None;
    }
    let said: Vec<&RawValue> = content.map_or(Ok(Vec::new()), serde_json::from_str).ok()?;
    let older: Vec<Option<Box<RawValue>>> = match revision.has_structure() {
        true => said.iter().map(|_| None).collect(),
        false => said.iter().map(|block| older(block)).collect(),
    };
    if unfit.is_none() && older.iter().all(Option::is_none) {
        return None;
    }
    let blocks = older.into_iter().zip(said).map(|(older, said)| older.unwrap_or_else(|| said.to_owned()));
    let mut blocks: Vec<Box<RawValue>> = blocks.collect();
    if let Some(unfit) = unfit.filter(|_| !blocks.iter().any(|block| is_text(block))) {
        blocks.push(raw(&content::text(unfit)));
    }
    let mut members = Object::parse(result).ok()?;
    if unfit.is_some() {
        members.remove("structuredContent");
    }
    members.set("content", raw(&blocks));
    Some(members.to_raw())
}

/// A block of a kind that the oldest revision does not know, as text. `None`: it knows it.
fn older(block: &RawValue) -> Option<Box<RawValue>> {
    let said: Value = serde_json::from_str(block.get()).ok()?;
    let mut older = said.clone();
    content::make_older(&mut older);
    (older != said).then(|| raw(&older))
}

fn is_text(block: &RawValue) -> bool {
    texts(block, ["type"]).is_some_and(|[kind]| kind == Some("\"text\""))
}

/// A list of tools. `None`: it is fit as it is.
#[must_use]
pub fn list(list: &RawValue) -> Option<Box<RawValue>> {
    if !list.get().contains("\"outputSchema\"") {
        return None;
    }
    let mut members = Object::parse(list).ok()?;
    let is_other = members.replace("tools", |tools| {
        let tools: Vec<&RawValue> = serde_json::from_str(tools.get()).ok()?;
        let fitted: Vec<Option<Box<RawValue>>> = tools.iter().map(|one| tool(one)).collect();
        let is_other = fitted.iter().any(Option::is_some);
        let all = fitted.into_iter().zip(tools).map(|(fit, tool)| fit.unwrap_or_else(|| tool.to_owned()));
        is_other.then(|| raw(&all.collect::<Vec<_>>()))
    });
    is_other.then(|| members.to_raw())
}

/// A tool. What it answers has to be an object; of anything else nothing is promised. `None`: it is fit as it is.
#[must_use]
pub fn tool(tool: &RawValue) -> Option<Box<RawValue>> {
    let [schema] = texts(tool, ["outputSchema"])?;
    let schema: Value = serde_json::from_str(schema?).ok()?;
    if schema.get("type").and_then(Value::as_str) == Some("object") {
        return None;
    }
    let mut members = Object::parse(tool).ok()?;
    members.remove("outputSchema");
    Some(members.to_raw())
}

#[cfg(test)]
mod tests;
