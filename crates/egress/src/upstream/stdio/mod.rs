//! Servers that are programs of ours: one message per line over their standard input and output.

mod handshake;
mod hearing;
mod lines;
mod pool;
mod process;
mod run;

use super::call::{Era, OpenCall, Trouble, side};
use super::health::Noted;
use super::http::out_of_time;
use super::listening::{Listeners, Listening};
use super::parked::{Parked, Resumed};
use super::settings::StdioSettings;
use async_trait::async_trait;
use deputy_hub::ports::Upstream;
use deputy_hub::ports::upstream::{Ask, Changed, Failure, Health, Reply, Told};
use deputy_protocol::asking::needs::Declared;
use deputy_protocol::asking::{answer, request};
use deputy_protocol::mcp::version::MODERN;
use pool::Pool;
use process::{Process, Spoken};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// An MCP server that is a program. Its processes are started on demand.
///
/// A process gets the environment of its settings and nothing of the hub's. Principals share one only where the settings
/// say so; a legacy server has one per client of a principal, since it is told once what its client can do.
pub struct StdioUpstream {
    inner: Arc<Inner>,
}

/// What its tasks share.
struct Inner {
    settings: StdioSettings,
    pool: Pool,
    listeners: Listeners,
    parked: Arc<Parked>,
    noted: Noted,
    stop: CancellationToken,
}

impl StdioUpstream {
    /// Nothing is started yet.
    #[must_use]
    pub fn new(settings: StdioSettings) -> Self {
        let limits = &settings.limits;
        let parked = Parked::new(settings.supervisor.clone(), limits.parked, limits.parked_per_principal);
        let inner = Inner {
            pool: Pool::default(),
            listeners: Listeners::default(),
            parked,
            noted: Noted::new(Arc::clone(&settings.clock)),
            stop: settings.supervisor.stopping().child_token(),
            settings,
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Drop for StdioUpstream {
    fn drop(&mut self) {
        self.inner.parked.clear();
        self.inner.stop.cancel();
    }
}

#[async_trait]
impl Upstream for StdioUpstream {
    async fn ask(
        &self,
        ask: Ask,
        told: mpsc::Sender<Told>,
        cancel: &CancellationToken,
    ) -> Result<Reply, Failure> {
        let was_sent = AtomicBool::new(false);
        let carried = tokio::time::timeout(ask.timeout, self.inner.carry(&ask, &told, &was_sent));
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::Cancelled),
            outcome = carried => outcome.unwrap_or_else(|_| Err(out_of_time(&was_sent))),
        };
        if outcome.is_ok() {
            self.inner.pool.worked(self.inner.process_of(&ask.principal));
        }
        self.inner.noted.outcome(&outcome, was_sent.load(Ordering::Relaxed));
        outcome
    }

    fn changes(&self, principal: &str) -> watch::Receiver<Changed> {
        hearing::changes(&self.inner, principal)
    }

    fn updates(&self, principal: &str, uri: &str) -> mpsc::Receiver<Box<RawValue>> {
        hearing::updates(&self.inner, principal, uri)
    }

    fn task_changes(&self, principal: &str, id: &str) -> mpsc::Receiver<()> {
        hearing::task(&self.inner, principal, id)
    }

    fn health(&self) -> Health {
        self.inner.noted.health()
    }

    async fn close(&self) {
        self.inner.parked.clear();
        self.inner.pool.close().await;
        self.inner.stop.cancel();
    }
}

impl Inner {
    async fn carry(
        self: &Arc<Self>,
        ask: &Ask,
        told: &mpsc::Sender<Told>,
        was_sent: &AtomicBool,
    ) -> Result<Reply, Failure> {
        if ["initialize", "subscriptions/listen"].contains(&ask.method.as_str()) {
            return Err(Failure::Untranslatable(format!("`{}` is the hub's own to send", ask.method)));
        }
        match self.parked.resume(ask, self.pool.known() == Some(Era::Legacy)).await? {
            Resumed::Fresh | Resumed::Anew => {}
            Resumed::Done(reply) => return Ok(reply),
            Resumed::Call(call) => {
                was_sent.store(true, Ordering::Relaxed);
                return self.parked.carry(call, ask, told).await.map_err(|trouble| match trouble {
                    Trouble::Failed(failure) => failure,
                    _ => Failure::Lost("its process ended before the answer".to_owned()),
                });
            }
        }
        let mut is_second = false;
        loop {
            let carried = self.carry_once(ask, told, was_sent).await;
            match carried {
                Ok(reply) => return Ok(reply),
                Err(Trouble::Failed(failure)) => return Err(failure),
                // It ended between two calls, or is of another era than its last process was.
                Err(Trouble::SessionGone | Trouble::Misfit(_)) if !is_second => {
                    if matches!(carried, Err(Trouble::Misfit(_))) {
                        self.pool.know(None);
                    }
                    is_second = true;
                }
                Err(Trouble::SessionGone) => {
                    return Err(Failure::NotSent("its process ends as soon as it began".to_owned()));
                }
                Err(Trouble::Misfit(after_all)) => return after_all,
            }
        }
    }

    async fn carry_once(
        self: &Arc<Self>,
        ask: &Ask,
        told: &mpsc::Sender<Told>,
        was_sent: &AtomicBool,
    ) -> Result<Reply, Trouble> {
        let process = self.pool.of(self, self.process_of(&ask.principal), &ask.client).await?;
        let declared = Declared::of(&ask.client.capabilities);
        let id = process.next_id();
        let params = ask.params.as_deref();
        let (era, text) = match process.spoken.get() {
            None => return Err(Trouble::SessionGone),
            Some(Spoken::Modern) => {
                (Era::Modern, request::modern(id, &ask.method, params, &side(ask), MODERN))
            }
            Some(Spoken::Legacy(initialized)) => {
                if ask.method == "server/discover" {
                    let result = answer::discovered(initialized);
                    return Ok(Reply::Result(result.map_err(|why| Failure::Unusable(why.to_string()))?));
                }
                process.log_from(self, ask.client.log_level.as_deref()).await?;
                (Era::Legacy, request::legacy(id, &ask.method, params, &side(ask)))
            }
        };
        let text = text.map_err(|why| Failure::Untranslatable(format!("`params`: {why}")))?;
        let can_be_asked = era == Era::Legacy && declared.anything() && answer::may_ask_back(&ask.method);
        let line = process.begin(self, (id, text), &ask.principal, can_be_asked).await?;
        was_sent.store(true, Ordering::Relaxed);
        let call = Box::new(OpenCall::new(Box::new(line), ask, declared, era));
        self.parked.carry(call, ask, told).await
    }

    /// Under whose name the process of this principal runs.
    fn process_of<'a>(&self, principal: &'a str) -> &'a str {
        if self.settings.is_shared { "" } else { principal }
    }

    /// Who hears what a process says unasked.
    fn listening_to(&self, process_of: &str) -> Vec<Arc<Listening>> {
        if self.settings.is_shared {
            self.listeners.all()
        } else {
            self.listeners.of(process_of).into_iter().collect()
        }
    }

    /// A process ended that nobody told to.
    fn ended_unexpectedly(&self, process_of: &str) {
        self.pool.failed(self, process_of);
        self.noted.failed("its process ended");
        for listening in self.listening_to(process_of) {
            listening.everything_may_have_changed();
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.settings.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Keeps a process from ending for want of use.
struct Pinned(Arc<Process>);

impl Pinned {
    fn new(process: Arc<Process>) -> Self {
        process.pins.fetch_add(1, Ordering::Relaxed);
        Self(process)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::Relaxed);
    }
}
