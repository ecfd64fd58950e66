//! Servers at an address: Streamable HTTP, of both eras, and the transport before it (`channel`).

mod channel;
pub(in crate::upstream) mod era;
mod hearing;
mod legacy;
mod line;
mod modern;
mod refusal;
mod repeated;
mod session;
mod sessions;
mod wire;

pub(in crate::upstream) use sessions::{before_anything, speaks};

use super::call::{Era, Trouble};
use super::health::Noted;
use super::listening::Listeners;
use super::parked::{Parked, Resumed};
use super::settings::HttpSettings;
use crate::client::Direct;
use async_trait::async_trait;
use deputy_hub::ports::Upstream;
use deputy_hub::ports::upstream::{Ask, Changed, Failure, Health, Reply, Told};
use deputy_protocol::asking::needs::Declared;
use era::Eras;
use modern::Marked;
use repeated::Repeated;
use serde_json::value::RawValue;
use sessions::Sessions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// An MCP server at an address.
pub struct HttpUpstream {
    inner: Arc<Inner>,
}

/// What its tasks share.
struct Inner {
    settings: HttpSettings,
    /// Where its address can be reached without the client of all.
    direct: Option<Direct>,
    eras: Eras,
    sessions: Sessions,
    listeners: Listeners,
    parked: Arc<Parked>,
    marked: Marked,
    repeated: Repeated,
    noted: Noted,
    ids: AtomicU64,
    stop: CancellationToken,
}

impl HttpUpstream {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(settings: HttpSettings) -> Self {
        let limits = &settings.limits;
        let parked = Parked::new(settings.supervisor.clone(), limits.parked, limits.parked_per_principal);
        let inner = Inner {
            direct: settings.client.direct(&settings.url, &settings.supervisor),
            eras: Eras::default(),
            sessions: Sessions::default(),
            listeners: Listeners::default(),
            parked,
            marked: Marked::default(),
            repeated: Repeated::default(),
            noted: Noted::new(Arc::clone(&settings.clock)),
            ids: AtomicU64::new(1),
            stop: settings.supervisor.stopping().child_token(),
            settings,
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Drop for HttpUpstream {
    fn drop(&mut self) {
        self.inner.parked.clear();
        self.inner.stop.cancel();
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
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
        self.inner.sessions.close(&self.inner).await;
        self.inner.stop.cancel();
    }
}

/// There was no reply in time.
pub(in crate::upstream) fn out_of_time(was_sent: &AtomicBool) -> Failure {
    if was_sent.load(Ordering::Relaxed) {
        Failure::TimedOut
    } else {
        Failure::NotSent("it did not become ready in time".to_owned())
    }
}

impl Inner {
    /// Carries one request to its reply: with each kind of trouble it is tried once more.
    async fn carry(
        self: &Arc<Self>,
        ask: &Ask,
        told: &mpsc::Sender<Told>,
        was_sent: &AtomicBool,
    ) -> Result<Reply, Failure> {
        if ["initialize", "subscriptions/listen"].contains(&ask.method.as_str()) {
            return Err(Failure::Untranslatable(format!("`{}` is the hub's own to send", ask.method)));
        }
        let declared = Declared::of(&ask.client.capabilities);
        let (mut is_reopened, mut is_reprobed) = (false, false);
        match self.parked.resume(ask, self.eras.known() == Some(Era::Legacy)).await? {
            Resumed::Fresh | Resumed::Anew => {}
            Resumed::Done(reply) => return Ok(reply),
            Resumed::Call(call) => {
                was_sent.store(true, Ordering::Relaxed);
                return self.parked.carry(call, ask, told).await.map_err(|trouble| match trouble {
                    Trouble::Failed(failure) => failure,
                    Trouble::SessionGone => Failure::Lost("its session ended before the answer".to_owned()),
                    Trouble::Misfit(_) => Failure::Lost("it does not know the call any more".to_owned()),
                });
            }
        }
        loop {
            let carried = match self.era(&ask.principal, &ask.client).await? {
                Era::Modern => self.modern(ask, declared, told, was_sent).await,
                Era::Legacy => self.legacy(ask, declared, told, was_sent).await,
            };
            match carried {
                Ok(reply) => return Ok(reply),
                Err(Trouble::Failed(failure)) => return Err(failure),
                Err(Trouble::SessionGone) if !is_reopened => is_reopened = true,
                Err(Trouble::SessionGone) => {
                    return Err(Failure::NotSent("it forgets its sessions as soon as they began".to_owned()));
                }
                Err(Trouble::Misfit(_)) if !is_reprobed => {
                    is_reprobed = true;
                    self.eras.forget();
                }
                Err(Trouble::Misfit(after_all)) => return after_all,
            }
        }
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.settings.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
