//! Calls that go on to MCP servers: found, continued where one was interrupted, and released as they were answered.

use super::{Corridor, Listener, Stop, Target, traced, unavailable};
use crate::caller::Caller;
use crate::catalog::{Resolution, Resolved};
use crate::events::{CallEvent, Refused};
use crate::intent::{Reach, Ready};
use crate::lanes::{Passing, Relayed};
use crate::ports::upstream::Reply;
use crate::relay::Relay;
use crate::servers::{Freshness, Server};
use crate::traces::Trace;
use deputy_core::{Call, Facts, GrantId, Outcome, PublicName, Reason, Tool, ToolName};
use deputy_policy::Authorized;
use deputy_protocol::jsonrpc::code;
use deputy_protocol::relay::{Object, raw};
use deputy_protocol::schema::Schema;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Lets out what a server tells on the way.
pub(crate) struct Telling<'a> {
    corridor: &'a Corridor,
    ready: &'a Ready,
    events: &'a mpsc::Sender<CallEvent>,
    /// Whether the intent is on disk, once that is known.
    durable: Option<bool>,
}

impl Telling<'_> {
    /// INVARIANT: nothing is let out before the intent is on disk.
    pub(crate) async fn tell(&mut self, step: CallEvent) {
        let durable = match self.durable {
            Some(durable) => durable,
            None => *self.durable.insert(self.ready.on_disk().await.is_ok()),
        };
        if durable {
            let caller = self.ready.caller();
            self.corridor.taint.mark(caller.user(), caller.client());
            // A slow reader loses what is told on the way, never the end.
            let _ = self.events.try_send(step);
        }
    }
}

impl Corridor {
    /// The server that a name leads to, of those that this caller's tenant has.
    pub(super) fn server_of(&self, caller: &Caller, target: &Target) -> Option<Arc<Server>> {
        let tenant = &caller.user().tenant;
        match target {
            Target::Own(source, _) => self.servers.of(tenant, source).cloned(),
            Target::Public(name) => self.servers.named_by(tenant, name.as_str()).cloned(),
            Target::Unusable(_) => None,
        }
    }

    /// Whether policy could let somebody do anything at a server: who may nothing there is not told that they could connect it,
    /// for that would tell them that there is one (invariant 7).
    pub(crate) fn might_use<C: Facts>(&self, who: &C, server: &Server) -> bool {
        let mut sight = self.engine.sight(who, self.clock.now());
        let mut shows = |tool: &Tool| sight.of(tool).is_visible();
        self.servers.known_to_anybody(&server.name).iter().any(|tool| shows(tool))
            || server.unlisted(&self.engine.names()).iter().any(shows)
    }

    /// From a name to a server's tool, or to one of its other methods.
    pub(super) async fn resolve_in(
        &self,
        server: &Arc<Server>,
        caller: &Caller,
        target: &Target,
    ) -> Resolution {
        let found = |tool, schema| Resolution::Found(Box::new(Resolved { tool, schema, tab: None }));
        if let Target::Own(_, name) = target
            && name.is_method()
        {
            let Some(tool) = server.method(name.as_str()) else {
                return Resolution::Refused(Refused::new(Reason::ToolUnknown));
            };
            return found(tool, Arc::new(Schema::anything()));
        }
        let means = |name: &ToolName| match target {
            Target::Own(_, own) => own == name,
            Target::Public(public) => PublicName::of(&server.name, name) == *public,
            Target::Unusable(_) => false,
        };
        let reach = Reach::new(caller.clone());
        let mut held = false;
        for freshness in [Freshness::Lately, Freshness::Now] {
            let tools = match self.servers.tools(&reach, server, freshness).await {
                Ok(tools) => tools,
                Err(Refused { open: Some(_), .. }) if !self.might_use(caller, server) => {
                    return Resolution::Refused(Refused::new(Reason::ToolUnknown));
                }
                Err(refused) => return Resolution::Refused(refused),
            };
            if let Some(offered) = tools.tools.iter().find(|one| means(&one.offer.definition.name)) {
                return found(offered.tool.as_ref().clone(), Arc::clone(&offered.offer.input));
            }
            held = tools.held.iter().any(|(name, was_known)| *was_known && means(name));
        }
        Resolution::Refused(if held {
            Refused::because(Reason::ToolChanged, "nobody has accepted the new one yet")
        } else {
            Refused::new(Reason::ToolUnknown)
        })
    }

    /// Takes up what was interrupted, if the client comes back with a state. A yes that the call had is still its own.
    pub(super) async fn passing(
        &self,
        caller: Caller,
        call: &Call,
        server: Arc<Server>,
        relay: Option<Box<Relay>>,
    ) -> Result<(Caller, Option<Passing>), Stop> {
        let Some(relay) = relay else {
            return Err(self.refuse_call(&caller, call, Refused::new(Reason::Internal)).await);
        };
        let Some(state) = relay.state() else {
            return Ok((caller, Some(Passing { server, relay, state: None, continues: None })));
        };
        let now = self.clock.now();
        let Some(interrupted) = self.continuing.open(&caller, call, &state, now) else {
            return Err(self.not_continued(&caller, call).await);
        };
        let standing = self.approvals.standing();
        let has_ended = |grant: &GrantId| standing.has_ended(grant);
        let caller = interrupted.caller(caller, call, self.engine.version(), now, has_ended);
        let continues = Some(interrupted.once);
        Ok((caller, Some(Passing { server, relay, state: interrupted.state, continues })))
    }

