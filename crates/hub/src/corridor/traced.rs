//! What is told of a call in its trace (`traces.rs`): never arguments, answers or people.

use super::Corridor;
use crate::events::{CallEvent, Refused};
use crate::intent::Ready;
use crate::meter;
use crate::ports::StoreError;
use crate::ports::upstream::Reply;
use crate::traces::{Span, Trace};
use deputy_core::{Call, Outcome, Reason};

/// From a wish to a verdict.
pub(super) const DECIDE: &str = "decide";
/// A person's decision is waited for.
pub(super) const WAIT: &str = "wait for a person";
/// The line of the intent is waited for: before the effect if the class is risky, else before the answer is released.
pub(super) const INTENT: &str = "record intent";
/// The line of the outcome is waited for.
const OUTCOME: &str = "record outcome";

/// The call is known.
pub(super) fn about(trace: &Trace, call: &Call) {
    trace.say(|said| {
        let definition = &call.tool.definition;
        said.set("deputy.call", call.id.as_str().to_owned());
        said.set("deputy.source", call.tool.source.as_str().to_owned());
        said.set("deputy.class", call.tool.class.words().join(","));
        if !definition.name.is_method() {
            said.set("gen_ai.tool.name", definition.name.as_str().to_owned());
            said.target = Some(definition.name.as_str().to_owned());
        }
    });
}

/// How the request ended.
pub(super) fn ended(trace: &Trace, last: &CallEvent) {
    trace.say(|said| {
        said.has_ended = true;
        said.error = None;
        match last {
            CallEvent::Done(Err(Refused { reason, .. })) => {
                said.set("deputy.reason", reason.code());
                said.error = Some(reason.code().into());
            }
            CallEvent::Done(Ok(answer)) if answer.is_error => said.error = Some("tool_error".into()),
            CallEvent::Replied(Reply::Fault { code, .. }) => {
                said.set("rpc.response.status_code", code.to_string());
                said.error = Some(code.to_string().into());
            }
            CallEvent::Parked { .. } => said.set("deputy.reason", Reason::ApprovalRequired.code()),
            CallEvent::Done(Ok(_)) | CallEvent::Replied(Reply::Result(_)) => {}
            // Never the last.
            CallEvent::Progress { .. } | CallEvent::Told(_) => {}
        }
    });
}

/// The span of the effect itself.
pub(super) fn asking(trace: &Trace, ready: &Ready, lane: &'static str) -> Span {
    let call = ready.call();
    let name = &call.tool.definition.name;
    let is_method = name.is_method();
    let mut span =
        trace.asking(|| if is_method { name.as_str().to_owned() } else { format!("tools/call {name}") });
    span.set("deputy.source", || call.tool.source.as_str().to_owned());
    span.set("deputy.lane", || lane);
    if !is_method {
        span.set("mcp.method.name", || "tools/call");
        span.set("gen_ai.operation.name", || "execute_tool");
        span.set("gen_ai.tool.name", || name.as_str().to_owned());
    }
    span
}

/// What came of it.
pub(super) fn came(trace: &Trace, mut span: Span, outcome: Outcome, reason: Option<Reason>) {
    let word = meter::word(outcome);
    span.set("deputy.outcome", || word);
    trace.say(|said| said.set("deputy.outcome", word));
    match (outcome, reason) {
        (Outcome::Succeeded | Outcome::InputRequired, _) => {}
        (_, Some(reason)) => span.fail(reason.code()),
        (Outcome::Failed, None) => span.fail("tool_error"),
        (_, None) => span.fail(word),
    }
}

impl Corridor {
    /// Waits for both lines of a call: nothing is released before they are on disk.
    pub(super) async fn recorded(
        &self,
        ready: &Ready,
        outcome: Outcome,
        reason: Option<Reason>,
        trace: &Trace,
    ) -> Result<(), StoreError> {
        // A risky call has waited before its effect.
        let waits = (!ready.call().tool.class.is_risky()).then(|| trace.span(INTENT));
        let first = if ready.line_is_held() { Ok(()) } else { ready.on_disk().await };
        drop(waits);
        let _records = trace.span(OUTCOME);
        self.journal.close(ready, first, (outcome, reason), &self.supervisor).await
    }
}
