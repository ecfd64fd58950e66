//! The processes of one server: per principal, and per client where the era wants it; started on demand with growing
//! pauses after failures, bounded, and ended when nobody uses them.

use super::process::Process;
use super::{Inner, handshake};
use crate::upstream::call::{Era, Trouble};
use deputy_hub::ports::upstream::{ClientSide, Failure};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The pause after the second failure in a row; it doubles with each.
const PAUSE_MS: u64 = 500;
const LONGEST_PAUSE_MS: u64 = 60_000;

#[derive(Default)]
pub(super) struct Pool {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    failures: Mutex<HashMap<String, Failures>>,
    known: Mutex<Option<Era>>,
    probing: tokio::sync::Mutex<()>,
    is_swept: AtomicBool,
}

struct Slot {
    principal: String,
    running: tokio::sync::Mutex<Option<Arc<Process>>>,
}

/// A process that stands nowhere yet: dropped before it does, it is stopped.
struct Fresh(Option<Arc<Process>>);

impl Fresh {
    /// It stands in its slot: whoever waits for one to hear may look.
    fn keep(mut self, inner: &Inner, slot: &mut Option<Arc<Process>>) -> Option<Arc<Process>> {
        let process = self.0.take()?;
        *slot = Some(Arc::clone(&process));
        for listening in inner.listening_to(&process.principal) {
            listening.wake.notify_one();
        }
        Some(process)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.stop.cancel();
        }
    }
}

#[derive(Default, Clone, Copy)]
struct Failures {
    in_a_row: u32,
    not_before_ms: u64,
}

impl Pool {
    /// A process for this client of this principal, its handshake done. A start goes on without whoever wanted it first:
    /// some programs take longer to begin than their first client waits.
    pub(super) async fn of(
        &self,
        inner: &Arc<Inner>,
        principal: &str,
        client: &ClientSide,
    ) -> Result<Arc<Process>, Trouble> {
        if let Some(process) = self.ready(principal, client) {
            process.used(inner);
            return Ok(process);
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (inner, principal, client) = (Arc::clone(inner), principal.to_owned(), client.clone());
        let supervisor = inner.settings.supervisor.clone();
        supervisor.start(async move {
            let _ = sender.send(inner.pool.started(&inner, &principal, &client).await);
        });
        receiver.await.unwrap_or(Err(Trouble::SessionGone))
    }

    fn ready(&self, principal: &str, client: &ClientSide) -> Option<Arc<Process>> {
        let key = key(self.known()?, principal, client);
        let slots = self.lock();
        let running = slots.get(&key)?.running.try_lock().ok()?;
        running.as_ref().filter(|process| process.is_usable()).map(Arc::clone)
    }

    async fn started(
        &self,
        inner: &Arc<Inner>,
        principal: &str,
        client: &ClientSide,
    ) -> Result<Arc<Process>, Trouble> {
        if let Some(era) = self.known() {
            return self.in_slot(inner, principal, client, era).await;
        }
        let probing = self.probing.lock().await;
        if let Some(era) = self.known() {
            drop(probing);
            return self.in_slot(inner, principal, client, era).await;
        }
        let fresh = self.start(inner, principal, client).await?;
        let era = self.known().unwrap_or(Era::Legacy);
        let slot = self.slot(inner, principal, key(era, principal, client))?;
        let mut running = slot.running.lock().await;
        fresh.keep(inner, &mut running).ok_or(Trouble::SessionGone)
    }

    async fn in_slot(
        &self,
        inner: &Arc<Inner>,
        principal: &str,
        client: &ClientSide,
        era: Era,
    ) -> Result<Arc<Process>, Trouble> {
        let slot = self.slot(inner, principal, key(era, principal, client))?;
        let mut running = slot.running.lock().await;
        if let Some(process) = running.as_ref().filter(|process| process.is_usable()) {
            process.used(inner);
            return Ok(Arc::clone(process));
        }
        let fresh = self.start(inner, principal, client).await?;
        fresh.keep(inner, &mut running).ok_or(Trouble::SessionGone)
    }

    /// One that runs for this principal, if any does.
    pub(super) async fn running(&self, principal: &str) -> Option<Arc<Process>> {
        let of_principal = |slot: &&Arc<Slot>| slot.principal == principal;
        let slots: Vec<_> = self.lock().values().filter(of_principal).map(Arc::clone).collect();
        for slot in slots {
            let running = slot.running.lock().await;
            if let Some(process) = running.as_ref().filter(|process| process.is_usable()) {
                return Some(Arc::clone(process));
            }
        }
        None
    }

    pub(super) fn known(&self) -> Option<Era> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn know(&self, era: Option<Era>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = era;
    }

    /// It did not start, or ended: next time not so soon.
    pub(super) fn failed(&self, inner: &Inner, principal: &str) {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= inner.settings.limits.sessions {
            all.clear();
        }
        let failures = all.entry(principal.to_owned()).or_default();
        failures.in_a_row = failures.in_a_row.saturating_add(1);
        let doublings = failures.in_a_row.saturating_sub(2).min(16);
        let pause_ms = if failures.in_a_row < 2 { 0 } else { (PAUSE_MS << doublings).min(LONGEST_PAUSE_MS) };
        failures.not_before_ms = inner.elapsed_ms().saturating_add(pause_ms);
    }

    /// It works.
    pub(super) fn worked(&self, principal: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(principal);
    }

    /// Tells all to end, and waits until they have.
    pub(super) async fn close(&self) {
        let slots: Vec<_> = self.lock().drain().map(|(_, slot)| slot).collect();
        let ends = slots.into_iter().map(|slot| async move {
            if let Some(process) = slot.running.lock().await.take() {
                process.stop.cancel();
                process.ended.cancelled().await;
            }
        });
        futures_util::future::join_all(ends).await;
    }

    async fn start(
        &self,
        inner: &Arc<Inner>,
        principal: &str,
        client: &ClientSide,
    ) -> Result<Fresh, Trouble> {
        self.not_too_soon(inner, principal)?;
        let started = handshake::started(inner, principal, client).await;
        if !matches!(started, Ok(_) | Err(Trouble::Misfit(_))) {
            self.failed(inner, principal);
        }
        let fresh = Fresh(Some(started?));
        self.sweep_from_now_on(inner);
        Ok(fresh)
    }

    fn not_too_soon(&self, inner: &Inner, principal: &str) -> Result<(), Failure> {
        let all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failures) = all.get(principal) else { return Ok(()) };
        let wait = failures.not_before_ms.saturating_sub(inner.elapsed_ms());
        if wait == 0 {
            return Ok(());
        }
        let wait = Duration::from_millis(wait).as_secs_f32();
        Err(Failure::NotSent(format!(
            "it failed {} times in a row; it is started again in {wait:.1} s",
            failures.in_a_row
        )))
    }

