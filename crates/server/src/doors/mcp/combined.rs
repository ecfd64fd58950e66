//! `/mcp` beyond tools: prompts and resources of all servers together, under names and URIs that say whose they are.

use super::relay::Looked;
use super::{McpDoor, Scope};
use deputy_core::{Facts as _, SourceName};
use deputy_hub::servers::{Listed, items_of};
use deputy_hub::{Caller, Reach, Refused};
use deputy_protocol::jsonrpc::{Fault, code};
use deputy_protocol::mcp::meta::{self, Params};
use deputy_protocol::mcp::tools::Missing;
use deputy_protocol::mcp::{HUB, combined};
use deputy_protocol::relay::{Object, raw};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// How long one server may take to list what it has.
const LIST_WITHIN: Duration = Duration::from_secs(5);

impl McpDoor {
    /// Whether this caller's tenant has any server at all.
    pub(super) fn has_servers(&self, caller: &Caller) -> bool {
        self.hub.servers().all(&caller.user().tenant).next().is_some()
    }

    /// One of the lists but that of tools: of all servers at the same time, in the order of their names.
    pub(super) async fn list_all(
        &self,
        caller: Caller,
        method: &str,
        params: &Params<'_>,
    ) -> Result<Looked, Fault> {
        let principal = caller.principal();
        let reach = self.hub.reach(caller);
        let servers: Vec<_> = self.hub.servers().all(&reach.user().tenant).cloned().collect();
        let asked = servers.iter().map(|server| async {
            let listed = tokio::time::timeout(LIST_WITHIN, self.one_of_all(&reach, server, method)).await;
            (
                server.name.clone(),
                listed.unwrap_or_else(|_| Err(Refused::new(deputy_core::Reason::UpstreamTimeout))),
            )
        });
        let (mut all, mut missing) = (Listed::default(), Vec::new());
        for (source, listed) in futures_util::future::join_all(asked).await {
            match listed {
                Ok(items) => all.items.extend(items.iter().map(|item| public(method, &source, item))),
                Err(refused) => missing.push(Missing {
                    source: source.to_string(),
                    reason: refused.reason.code(),
                    message: refused.message,
                    url: refused.open.map(|page| page.url),
                }),
            }
        }
        let mut own = json!({meta::SERVER_INFO: HUB.to_value()});
        if let Some(members) = own.as_object_mut().filter(|_| !missing.is_empty()) {
            members.insert(meta::MISSING.to_owned(), json!(missing));
        }
        all.rest.set("_meta", raw(&own));
        self.page_of(&all, &principal, "", method, params)
    }

    /// How an update of a resource is told here.
    pub(super) fn updates(&self) -> fn(&SourceName, &RawValue) -> Box<RawValue> {
        match self.scope {
            Scope::All => combined::update,
            Scope::Server(_) => |_, params| params.to_owned(),
        }
    }

    async fn one_of_all(
        &self,
        reach: &Reach,
        server: &Arc<deputy_hub::Server>,
        method: &str,
    ) -> Result<Vec<Arc<RawValue>>, Refused> {
        if !self.hub.may_look(reach, server, method) {
            return Ok(Vec::new());
        }
        // A server that has no such list has nothing in it.
        Ok(self
            .hub
            .servers()
            .list(reach, server, method)
            .await?
            .map(|listed| listed.items)
            .unwrap_or_default())
    }
}

fn public(method: &str, source: &SourceName, item: &RawValue) -> Arc<RawValue> {
    combined::item(method, source, item).into()
}

/// To which server a request goes, and how it says it.
pub(super) fn route(method: &str, params: Option<&RawValue>) -> Result<(SourceName, Box<RawValue>), Fault> {
    combined::route(method, params).ok_or_else(|| {
        let uri = params
            .and_then(|params| Object::parse(params).ok())
            .and_then(|params| params.read::<String>("uri"));
        let fault = Fault::new(code::INVALID_PARAMS, "there is nothing of this name here");
        match uri {
            Some(uri) => fault.with_data(json!({"uri": uri})),
            None => fault,
        }
    })
}

/// Whether a method lists what many servers have together.
pub(super) fn is_list(method: &str) -> bool {
    method != "tools/list" && items_of(method).is_some()
}

/// Methods that go to the server whose name or URI they have.
pub(super) fn is_routed(method: &str) -> bool {
    matches!(method, "prompts/get" | "resources/read" | "completion/complete")
}
