//! Asking a server of the modern era: statelessly.

use super::Inner;
use super::line::HttpLine;
use super::wire::{self, Repeats};
use crate::upstream::call::{Era, OpenCall, Trouble, side};
use deputy_hub::ports::upstream::{Ask, ClientSide, Failure, Reply, Told};
use deputy_protocol::asking::needs::Declared;
use deputy_protocol::asking::param_headers::{ParamHeaders, sifted};
use deputy_protocol::asking::request;
use deputy_protocol::jsonrpc::code;
use deputy_protocol::mcp::headers::{encode, named_by};
use deputy_protocol::mcp::version::MODERN;
use deputy_protocol::relay::{Object, members, raw, texts};
use http::{HeaderMap, HeaderName};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// For how many principals we remember what is repeated in headers.
const MOST_PRINCIPALS: usize = 4096;
/// How many pages of tools are looked through (gateway rule 1).
const MOST_PAGES: usize = 64;

/// The tools whose arguments are repeated in headers, by principal: lists differ.
#[derive(Default)]
pub(super) struct Marked(Mutex<ByPrincipal>);

type ByPrincipal = HashMap<String, HashMap<String, ParamHeaders>>;

impl Marked {
    fn headers(
        &self,
        principal: &str,
        name: Option<&str>,
        params: Option<&RawValue>,
    ) -> Vec<(String, String)> {
        let all = self.lock();
        let Some(tools) = all.get(principal) else { return Vec::new() };
        let of_tool = name.and_then(|name| tools.get(name));
        let Some(of_tool) = of_tool else { return Vec::new() };
        let arguments = params.and_then(|params| members(params, ["arguments"]).ok());
        of_tool.values(arguments.and_then(|[arguments]| arguments))
    }

    fn learn(&self, principal: &str, marked: Vec<(String, ParamHeaders)>, is_first_page: bool) {
        let mut all = self.lock();
        if marked.is_empty() && !all.contains_key(principal) {
            return;
        }
        if all.len() >= MOST_PRINCIPALS && !all.contains_key(principal) {
            all.clear();
        }
        let tools = all.entry(principal.to_owned()).or_default();
        if is_first_page {
            tools.clear();
        }
        tools.extend(marked);
        if tools.is_empty() {
            all.remove(principal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByPrincipal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) async fn modern(
        self: &Arc<Self>,
        ask: &Ask,
        declared: Declared,
        told: &mpsc::Sender<Told>,
        was_sent: &AtomicBool,
    ) -> Result<Reply, Trouble> {
        let reply = self.modern_once(ask, declared, told, was_sent).await?;
        let is_mismatch = matches!(&reply, Reply::Fault { code: code::HEADER_MISMATCH, .. });
        if !is_mismatch || ask.method != "tools/call" {
            return Ok(reply);
        }
        // A header is missing that its definition asks for: look it up, and try once more (reference, section 2.3).
        self.list_tools_again(ask).await?;
        self.modern_once(ask, declared, told, was_sent).await
    }

    async fn modern_once(
        self: &Arc<Self>,
        ask: &Ask,
        declared: Declared,
        told: &mpsc::Sender<Told>,
        was_sent: &AtomicBool,
    ) -> Result<Reply, Trouble> {
        let id = self.next_id();
        let body = request::modern(id, &ask.method, ask.params.as_deref(), &side(ask), MODERN);
        let body = body.map_err(|why| Failure::Untranslatable(format!("`params`: {why}")))?;
        let mut headers = self.modern_headers(&ask.principal, &ask.method, ask.params.as_deref())?;
        crate::trace::tell(&mut headers, ask.trace.as_ref());
        let line = HttpLine::new(self, &ask.principal, (id, headers, body), Repeats::of(ask), None);
        let line = if ask.method == "tools/list" { line.for_a_list() } else { line };
        let call = Box::new(OpenCall::new(Box::new(line), ask, declared, Era::Modern));
        was_sent.store(true, Ordering::Relaxed);
        let reply = self.parked.carry(call, ask, told).await?;
        match reply {
            Reply::Result(result) if ask.method == "tools/list" => {
                Ok(Reply::Result(self.tools(&ask.principal, ask.params.as_deref(), result)))
            }
            reply => Ok(reply),
        }
    }

    /// The headers that repeat the body (gateway rule 17).
    pub(super) fn modern_headers(
        &self,
        principal: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(wire::VERSION, wire::value(MODERN)?);
        headers.insert(wire::METHOD, wire::value(&encode(method))?);
        let Some(named_by) = named_by(method) else { return Ok(headers) };
        let found = params.and_then(|params| texts(params, [named_by]));
        let name: Option<String> = found.and_then(|[name]| serde_json::from_str(name?).ok());
        if let Some(name) = &name {
            headers.insert(wire::NAME, wire::value(&encode(name))?);
        }
        if method == "tools/call" {
            for (name, value) in self.marked.headers(principal, name.as_deref(), params) {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| Failure::Untranslatable(format!("`{name}` is no header name")))?;
                headers.insert(name, wire::value(&value)?);
            }
        }
        Ok(headers)
    }

    /// A list without the tools that a client over HTTP must drop; what their headers are is remembered.
    fn tools(&self, principal: &str, params: Option<&RawValue>, result: Box<RawValue>) -> Box<RawValue> {
        let is_first_page = || {
            let cursor = params.and_then(|params| Object::parse(params).ok());
            cursor.is_none_or(|params| params.get("cursor").is_none())
        };
        if let Some(finished) = self.repeated.known(&result) {
            self.marked.learn(principal, finished.marked.clone(), is_first_page());
            return result;
        }
        let sifted = sifted(&result);
        for (tool, why) in &sifted.dropped {
            tracing::warn!(server = %self.settings.name, tool, %why, "a tool was dropped from the list");
        }
        self.marked.learn(principal, sifted.marked, is_first_page());
        match sifted.result {
            std::borrow::Cow::Owned(kept) => kept,
            std::borrow::Cow::Borrowed(_) => result,
        }
    }

    async fn list_tools_again(self: &Arc<Self>, ask: &Ask) -> Result<(), Trouble> {
        let (told, _) = mpsc::channel(1);
        let mut cursor: Option<Box<RawValue>> = None;
        for _ in 0..MOST_PAGES {
            let params = cursor.as_ref().map(|cursor| raw(&json!({ "cursor": cursor })));
            let list = Ask {
                method: "tools/list".to_owned(),
                params,
                client: ClientSide { log_level: None, progress: false, ..ask.client.clone() },
                principal: ask.principal.clone(),
                timeout: Duration::MAX,
                changes_nothing: true,
                trace: None,
            };
            let declared = Declared::of(&list.client.capabilities);
            let reply = Box::pin(self.modern_once(&list, declared, &told, &AtomicBool::new(false))).await?;
            let Reply::Result(result) = reply else { return Ok(()) };
            let next = Object::parse(&result).ok().and_then(|mut result| result.remove("nextCursor"));
            let next = next.filter(|next| next.get() != "null");
            let is_stuck = next.as_ref().map(|next| next.get()) == cursor.as_ref().map(|cursor| cursor.get());
            if next.is_none() || is_stuck {
                return Ok(());
            }
            cursor = next;
        }
        Ok(())
    }
}
