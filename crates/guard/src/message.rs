//! Messages on their way through: read once, judged, spliced, and otherwise left as they were sent. No sockets.

use crate::policy::{Ruling, Scopes};
use crate::user::GuardedUser;
use deputy_protocol::jsonrpc::{self, Body, Fault, Id, Message, code};
use deputy_protocol::mcp::meta::{PROGRESS_TOKEN, PROTOCOL_VERSION, Params};
use deputy_protocol::mcp::ours;
use deputy_protocol::relay::{Object, raw};
use serde_json::json;
use serde_json::value::RawValue;

/// Ours, on requests to the server: who is calling.
pub(crate) const USER: &str = "dev.deputy/user";

/// What a client sent.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// It asks.
    Request(Ask),
    /// It tells.
    Notification {
        /// What happened.
        method: String,
        /// With what, look-alikes taken out.
        params: Option<Object>,
    },
    /// It answers.
    Answer {
        /// Which question of the server's.
        id: Id,
        /// The whole message.
        text: Box<RawValue>,
    },
}

/// A request.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The client's own id.
    pub(crate) id: Id,
    pub(crate) method: String,
    /// The tool, prompt, resource or task it is about.
    pub(crate) name: Option<String>,
    /// Whether it carries the modern envelope, and so needs no session.
    pub(crate) version: Option<String>,
    /// Under which token it wants to hear of progress.
    pub(crate) progress: Option<Id>,
    /// Look-alikes taken out.
    params: Option<Object>,
}

/// Why a message goes no further.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is answered with an error, as the server would.
    Fault(Fault),
    /// It takes more scope.
    Scope(String),
}

/// Reads what a client sent: one message.
pub(crate) fn read(body: &[u8]) -> Result<Wanted, Fault> {
    let message = match jsonrpc::parse(body)? {
        Body::One(message) => message,
        Body::Batch(_) => {
            let words = "batches are not taken here: send each message by itself";
            return Err(Fault::new(code::INVALID_REQUEST, words));
        }
    };
    match message {
        Message::Request(request) => {
            let params = Params::parse(request.params).map_err(|fault| fault.answering(Some(&request.id)))?;
            let named_by = deputy_protocol::mcp::headers::named_by(&request.method);
            Ok(Wanted::Request(Ask {
                name: named_by.and_then(|member| params.members().text(member)),
                version: meta_text(request.params, PROTOCOL_VERSION),
                progress: params.progress_token(),
                params: spliceable(request.params).map_err(|fault| fault.answering(Some(&request.id)))?,
                id: request.id,
                method: request.method,
            }))
        }
        Message::Notification(notification) => {
            // Nothing but a notification is sent without an id: a server might act on it all the same.
            if !notification.method.starts_with("notifications/") {
                return Err(Fault::new(code::INVALID_REQUEST, "`id` is missing"));
            }
            Params::parse(notification.params)?;
            Ok(Wanted::Notification { params: spliceable(notification.params)?, method: notification.method })
        }
        Message::Response(response) => {
            let outcome = match &response.outcome {
                Ok(result) => jsonrpc::relayed(&response.id, Ok(clean(result).as_deref().unwrap_or(result))),
                Err(error) => jsonrpc::relayed(&response.id, Err(&clean_error(error))),
            };
            Ok(Wanted::Answer { id: response.id, text: outcome })
        }
    }
}

fn meta_text(params: Option<&RawValue>, member: &str) -> Option<String> {
    Object::parse(Object::parse(params?).ok()?.get("_meta")?).ok()?.read(member)
}

/// Parameters whose members can be set. [`Params::parse`] has made sure that none is there twice.
fn spliceable(params: Option<&RawValue>) -> Result<Option<Object>, Fault> {
    let Some(params) = params else { return Ok(None) };
    let wrong = |why: deputy_protocol::relay::NotAnObject| Fault::new(code::INVALID_PARAMS, why.to_string());
    let mut params = Object::parse(params).map_err(wrong)?;
    ours::take_out(&mut params);
    Ok(Some(params))
}

impl Ask {
    /// Whether the person may ask this.
    pub(crate) fn judge(&self, scopes: &Scopes, user: &GuardedUser) -> Result<(), Refusal> {
        let fault = |code, words: String| Refusal::Fault(Fault::new(code, words).answering(Some(&self.id)));
        match scopes.method(user.scopes(), &self.method) {
            Ruling::Open => {}
            Ruling::Needs(scope) => return Err(Refusal::Scope(scope)),
            // As for a method that the server does not know: who may not know of it cannot tell.
            Ruling::Closed => return Err(fault(code::METHOD_NOT_FOUND, "Method not found".to_owned())),
        }
        if self.method != "tools/call" {
            return Ok(());
        }
        let tool = self.name.as_deref();
        let tool = tool.ok_or_else(|| fault(code::INVALID_PARAMS, "`name` must be a string".to_owned()))?;
        match scopes.tool(user.scopes(), tool) {
            Ruling::Open => Ok(()),
            Ruling::Needs(scope) => Err(Refusal::Scope(scope)),
            Ruling::Closed => Err(fault(code::INVALID_PARAMS, format!("Unknown tool: {tool}"))),
        }
    }

