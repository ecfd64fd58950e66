//! The open, the key and the exchange lane: an MCP server, asked over its own connection (DESIGN section 1).

use super::Still;
use crate::corridor::{MAXIMUM_TIMEOUT, Telling};
use crate::events::{CallEvent, Refused};
use crate::intent::Ready;
use crate::ports::Clock;
use crate::ports::upstream::{Ask, Failure, Reply, Told};
use crate::relay::Relay;
use crate::servers::{Server, refused};
use deputy_core::{Outcome, Reason};
use deputy_protocol::relay::texts;
use deputy_protocol::trace::{TraceContext, carried};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Calls servers.
pub struct ServerLane {
    clock: Arc<dyn Clock>,
}

/// A call on its way to a server.
pub(crate) struct Passing {
    pub(crate) server: Arc<Server>,
    pub(crate) relay: Box<Relay>,
    /// The server's own state, from its earlier answer.
    pub(crate) state: Option<String>,
    /// Which state the client came back with: used up when the call goes on.
    pub(crate) continues: Option<String>,
}

/// What came of a request to a server.
pub(crate) struct Relayed {
    /// For the log.
    pub(crate) outcome: Outcome,
    /// For the client.
    pub(crate) reply: Result<Reply, Refused>,
}

impl ServerLane {
    /// With the time.
    #[must_use]
    pub const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Asks the server, once, and says what is known of the effect.
    pub(crate) async fn perform(
        &self,
        ready: &Ready,
        passing: &Passing,
        trace: Option<&TraceContext>,
        mut telling: Telling<'_>,
        (cancel, still): (&CancellationToken, Still<'_>),
    ) -> Relayed {
        let Passing { server, relay, state, .. } = passing;
        // A right that ended while the call waited is no right.
        if let Err(refused) = still() {
            return Relayed { outcome: Outcome::NotStarted, reply: Err(refused) };
        }
        if cancel.is_cancelled() {
            let refused = Refused::because(Reason::NotStarted, "it was cancelled");
            return Relayed { outcome: Outcome::NotStarted, reply: Err(refused) };
        }
        let call = ready.call();
        let own_name = relay.is_tool_call().then(|| ("name", call.tool.definition.name.as_str()));
        let remaining = call.deadline.since(self.clock.now()).min(MAXIMUM_TIMEOUT);
        let ask = Ask {
            method: relay.method().to_owned(),
            params: Some(carried(relay.params(own_name, state.as_deref()), trace)),
            client: relay.client().clone(),
            principal: server.principal(&ready.caller().principal()),
            timeout: remaining,
            changes_nothing: repeats(ready, passing),
            trace: trace.cloned(),
        };
        let (told, mut tells) = mpsc::channel::<Told>(64);
        let asked = server.upstream.ask(ask, told, cancel);
        let forward = async {
            while let Some(told) = tells.recv().await {
                telling.tell(CallEvent::Told(told.in_its_own_voice())).await;
            }
        };
        let (reply, ()) = tokio::join!(asked, forward);
        match reply {
            Ok(reply) => Relayed { outcome: outcome(&reply), reply: Ok(reply.in_its_own_voice()) },
            Err(failure) => failed(ready, server, &failure),
        }
    }
}

/// Whether the server may be asked twice: for a plain read, that answers nothing it asked.
fn repeats(ready: &Ready, passing: &Passing) -> bool {
    // INVARIANT: no risky call is ever sent twice.
    !ready.call().tool.class.is_risky() && passing.state.is_none() && passing.relay.answers().is_none()
}

/// What a reply says of the effect.
fn outcome(reply: &Reply) -> Outcome {
    let Reply::Result(result) = reply else { return Outcome::Failed };
    let Some([kind, error]) = texts(result, ["resultType", "isError"]) else { return Outcome::Failed };
    let kind: Option<String> = kind.and_then(|kind| serde_json::from_str(kind).ok());
    if kind.as_deref() == Some("input_required") {
        return Outcome::InputRequired;
    }
    if error == Some("true") { Outcome::Failed } else { Outcome::Succeeded }
}

fn failed(ready: &Ready, server: &Server, failure: &Failure) -> Relayed {
    let mut refused = refused(&server.name, failure);
    let outcome = match failure {
        Failure::NotSent(_) | Failure::NoCredential { .. } | Failure::Untranslatable(_) => {
            Outcome::NotStarted
        }
        Failure::Cancelled => Outcome::Cancelled,
        Failure::TooLarge { .. } | Failure::Unusable(_) | Failure::Lost(_) | Failure::TimedOut => {
            Outcome::Unknown
        }
    };
    // What only reads can be asked again; of anything else nobody knows whether it ran.
    if outcome == Outcome::Unknown && ready.call().tool.class.is_risky() && refused.reason != Reason::TooLarge
    {
        refused =
            Refused::because(Reason::OutcomeUnknown, format!("the server `{}`: {failure}", server.name));
    }
    Relayed { outcome, reply: Err(refused) }
}