    fn slot(&self, inner: &Inner, principal: &str, key: String) -> Result<Arc<Slot>, Failure> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(&key) {
            return Ok(Arc::clone(slot));
        }
        let most = inner.settings.limits.sessions;
        if slots.len() >= most {
            let idle = slots.iter().filter_map(|(key, slot)| Some((slot.idle_since_ms()?, key.clone())));
            let longest = idle.min().map(|(_, key)| key);
            let ended = longest.and_then(|key| slots.remove(&key));
            let ended =
                ended.ok_or_else(|| Failure::NotSent(format!("all of its {most} processes are in use")))?;
            ended.end();
        }
        let slot = Arc::new(Slot { principal: principal.to_owned(), running: tokio::sync::Mutex::default() });
        slots.insert(key, Arc::clone(&slot));
        Ok(slot)
    }

    fn sweep_from_now_on(&self, inner: &Arc<Inner>) {
        if self.is_swept.swap(true, Ordering::SeqCst) {
            return;
        }
        let (weak, idle) = (Arc::downgrade(inner), inner.settings.limits.idle);
        inner.settings.supervisor.start_until_shutdown(async move {
            loop {
                tokio::time::sleep((idle / 2).max(Duration::from_millis(10))).await;
                let Some(inner) = weak.upgrade() else { return };
                if inner.stop.is_cancelled() || inner.pool.sweep(&inner) {
                    return;
                }
            }
        });
    }

    /// Ends what is idle. True: nothing is left to sweep.
    fn sweep(&self, inner: &Inner) -> bool {
        let now = inner.elapsed_ms();
        let idle = u64::try_from(inner.settings.limits.idle.as_millis()).unwrap_or(u64::MAX);
        let mut slots = self.lock();
        slots.retain(|_, slot| {
            let is_over = slot.idle_since_ms().is_some_and(|since| now.saturating_sub(since) >= idle);
            if is_over {
                slot.end();
            }
            !is_over
        });
        if slots.is_empty() {
            self.is_swept.store(false, Ordering::SeqCst);
        }
        slots.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn idle_since_ms(&self) -> Option<u64> {
        let process = self.running.try_lock().ok()?;
        let alive = process.as_ref().filter(|process| process.is_usable());
        alive.map_or(Some(0), |process| process.idle_since_ms())
    }

    fn end(&self) {
        if let Some(process) = self.running.try_lock().ok().and_then(|mut process| process.take()) {
            process.stop.cancel();
        }
    }
}

/// A modern process takes what a client can do with each request; a legacy one was told once (gateway rule 3).
fn key(era: Era, principal: &str, client: &ClientSide) -> String {
    match era {
        Era::Modern => format!("\0\0{principal}"),
        Era::Legacy => {
            let implementation = client.implementation.as_deref().map(RawValue::get).unwrap_or_default();
            format!("{}\0{implementation}\0{principal}", client.capabilities.get())
        }
    }
}