    /// As it goes to the server: under this id, its progress under the same one if `progress` says so, with the person in
    /// `_meta` if there is one.
    pub(crate) fn text(&self, id: &Id, user: Option<&GuardedUser>, progress: Option<&Id>) -> Box<RawValue> {
        let mut params = self.params.clone();
        let progress = progress.filter(|_| self.progress.is_some());
        if user.is_some() || progress.is_some() {
            let all = params.get_or_insert_default();
            let mut meta = all.get("_meta").and_then(|meta| Object::parse(meta).ok()).unwrap_or_default();
            if let Some(token) = progress {
                meta.set(PROGRESS_TOKEN, raw(token));
            }
            if let Some(user) = user {
                meta.set(USER, word(user));
            }
            all.set("_meta", meta.to_raw());
        }
        let params = params.map(|params| params.to_raw());
        jsonrpc::asking(Some(id), &self.method, params.as_deref())
    }
}

/// What `_meta` says of the person.
fn word(user: &GuardedUser) -> Box<RawValue> {
    let person = user.person();
    let mut word = json!({
        "iss": person.issuer,
        "sub": person.subject,
        "client": user.client(),
        "scopes": user.scopes(),
    });
    if let (Some(tenant), Some(members)) = (&person.tenant, word.as_object_mut()) {
        members.insert("tenant".to_owned(), json!(tenant));
    }
    raw(&word)
}

/// What the server sent, without what only we say.
#[derive(Debug)]
pub(crate) enum Said {
    /// It answers.
    Answer { id: Id, outcome: Result<Box<RawValue>, Box<RawValue>> },
    /// It asks.
    Request { id: Id, method: String, params: Option<Box<RawValue>> },
    /// It tells.
    Notification { method: String, params: Option<Box<RawValue>> },
}

/// Reads what the server sent; what is no message is left out.
pub(crate) fn read_server(bytes: &[u8]) -> Vec<Said> {
    match jsonrpc::parse(bytes) {
        Ok(Body::One(message)) => vec![said(message)],
        Ok(Body::Batch(messages)) => messages.into_iter().flatten().map(said).collect(),
        Err(_) => Vec::new(),
    }
}

fn said(message: Message<'_>) -> Said {
    let clean = |raw: &RawValue| clean(raw).unwrap_or_else(|| raw.to_owned());
    match message {
        Message::Response(response) => {
            let outcome = match response.outcome {
                Ok(result) => Ok(clean(result)),
                Err(error) => Err(clean_error(error)),
            };
            Said::Answer { id: response.id, outcome }
        }
        Message::Request(request) => {
            Said::Request { id: request.id, method: request.method, params: request.params.map(clean) }
        }
        Message::Notification(told) => {
            Said::Notification { method: told.method, params: told.params.map(clean) }
        }
    }
}

fn clean(raw: &RawValue) -> Option<Box<RawValue>> {
    ours::taken_out(raw)
}

fn clean_error(error: &RawValue) -> Box<RawValue> {
    let Ok(mut members) = Object::parse(error) else { return error.to_owned() };
    if members.replace("data", ours::without) { members.to_raw() } else { error.to_owned() }
}

impl Said {
    /// As it goes to the client. `method`: what was asked, if it is known; if it is not, whatever looks like a list of
    /// tools is taken for one.
    pub(crate) fn text(&self, method: Option<&str>, scopes: &Scopes, user: &GuardedUser) -> Box<RawValue> {
        match self {
            Self::Answer { id, outcome } => self::answer(id, outcome, method, scopes, user),
            Self::Request { id, method, params } => jsonrpc::asking(Some(id), method, params.as_deref()),
            Self::Notification { method, params } => jsonrpc::asking(None, method, params.as_deref()),
        }
    }
}

/// An answer under an id, its list of tools cut to what the person may use.
pub(crate) fn answer(
    id: &Id,
    outcome: &Result<Box<RawValue>, Box<RawValue>>,
    method: Option<&str>,
    scopes: &Scopes,
    user: &GuardedUser,
) -> Box<RawValue> {
    let result = match outcome {
        Ok(result) => result,
        Err(error) => return jsonrpc::relayed(id, Err(error)),
    };
    if method.is_some_and(|method| method != "tools/list") {
        return jsonrpc::relayed(id, Ok(result));
    }
    let shown = |tool: &str| scopes.tool(user.scopes(), tool) == Ruling::Open;
    match tools(result, shown) {
        Some(result) => jsonrpc::relayed(id, Ok(&result)),
        None => jsonrpc::relayed(id, Ok(result)),
    }
}

/// A result whose `tools` are only those that are shown. `None`: it has none. What cannot be read is not shown.
fn tools(result: &RawValue, shown: impl Fn(&str) -> bool) -> Option<Box<RawValue>> {
    let mut members = Object::parse(result).ok()?;
    let has = members.replace("tools", |list| {
        let items: Vec<Box<RawValue>> = serde_json::from_str(list.get()).unwrap_or_default();
        let kept: Vec<Box<RawValue>> = items.into_iter().filter_map(|item| tool(&item, &shown)).collect();
        Some(raw(&kept))
    });
    // What one person is shown must not be kept for another.
    members.replace("cacheScope", |_| Some(raw("private")));
    has.then(|| members.to_raw())
}

fn tool(item: &RawValue, shown: impl Fn(&str) -> bool) -> Option<Box<RawValue>> {
    let mut members = Object::parse(item).ok()?;
    let name: String = members.read("name")?;
    let twice = members.iter().filter(|(member, _)| *member == "name").count() > 1;
    if twice || !shown(&name) {
        return None;
    }
    ours::take_out(&mut members);
    Some(members.to_raw())
}

#[cfg(test)]
mod tests;
