//! Asking a server of the legacy era, within a session.

use super::Inner;
use super::line::HttpLine;
use super::wire::Repeats;
use crate::upstream::call::{Era, OpenCall, Trouble, side};
use deputy_hub::ports::upstream::{Ask, Failure, Reply, Told};
use deputy_protocol::asking::answer;
use deputy_protocol::asking::needs::Declared;
use deputy_protocol::asking::request;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

impl Inner {
    pub(super) async fn legacy(
        self: &Arc<Self>,
        ask: &Ask,
        declared: Declared,
        told: &mpsc::Sender<Told>,
        was_sent: &AtomicBool,
    ) -> Result<Reply, Trouble> {
        let session = self.sessions.of(self, &ask.principal, &ask.client).await?;
        if ask.method == "server/discover" {
            let result = answer::discovered(&session.initialized);
            return Ok(Reply::Result(result.map_err(|why| Failure::Unusable(why.to_string()))?));
        }
        session.log_from(self, ask.client.log_level.as_deref()).await.inspect_err(|trouble| {
            if matches!(trouble, Trouble::SessionGone) {
                session.gone.cancel();
            }
        })?;
        let id = self.next_id();
        let body = request::legacy(id, &ask.method, ask.params.as_deref(), &side(ask));
        let body = body.map_err(|why| Failure::Untranslatable(format!("`params`: {why}")))?;
        let can_be_asked = declared.anything() && answer::may_ask_back(&ask.method);
        let aside = session.begin(id, can_be_asked, self)?;
        let within = Some((Arc::clone(&session), aside));
        let mut headers = session.headers();
        crate::trace::tell(&mut headers, ask.trace.as_ref());
        let line = HttpLine::new(self, &ask.principal, (id, headers, body), Repeats::of(ask), within);
        let line = if ask.method == "tools/list" { line.for_a_list() } else { line };
        let call = Box::new(OpenCall::new(Box::new(line), ask, declared, Era::Legacy));
        was_sent.store(true, Ordering::Relaxed);
        self.parked.carry(call, ask, told).await.inspect_err(|trouble| {
            if matches!(trouble, Trouble::SessionGone | Trouble::Misfit(_)) {
                session.gone.cancel();
            }
        })
    }
}
