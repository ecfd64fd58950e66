//! A new process' first words: `server/discover`, and `initialize` for those who do not know it (reference, section 1).

use super::process::{Process, Spoken};
use super::{Inner, run};
use crate::upstream::call::{Era, Event, Trouble, shortened};
use crate::upstream::http::era::{Probed, of_discovery, of_error, side_of};
use crate::upstream::http::{before_anything, speaks};
use deputy_hub::ports::upstream::{ClientSide, Failure, Reply};
use deputy_protocol::asking::{answer, request};
use deputy_protocol::mcp::version::{MODERN, Revision};
use deputy_protocol::relay::Object;
use std::sync::Arc;

/// A process whose era is known.
pub(super) async fn started(
    inner: &Arc<Inner>,
    principal: &str,
    client: &ClientSide,
) -> Result<Arc<Process>, Trouble> {
    let process = run::start(inner, principal)?;
    let unready = Unready(Arc::clone(&process));
    let shaken = if inner.pool.known() == Some(Era::Legacy) {
        Shaken::Perhaps(Arc::clone(&process))
    } else {
        discover(inner, &process, client).await
    };
    let process = match shaken {
        Shaken::Done => process,
        Shaken::Fails(failure) => return Err(failure.into()),
        Shaken::Perhaps(_) if process.gone.is_cancelled() => {
            // It ended at a question that it does not know.
            let again = run::start(inner, principal)?;
            let _unready = Unready(Arc::clone(&again));
            initialize(inner, &again, client).await?;
            again
        }
        Shaken::Perhaps(process) => {
            initialize(inner, &process, client).await?;
            process
        }
    };
    drop(unready);
    let spoken = process.spoken.get().map_or(Era::Legacy, Spoken::era);
    inner.pool.know(Some(spoken));
    Ok(process)
}

enum Shaken {
    Done,
    Perhaps(Arc<Process>),
    Fails(Failure),
}

async fn discover(inner: &Arc<Inner>, process: &Arc<Process>, client: &ClientSide) -> Shaken {
    let perhaps = || Shaken::Perhaps(Arc::clone(process));
    let id = process.next_id();
    let Ok(text) = request::modern(id, "server/discover", None, &side_of(client), MODERN) else {
        return perhaps();
    };
    let answer = tokio::time::timeout(inner.settings.limits.probe, process.answer(inner, (id, text))).await;
    let probed = match answer {
        Ok(Ok(Event::Result(result))) => of_discovery(&result),
        Ok(Ok(Event::Error { code, data, .. })) => of_error(code, data.as_deref()),
        Ok(Err(Trouble::Failed(Failure::Lost(_)))) => {
            // Its end is noted a moment later.
            process.gone.cancelled().await;
            Probed::Perhaps
        }
        _ => Probed::Perhaps,
    };
    match probed {
        Probed::Is(Era::Modern) => {
            let _ = process.spoken.set(Spoken::Modern);
            inner.noted.speaks(MODERN);
            Shaken::Done
        }
        Probed::Fails(failure) => Shaken::Fails(failure),
        _ => perhaps(),
    }
}

async fn initialize(inner: &Arc<Inner>, process: &Arc<Process>, client: &ClientSide) -> Result<(), Trouble> {
    let id = process.next_id();
    let text = request::initialize(id, &side_of(client), Revision::November2025.text());
    let answer =
        tokio::time::timeout(inner.settings.limits.handshake, process.answer(inner, (id, text))).await;
    let not_sent = |why: String| Trouble::Failed(Failure::NotSent(why));
    let answer = answer.map_err(|_| not_sent("it did not answer `initialize` in time".to_owned()))?;
    let result = match answer.map_err(|trouble| before_anything(ended(trouble)))? {
        Event::Result(result) => result,
        // It took longer to start than its first answer may take, and it was `server/discover` that it heard first.
        Event::Error { code, data, .. }
            if matches!(of_error(code, data.as_deref()), Probed::Is(Era::Modern)) =>
        {
            let _ = process.spoken.set(Spoken::Modern);
            inner.noted.speaks(MODERN);
            return Ok(());
        }
        Event::Error { code, message, data } if answer::is_modern_error(code) => {
            return Err(Trouble::Misfit(Ok(Reply::Fault { code, message, data })));
        }
        Event::Error { message, .. } => {
            return Err(not_sent(format!("it refused `initialize`: {}", shortened(&message))));
        }
        _ => return Err(not_sent("it did not answer `initialize`".to_owned())),
    };
    let revision = Object::parse(&result).ok().and_then(|result| result.read::<String>("protocolVersion"));
    let revision = revision.unwrap_or_default();
    if !speaks(&revision) {
        let revision: String = revision.chars().take(32).collect();
        return Err(not_sent(format!("it speaks `{revision}`, which the hub does not")));
    }
    process
        .say(request::notification("notifications/initialized", None))
        .await
        .map_err(|failure| before_anything(failure.into()))?;
    inner.noted.speaks(&revision);
    let _ = process.spoken.set(Spoken::Legacy(result));
    Ok(())
}

/// A process during its handshake: if that fails or is given up, nobody will use it.
struct Unready(Arc<Process>);

impl Drop for Unready {
    fn drop(&mut self) {
        if self.0.spoken.get().is_none() {
            self.0.stop.cancel();
        }
    }
}

/// A process that ended during its handshake is not tried again at once.
fn ended(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::SessionGone => {
            Trouble::Failed(Failure::NotSent("its process ended before it was ready".to_owned()))
        }
        trouble => trouble,
    }
}
