//! Hearing what processes say unasked. Updates start a process; changes are heard from one that runs anyway, and as long
//! as somebody listens it does not end for want of use.

use super::process::{Process, Spoken, StdioLine};
use super::{Inner, Pinned};
use crate::upstream::call::{Event, Line as _, Trouble};
use crate::upstream::http::era::side_of;
use crate::upstream::listening::{Begun, Listening, Wanted};
use deputy_hub::ports::upstream::{Changed, ClientSide, Failure};
use deputy_protocol::asking::request;
use deputy_protocol::mcp::version::MODERN;
use deputy_protocol::relay::raw;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const RETRY: Duration = Duration::from_secs(1);

pub(super) fn changes(inner: &Arc<Inner>, principal: &str) -> watch::Receiver<Changed> {
    let (receiver, new) = inner.listeners.changes(principal);
    if let Some(listening) = new {
        begin(inner, principal, listening);
    }
    receiver
}

pub(super) fn updates(inner: &Arc<Inner>, principal: &str, uri: &str) -> mpsc::Receiver<Box<RawValue>> {
    heed(inner, principal, inner.listeners.updates(principal, uri))
}

pub(super) fn task(inner: &Arc<Inner>, principal: &str, id: &str) -> mpsc::Receiver<()> {
    heed(inner, principal, inner.listeners.task(principal, id))
}

fn heed<T: Send + 'static>(inner: &Arc<Inner>, principal: &str, mut begun: Begun<T>) -> mpsc::Receiver<T> {
    let (ended, stop) = (begun.wake_at_the_end(), inner.stop.clone());
    inner.settings.supervisor.start(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = ended => {}
        }
    });
    if begun.is_new {
        begin(inner, principal, begun.listening);
    }
    begun.receiver
}

fn begin(inner: &Arc<Inner>, principal: &str, listening: Arc<Listening>) {
    let (inner, principal) = (Arc::clone(inner), principal.to_owned());
    let supervisor = inner.settings.supervisor.clone();
    supervisor.start_until_shutdown(async move {
        let stop = inner.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = hear(&inner, &principal, &listening) => {}
        }
    });
}

async fn hear(inner: &Arc<Inner>, principal: &str, listening: &Arc<Listening>) {
    while !inner.listeners.is_over(principal) {
        let process_of = inner.process_of(principal);
        let is_watched_only = listening.wanted().is_empty();
        let process = if is_watched_only {
            inner.pool.running(process_of).await
        } else {
            inner.pool.of(inner, process_of, &ClientSide::default()).await.ok()
        };
        let heard = match process {
            Some(process) => hear_on(inner, principal, listening, process).await,
            None => Err(Trouble::SessionGone),
        };
        if heard.is_err() {
            tokio::select! {
                () = tokio::time::sleep(RETRY), if !is_watched_only => {}
                () = listening.wake.notified() => {}
                () = listening.unwatched(), if is_watched_only => {}
            }
        }
    }
}

/// Until nobody listens any more, or the process ends.
async fn hear_on(
    inner: &Arc<Inner>,
    principal: &str,
    listening: &Arc<Listening>,
    process: Arc<Process>,
) -> Result<(), Trouble> {
    let pinned = Pinned::new(process);
    match pinned.0.spoken.get() {
        Some(Spoken::Modern) => modern(inner, principal, listening, &pinned.0).await,
        Some(spoken @ Spoken::Legacy(_)) => {
            legacy(inner, listening, &pinned.0, spoken.has_subscriptions()).await
        }
        None => Err(Trouble::SessionGone),
    }
}

async fn modern(
    inner: &Arc<Inner>,
    principal: &str,
    listening: &Arc<Listening>,
    process: &Arc<Process>,
) -> Result<(), Trouble> {
    let mut heard: Option<(StdioLine, Wanted)> = None;
    loop {
        let wanted = listening.wanted();
        if !listening.is_wanted() {
            if let Some((mut line, _)) = heard {
                line.give_up(Vec::new());
            }
            return Ok(());
        }
        if heard.as_ref().is_none_or(|(_, old)| *old != wanted) {
            let line = listen(inner, principal, process, &wanted).await?;
            // The new one is asked for before the old one ends.
            if let Some((mut old, _)) = heard.replace((line, wanted.clone())) {
                old.give_up(Vec::new());
            }
            // A process reads in order: what happens from now on it tells.
            listening.look_at_tasks();
        }
        let Some((line, _)) = &mut heard else { return Ok(()) };
        tokio::select! {
            event = line.next() => match event? {
                Event::Told(_) | Event::Asked(_) => {}
                // It does not let us listen, or ended it: not again on this process.
                _ => {
                    process.gone.cancelled().await;
                    return Err(Trouble::SessionGone);
                }
            },
            () = listening.wake.notified() => {}
            () = listening.unwatched(), if wanted.is_empty() => {}
        }
    }
}

async fn listen(
    inner: &Arc<Inner>,
    principal: &str,
    process: &Arc<Process>,
    wanted: &Wanted,
) -> Result<StdioLine, Trouble> {
    let (params, client) = wanted.listen();
    let id = process.next_id();
    let text = request::modern(id, "subscriptions/listen", Some(&params), &side_of(&client), MODERN);
    let text = text.map_err(|why| Failure::Untranslatable(why.to_string()))?;
    process.begin(inner, (id, text), principal, false).await
}

async fn legacy(
    inner: &Arc<Inner>,
    listening: &Arc<Listening>,
    process: &Arc<Process>,
    has_subscriptions: bool,
) -> Result<(), Trouble> {
    let mut subscribed = BTreeSet::new();
    loop {
        let is_over = !listening.is_wanted();
        let wanted: BTreeSet<String> =
            listening.wanted().uris.into_iter().filter(|_| has_subscriptions).collect();
        for (method, uris) in [
            ("resources/subscribe", wanted.difference(&subscribed)),
            ("resources/unsubscribe", subscribed.difference(&wanted)),
        ] {
            for uri in uris {
                let asked = process.request(inner, method, &raw(&json!({ "uri": uri }))).await;
                if let Err(trouble @ Trouble::SessionGone) = asked {
                    return Err(trouble);
                }
            }
        }
        if is_over {
            return Ok(());
        }
        let is_watched_only = listening.wanted().is_empty();
        subscribed = wanted;
        tokio::select! {
            () = process.gone.cancelled() => return Err(Trouble::SessionGone),
            () = listening.wake.notified() => {}
            () = listening.unwatched(), if is_watched_only => {}
        }
    }
}
