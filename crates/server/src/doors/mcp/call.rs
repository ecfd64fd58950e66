//! What both eras share: lists, wishes, endings, and the sealed state of a call that waits for a person.

use super::stream::Outgoing;
use deputy_core::{ApprovalId, Digest, Reason, Timestamp};
use deputy_hub::ports::upstream::ClientSide;
use deputy_hub::traces::Trace;
use deputy_hub::{CallEvent, Caller, Hub, Listed, Reach, Refused, Relay, Target, ToolAnswer, Wish};
use deputy_protocol::jsonrpc::{Fault, Id, asking, code};
use deputy_protocol::mcp::progress;
use deputy_protocol::mcp::tools::{Asked, Ending, Entry, Missing, Tab};
use deputy_protocol::relay::{Object, raw};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// What a sealed state is for (R3).
const PURPOSE: &str = "mcp-approval";
/// How long after the time to decide a state is still read, so that it is the hub that says what became of it.
const GRACE: Duration = Duration::from_secs(600);

/// The list in the words of the wire.
pub(super) fn entries(listed: &[Listed]) -> Vec<Entry<'_>> {
    let tabs = |listed: &'_ Listed| {
        let tab = |tab: &'_ deputy_hub::TabSummary| tab.last_focused.map(|at| at.to_string());
        listed.tabs.iter().map(tab).collect::<Vec<_>>()
    };
    listed
        .iter()
        .map(|entry| Entry {
            name: &entry.name,
            tool: &entry.tool,
            raw: entry.raw.as_deref(),
            tabs: entry
                .tabs
                .iter()
                .zip(tabs(entry))
                .map(|(tab, last_focused)| Tab { id: tab.id.as_str(), title: &tab.title, last_focused })
                .collect(),
        })
        .collect()
}

/// How long a server may take to list its tools when many are listed together.
pub(super) const LIST_WITHIN: Duration = Duration::from_secs(5);

/// What this caller could call, of all sources, and the sources that do not answer.
pub(super) async fn everything(hub: &Hub, reach: &Reach) -> (Vec<Listed>, Vec<Missing>) {
    let missing = hub.refresh(reach, LIST_WITHIN).await;
    let missing = missing.into_iter().map(|(source, refused)| Missing {
        source: source.to_string(),
        reason: refused.reason.code(),
        message: refused.message,
        url: refused.open.map(|page| page.url),
    });
    (hub.tools(reach), missing.collect())
}

/// What the corridor is asked for. The request itself goes along, for the tool may be a server's.
///
/// # Errors
/// The parameters cannot be passed on.
pub(super) fn wish(
    asked: Asked,
    approval: Option<ApprovalId>,
    params: Option<&RawValue>,
    client: ClientSide,
) -> Result<Wish, Fault> {
    let Asked { name, arguments, tab, .. } = asked;
    let relay = Relay::new("tools/call", params, client);
    let mut relay = relay.map_err(|error| Fault::new(code::INVALID_PARAMS, error.to_string()))?;
    if approval.is_some() {
        relay = relay.without_state();
    }
    let relay = Some(Box::new(relay));
    Ok(Wish {
        target: Target::public(&name),
        arguments,
        timeout: None,
        tab,
        approval,
        batch: None,
        relay,
        trace: Trace::default(),
    })
}

/// How it ended, in the words of the wire.
pub(super) fn ending(done: Result<ToolAnswer, Refused>) -> Ending {
    match done {
        Ok(ToolAnswer { content, structured_content, is_error, labels }) => {
            Ending::Answered { content, structured_content, is_error, labels }
        }
        Err(Refused { reason, message, .. }) => Ending::Refused { reason, message },
    }
}

/// One call too many of one principal: not begun, and worth trying again.
pub(super) fn busy(hub: &Hub) -> Ending {
    hub.count_refused("mcp", Reason::Busy.code());
    ending(Err(Refused::new(Reason::Busy)))
}

/// A step as a notification, if the client asked for progress and the step can be written.
pub(super) fn moved(token: Option<&Id>, event: &CallEvent) -> Option<Outgoing> {
    match event {
        CallEvent::Progress { progress, total, message } => {
            progress::moved(token?, *progress, *total, message.as_deref()).map(|moved| raw(&moved))
        }
        CallEvent::Told(told) if told.method == "notifications/progress" => {
            let mut params = told.params.as_deref().and_then(|params| Object::parse(params).ok())?;
            params.set("progressToken", raw(token?));
            Some(asking(None, &told.method, Some(&params.to_raw())))
        }
        CallEvent::Told(told) => Some(asking(None, &told.method, told.params.as_deref())),
        _ => None,
    }
}

/// What a state is bound to: whose it is, and exactly which call (R3).
#[derive(Debug, Clone)]
pub(super) struct Bound {
    principal: Arc<str>,
    name: String,
    arguments: Digest,
}

impl Bound {
    pub(super) fn to(caller: &Caller, asked: &Asked) -> Self {
        Self { principal: caller.principal(), name: asked.name.clone(), arguments: *asked.arguments.digest() }
    }

    /// A request for a server.
    pub(super) fn to_wish(caller: &Caller, wish: &Wish) -> Self {
        let name = wish.target.to_string();
        Self { principal: caller.principal(), name, arguments: *wish.arguments.digest() }
    }

    /// Whose call it is.
    pub(super) fn principal(&self) -> &str {
        &self.principal
    }

    fn parts(&self) -> [&[u8]; 4] {
        [self.principal.as_bytes(), b"tools/call", self.name.as_bytes(), self.arguments.as_bytes()]
    }

    /// The state to come back with.
    pub(super) fn seal(&self, hub: &Hub, approval: &ApprovalId, until: Timestamp) -> Result<String, Refused> {
        let sealed =
            hub.sealer().seal(PURPOSE, &self.parts(), approval.as_str().as_bytes(), until.plus(GRACE));
        sealed.map_err(|error| {
            tracing::error!(%error, "a state could not be sealed");
            Refused::new(Reason::Internal)
        })
    }

    /// The approval that a state stands for: given by us, to this caller, for this very call, not long ago.
    pub(super) fn open(&self, hub: &Hub, state: &str) -> Result<ApprovalId, Fault> {
        let opened = hub.sealer().open(PURPOSE, &self.parts(), state, hub.now()).ok();
        let approval = opened.and_then(|bytes| ApprovalId::new(String::from_utf8(bytes).ok()?).ok());
        approval.ok_or_else(|| {
            let words = "this `requestState` is not for this call, or it is too old; call again without it";
            Fault::new(code::INVALID_PARAMS, words)
        })
    }
}
