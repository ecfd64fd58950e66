//! A short list for agents that would be given more tools than they can read: one tool finds, one calls what was found.
//! Chosen by the address, `/mcp?tools=search`, or by the operator for all whose address does not say `?tools=all`; every
//! tool can still be called by its own name.

use super::call;
use deputy_core::{Arguments, Reason};
use deputy_hub::answers::SOURCE;
use deputy_hub::finding::{self, CALL, FIND, Listing, Named, Own, Sought, rendered};
use deputy_hub::{Hub, Listed, Reach, Refused, ToolAnswer};
use deputy_protocol::jsonrpc::{Fault, code};
use deputy_protocol::mcp::labels::{Labels, Trust};
use deputy_protocol::relay::{Object, raw};
use http::Uri;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Which list an address asks for, if it says; what it says first counts.
pub(super) fn wanted(uri: &Uri) -> Option<Listing> {
    uri.query()?.split('&').find_map(|pair| match pair {
        "tools=search" => Some(Listing::Short),
        "tools=all" => Some(Listing::Whole),
        _ => None,
    })
}

/// The two tools, and of the rest what is the hub's own.
pub(super) fn list(hub: &Hub, mut listed: Vec<Listed>) -> Vec<Listed> {
    listed.retain(|entry| entry.tool.source.as_str() == SOURCE);
    let own = |own: &Own| Listed {
        name: own.tool.public_name(),
        tool: Arc::clone(&own.tool),
        raw: None,
        tabs: Vec::new(),
    };
    let finding = hub.finding().into_iter().flat_map(|finding| [own(&finding.find), own(&finding.call)]);
    finding.chain(listed).collect()
}

/// Whether a name is that of the tool that finds.
pub(super) fn finds(name: &str) -> bool {
    is_own(name, FIND)
}

fn is_own(name: &str, own: &str) -> bool {
    name.strip_prefix(SOURCE).and_then(|rest| rest.strip_prefix("__")) == Some(own)
}

/// What fits a search, of what this caller could call.
pub(super) async fn find(hub: &Hub, reach: &Reach, arguments: &Arguments) -> Result<ToolAnswer, Refused> {
    let Some(finding) = hub.finding() else { return Err(Refused::new(Reason::ToolUnknown)) };
    if let Err(wrong) = finding.find.input.check(arguments.value()) {
        return Err(Refused::because(Reason::ArgumentsInvalid, wrong));
    }
    // Servers that were never asked are asked now; those that were, are not.
    hub.servers().refresh(reach, call::LIST_WITHIN).await;
    let sought = Sought::of(arguments.value());
    let found = hub.find(reach, &sought.query, sought.limit);
    let shown: Vec<_> = found
        .iter()
        .map(|one| finding::Found { name: one.name.as_str(), definition: &one.tool.definition })
        .collect();
    let (content, structured) = rendered(&shown);
    let tool = &finding.find.tool;
    let labels = Labels {
        source: tool.source.clone(),
        origin: tool.origin.clone(),
        tool: tool.definition.name.clone(),
        definition: tool.hash,
        trust: Trust::Untrusted,
        removed: 0,
        more: None,
    };
    Ok(ToolAnswer {
        content,
        structured_content: Some(structured),
        is_error: false,
        labels: Box::new(labels),
    })
}

/// The parameters of a call as they are meant: of `deputy__call_tool` those of the tool that it names, which is called,
/// decided and written down in its place.
///
/// # Errors
/// -32602: it names no tool.
pub(super) fn meant(params: Option<&RawValue>) -> Result<Option<Cow<'_, RawValue>>, Fault> {
    let Some(given) = params else { return Ok(None) };
    let wrong = |words: String| Fault::new(code::INVALID_PARAMS, words);
    // Looked at only where it could be: a large call is not taken apart twice.
    if !given.get().contains(CALL) {
        return Ok(Some(Cow::Borrowed(given)));
    }
    let mut members = Object::parse(given).map_err(|error| wrong(error.to_string()))?;
    if !members.read::<String>("name").is_some_and(|name| is_own(&name, CALL)) {
        return Ok(Some(Cow::Borrowed(given)));
    }
    let arguments = members.get("arguments").map_or_else(Arguments::none, Arguments::parse);
    let arguments = arguments.map_err(|error| wrong(format!("`arguments`: {error}")))?;
    let named = Named::of(&arguments).map_err(wrong)?;
    members.set("name", raw(&named.name));
    members.set("arguments", named.arguments.raw().to_owned());
    Ok(Some(Cow::Owned(members.to_raw())))
}
