//! `/s/{server}/mcp`: one server, its names and URIs untouched. What both eras share: handshakes, lists, and the request
//! that goes on as it came.

use super::changes::fingerprint;
use super::{McpDoor, Scope, Wire};
use deputy_core::{Reason, SourceName, Tool, ToolName};
use deputy_hub::ports::upstream::{ClientSide, Reply};
use deputy_hub::servers::{Freshness, Listed, Page, items_of};
use deputy_hub::traces::Trace;
use deputy_hub::{Caller, Reach, Refused, Relay, Server, Target, Wish};
use deputy_protocol::asking::param_headers::ParamHeaders;
use deputy_protocol::jsonrpc::{Fault, code};
use deputy_protocol::mcp::meta::{self, Params};
use deputy_protocol::mcp::version;
use deputy_protocol::mcp::{combined, discover, tasks};
use deputy_protocol::relay::{Object, raw};
use serde_json::json;
use serde_json::value::RawValue;
use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

/// What a cursor is sealed for.
const PURPOSE: &str = "mcp-cursor";
/// How long a cursor is good for.
const LIFE: Duration = Duration::from_secs(3600);

/// The code of a refusal that is no tool's result: outside what JSON-RPC keeps for itself.
pub(super) const REFUSED: i64 = -31_000;

/// What a client said of itself, to be told to the server as it is.
pub(super) fn client_side(params: &Params<'_>) -> ClientSide {
    let meta = params.meta();
    let capabilities = meta.raw(meta::CLIENT_CAPABILITIES).map(ToOwned::to_owned);
    ClientSide {
        capabilities: capabilities.unwrap_or_else(|| raw(&json!({}))).into(),
        implementation: meta.raw(meta::CLIENT_INFO).map(|own| own.to_owned().into()),
        log_level: meta.read(meta::LOG_LEVEL),
        progress: params.progress_token().is_some(),
    }
}

/// A request for a server, as the corridor takes it. `params` went through [`Params::parse`]: none of its members is there
/// twice, so what is read here is what every other reader reads.
pub(super) fn wish(
    server: &SourceName,
    method: &str,
    params: Option<&RawValue>,
    client: ClientSide,
) -> Result<Wish, Fault> {
    let wrong = |words: String| Fault::new(code::INVALID_PARAMS, words);
    let relay = Relay::new(method, params, client).map_err(|error| wrong(error.to_string()))?;
    let arguments = relay.decided().map_err(|error| wrong(error.to_string()))?;
    let target = if relay.is_tool_call() {
        let name = relay.name().ok_or_else(|| wrong("`name` must be a string".to_owned()))?;
        ToolName::new(name.clone())
            .ok()
            .filter(|name| !name.is_method())
            .map_or(Target::Unusable(name), |name| Target::Own(server.clone(), name))
    } else {
        let name = ToolName::new(method).ok().filter(ToolName::is_method);
        let name = name.ok_or_else(|| Fault::new(code::METHOD_NOT_FOUND, "there is no such method here"))?;
        Target::Own(server.clone(), name)
    };
    Ok(Wish {
        target,
        arguments,
        timeout: None,
        tab: None,
        approval: None,
        batch: None,
        relay: Some(Box::new(relay)),
        trace: Trace::default(),
    })
}

/// A refusal of what is no tool's call: an error whose `data` has the stable reason.
pub(super) fn refusal(refused: &Refused) -> Fault {
    let mut data = json!({meta::REASON: refused.reason.code()});
    if let (Some(page), Some(members)) = (&refused.open, data.as_object_mut()) {
        members.insert("url".to_owned(), json!(page.url));
    }
    Fault::new(REFUSED, refused.message.clone()).with_data(data)
}

/// An error of a server's, as it was sent.
pub(super) fn error_object(code: i64, message: &str, data: Option<&RawValue>) -> Box<RawValue> {
    let mut error = Object::default();
    error.set("code", raw(&code));
    error.set("message", raw(message));
    if let Some(data) = data {
        error.set("data", data.to_owned());
    }
    error.to_raw()
}

/// What a request that is no call comes to.
pub(super) enum Looked {
    Result(Box<RawValue>),
    /// The same for many.
    Shared(Arc<RawValue>),
    Error {
        code: i64,
        error: Box<RawValue>,
    },
}

impl Looked {
    fn of(reply: Reply) -> Self {
        match reply {
            Reply::Result(result) => Self::Result(result),
            Reply::Fault { code, message, data } => {
                Self::Error { code, error: error_object(code, &message, data.as_deref()) }
            }
        }
    }
}