    /// The last thing before the intent of a call that goes on: its state is used up (gateway rule 20).
    pub(super) async fn take_up(
        &self,
        authorized: &Authorized<Caller>,
        passing: Option<&Passing>,
    ) -> Result<(), Stop> {
        let Some(once) = passing.and_then(|passing| passing.continues.as_deref()) else { return Ok(()) };
        if self.continuing.spend(once, self.clock.now()) {
            return Ok(());
        }
        Err(self.not_continued(authorized.caller(), authorized.call()).await)
    }

    /// Nothing went to the server: the client may come back with the same state.
    fn let_go(&self, passing: &Passing) {
        if let Some(once) = &passing.continues {
            self.continuing.give_back(once);
        }
    }

    async fn not_continued(&self, caller: &Caller, call: &Call) -> Stop {
        if let Err(error) = self.journal.refuse_call(caller, call, Reason::OutcomeUnknown).await {
            return unavailable(&error);
        }
        Stop::Faulted(Reply::Fault {
            code: code::INVALID_PARAMS,
            message: "this `requestState` is not for this call, was used, or is too old; whether the call before went on \
                      is not known"
                .to_owned(),
            data: Some(raw(&serde_json::json!({"reason": Reason::OutcomeUnknown.code()}))),
        })
    }

    /// Record, ask the server, record, release.
    pub(super) async fn pass_on(
        &self,
        authorized: Authorized<Caller>,
        passing: &Passing,
        listener: Listener<'_>,
        trace: &Trace,
    ) -> CallEvent {
        let lane = passing.server.right.lane();
        let intent = self.journal.submit(authorized, lane);
        let waits = intent.is_risky().then(|| trace.span(traced::INTENT));
        let ready = match intent.ready().await {
            Ok(ready) => ready,
            Err((_, error)) => {
                tracing::error!(%error, "a call is refused: its intent is not on disk");
                self.let_go(passing);
                return CallEvent::Done(Err(Refused::new(Reason::AuditUnavailable)));
            }
        };
        drop(waits);
        let asks = traced::asking(trace, &ready, lane);
        let within = trace.within(&asks);
        let relayed = ready.meanwhile(self.relay(&ready, passing, listener, &within)).await;
        if relayed.outcome == Outcome::NotStarted {
            self.let_go(passing);
        }
        let reason = relayed.reply.as_ref().err().map(|refused| refused.reason);
        traced::came(trace, asks, relayed.outcome, reason);
        if let Err(error) = self.recorded(&ready, relayed.outcome, reason, trace).await {
            tracing::error!(%error, call = %ready.call().id, "an answer is held back: its lines are not on disk");
            let words = format!(
                "the outcome was `{}` and could not be recorded",
                crate::meter::word(relayed.outcome)
            );
            return CallEvent::Done(Err(Refused::because(Reason::AuditUnavailable, words)));
        }
        self.taint.mark(ready.caller().user(), ready.caller().client());
        match relayed.reply {
            Ok(reply) if relayed.outcome == Outcome::InputRequired => self.interrupted(&ready, reply),
            Ok(reply) => CallEvent::Replied(reply),
            Err(refused) => CallEvent::Done(Err(self.with_state(&ready, passing, refused))),
        }
    }

    /// The call waits until the person connected the server: what it had got so far stays its own, a yes above all.
    fn with_state(&self, ready: &Ready, passing: &Passing, mut refused: Refused) -> Refused {
        if let Some(page) = &mut refused.open {
            let authorized = ready.intent().authorized();
            page.state = self.continuing.seal(authorized, passing.state.clone(), self.clock.now());
        }
        refused
    }

    /// Asks the server, and lets what it tells out once the intent is on disk.
    async fn relay(
        &self,
        ready: &Ready,
        passing: &Passing,
        (events, cancel): Listener<'_>,
        trace: &Trace,
    ) -> Relayed {
        let still = || self.still(ready);
        let cancel = cancel.child_token();
        let telling = Telling { corridor: self, ready, events, durable: None };
        let mut relayed =
            pin!(self.server_lane.perform(ready, passing, trace.context(), telling, (&cancel, &still)));
        // A switch cancels it, and it ends in its own time.
        let relayed = tokio::select! {
            relayed = relayed.as_mut() => relayed,
            () = self.thrown.until_stopped(ready.caller(), &ready.call().tool) => {
                cancel.cancel();
                relayed.await
            }
        };
        Relayed {
            reply: relayed.reply.map_err(|refused| self.said_by_whom(ready, relayed.outcome, refused)),
            ..relayed
        }
    }

    /// The server's state is replaced by one of the hub's, that holds it.
    fn interrupted(&self, ready: &Ready, reply: Reply) -> CallEvent {
        let Reply::Result(result) = reply else { return CallEvent::Replied(reply) };
        let sealed = Object::parse(&result).ok().and_then(|mut members| {
            let state = members.read::<String>("requestState");
            let sealed = self.continuing.seal(ready.intent().authorized(), state, self.clock.now())?;
            members.set("requestState", raw(&sealed));
            Some(members.to_raw())
        });
        match sealed {
            Some(result) => CallEvent::Replied(Reply::Result(result)),
            None => CallEvent::Done(Err(Refused::new(Reason::Internal))),
        }
    }
}