/// Whose result is given out under public names, and of which method.
#[derive(Debug, Clone)]
pub(super) struct Renaming {
    source: SourceName,
    method: String,
}

impl Renaming {
    /// The result, with the public form of the URIs in it.
    pub(super) fn result(this: Option<&Self>, result: Box<RawValue>) -> Box<RawValue> {
        match this {
            Some(Self { source, method }) => combined::result(method, source, &result),
            None => result,
        }
    }

    /// Of a server's task, under the id that the client knows.
    pub(super) fn task(&self, id: &str, result: &RawValue) -> Box<RawValue> {
        tasks::answered(&self.source, id, result)
    }

    /// Whose it is.
    pub(super) const fn source(&self) -> &SourceName {
        &self.source
    }
}

impl McpDoor {
    /// On the address of one server nothing is renamed.
    pub(super) fn renaming(&self, caller: &Caller, wish: &Wish) -> Option<Renaming> {
        if self.scope != Scope::All {
            return None;
        }
        let source = self.leads_to(caller, wish)?;
        Some(Renaming { source, method: wish.relay.as_ref()?.method().to_owned() })
    }

    /// The server that a wish is for, if it is for one.
    pub(super) fn leads_to(&self, caller: &Caller, wish: &Wish) -> Option<SourceName> {
        match &wish.target {
            Target::Public(name) => self.hub.server_named(caller, name.as_str()),
            Target::Own(source, _) => Some(source.clone()),
            Target::Unusable(_) => None,
        }
    }

    /// The server, if this caller's tenant has it. A caller can hold a token for it and no longer have it.
    pub(super) fn server(&self, caller: &Caller, name: &SourceName) -> Result<Arc<Server>, Fault> {
        let tenant = &deputy_core::Facts::user(caller).tenant;
        let server = self.hub.servers().of(tenant, name).cloned();
        server.ok_or_else(|| Fault::new(code::INVALID_REQUEST, "there is no such server"))
    }

    /// `server/discover`: the server's own words, but for the versions, which are those that are spoken here.
    pub(super) async fn discover(
        &self,
        reach: &Reach,
        server: &Server,
        client: ClientSide,
    ) -> Result<Looked, Fault> {
        let reply = self.hub.servers().look(reach, server, "server/discover", None, client).await;
        if let Err(Refused { open: Some(_), .. }) = &reply {
            // Until the person connected it the hub introduces itself: else no client would come to the call that asks them.
            return Ok(Looked::Result(raw(&discover::result(true))));
        }
        let Reply::Result(result) = reply.map_err(|refused| refusal(&refused))? else {
            return Err(refusal(&Refused::because(
                Reason::UpstreamUnavailable,
                format!("the server `{}` does not say what it can do", server.name),
            )));
        };
        let mut members =
            Object::parse(&result).map_err(|error| Fault::new(code::INTERNAL, error.to_string()))?;
        members.set("resultType", raw("complete"));
        members.set("supportedVersions", raw(&version::MODERN_SPOKEN));
        members.set("ttlMs", raw(&0));
        members.set("cacheScope", raw("private"));
        Ok(Looked::Result(members.to_raw()))
    }

    /// Arguments that the tool's definition wants repeated in headers are repeated there (2026-07-28, transports). What
    /// this caller does not see is not looked at: it would tell that the tool is there.
    pub(super) async fn repeats(
        &self,
        caller: &Caller,
        server: &Arc<Server>,
        is_meant: impl Fn(&Tool) -> bool,
        wire: &Wire,
        params: &Params<'_>,
    ) -> Result<(), Fault> {
        let reach = self.hub.reach(caller.clone());
        let Some(tool) = self.hub.repeating_tool(&reach, server, is_meant).await else {
            return Ok(());
        };
        ParamHeaders::of_tool(&tool).check(params.members().raw("arguments"), |name| wire.param(name))
    }

    /// One of the four lists, in pages of our own.
    pub(super) async fn list(
        &self,
        caller: Caller,
        server: &Arc<Server>,
        method: &str,
        params: &Params<'_>,
    ) -> Result<Looked, Fault> {
        let principal = caller.principal();
        let reach = self.hub.reach(caller);
        let listed = match self.whole(&reach, server, method).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(reply)) => return Ok(Looked::of(reply)),
            Err(refused) => return Err(refusal(&refused)),
        };
        self.page_of(&listed, &principal, server.name.as_str(), method, params)
    }

    /// The page of a list that was asked for.
    pub(super) fn page_of(
        &self,
        listed: &Listed,
        principal: &str,
        source: &str,
        method: &str,
        params: &Params<'_>,
    ) -> Result<Looked, Fault> {
        // Most lists are one page and need no cursor, so the digest of all of it is made only for one.
        let digest = LazyCell::new(|| listed.digest());
        let binding = || [principal.as_bytes(), source.as_bytes(), method.as_bytes(), digest.as_bytes()];
        let begin = self.begin(params, &binding)?;
        let page = listed.page(begin).map_err(|error| Fault::new(code::INVALID_PARAMS, error.to_string()))?;
        if begin == 0 && page.next.is_none() {
            let whole = listed.whole(|| Ok::<_, Fault>(written(listed, method, page.items, None)));
            return whole.map(Looked::Shared);
        }
        let next = page.next.map(|next| self.cursor(next, &binding)).transpose()?;
        Ok(Looked::Result(written(listed, method, page.items, next.as_deref())))
    }

    /// The page of all tools together that was asked for, and the cursor of the next.
    pub(super) fn tools_page<'l>(
        &self,
        listed: &'l [deputy_hub::Listed],
        principal: &str,
        params: &Params<'_>,
    ) -> Result<(&'l [deputy_hub::Listed], Option<String>), Fault> {
        let digest = LazyCell::new(|| fingerprint(listed, 0));
        let binding = || [principal.as_bytes(), b"", b"tools/list", digest.as_bytes()];
        let begin = self.begin(params, &binding)?;
        let page =
            Page::of(listed, begin).map_err(|error| Fault::new(code::INVALID_PARAMS, error.to_string()))?;
        let next = page.next.map(|next| self.cursor(next, &binding)).transpose()?;
        Ok((page.items, next))
    }

    /// What stands for a place in a list: sealed, so that nobody makes one, and bound to whose it is and of which list.
    fn cursor<'b>(&self, place: usize, binding: &impl Fn() -> [&'b [u8]; 4]) -> Result<String, Fault> {
        let until = self.hub.now().plus(LIFE);
        let sealed = self.hub.sealer().seal(PURPOSE, &binding(), &(place as u64).to_be_bytes(), until);
        sealed.map_err(|_| Fault::new(code::INTERNAL, "a cursor could not be made"))
    }

    /// Where a page begins: at the place that a cursor of ours, for this list as it is now, stands for.
    fn begin<'b>(&self, params: &Params<'_>, binding: &impl Fn() -> [&'b [u8]; 4]) -> Result<usize, Fault> {
        let Some(cursor) = params.members().raw("cursor").filter(|raw| raw.get() != "null") else {
            return Ok(0);
        };
        let cursor: Option<String> = serde_json::from_str(cursor.get()).ok();
        let opened =
            cursor.and_then(|text| self.hub.sealer().open(PURPOSE, &binding(), &text, self.hub.now()).ok());
        let place = opened.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        place.and_then(|place| usize::try_from(place).ok()).ok_or_else(|| {
            let words = "this cursor was not given by this server, or the list has changed since; begin again without one";
            Fault::new(code::INVALID_PARAMS, words)
        })
    }

    async fn whole(
        &self,
        reach: &Reach,
        server: &Arc<Server>,
        method: &str,
    ) -> Result<Result<Listed, Reply>, Refused> {
        if method == "tools/list" {
            return self.hub.server_tools(reach, server, Freshness::Now).await.map(Ok);
        }
        if !self.hub.may_look(reach, server, method) {
            return Ok(Ok(Listed::default()));
        }
        self.hub.servers().list(reach, server, method).await
    }
}

/// A list of which there is more.
pub(super) fn leading_on(list: Box<RawValue>, next: Option<&str>) -> Box<RawValue> {
    let Some(next) = next else { return list };
    let Ok(mut members) = Object::parse(&list) else { return list };
    members.set("nextCursor", raw(next));
    members.to_raw()
}

/// A page of a list, as it is sent.
fn written(listed: &Listed, method: &str, items: &[Arc<RawValue>], next: Option<&str>) -> Box<RawValue> {
    let mut result = listed.rest.clone();
    result.set(items_of(method).unwrap_or("items"), raw(items));
    if let Some(next) = next {
        result.set("nextCursor", raw(next));
    }
    result.set("resultType", raw("complete"));
    if result.get("ttlMs").is_none() {
        result.set("ttlMs", raw(&0));
    }
    // It depends on who asks, whatever the server says (gateway rule 12).
    result.set("cacheScope", raw("private"));
    result.to_raw()
}
