//! Which era a server is of (reference, section 1): found out once, and again when it stops fitting.

use super::Inner;
use super::line::HttpLine;
use super::wire::Repeats;
use crate::upstream::call::{Era, Event, Line as _, Trouble};
use deputy_hub::ports::upstream::{ClientSide, Failure, Reply};
use deputy_protocol::asking::answer;
use deputy_protocol::asking::request::{self, Side};
use deputy_protocol::jsonrpc::code;
use deputy_protocol::mcp::version::{MODERN, MODERN_SPOKEN};
use deputy_protocol::relay::Object;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is known.
#[derive(Default)]
pub(super) struct Eras {
    known: Mutex<Option<Era>>,
    /// It speaks by the transport of 2024-11-05.
    has_channel: AtomicBool,
    probing: tokio::sync::Mutex<()>,
}

impl Eras {
    pub(super) fn known(&self) -> Option<Era> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self) {
        self.set_channel(false);
        self.set(None);
    }

    /// Whether it is known to speak by the transport of 2024-11-05.
    pub(super) fn has_channel(&self) -> bool {
        self.has_channel.load(Ordering::Relaxed)
    }

    pub(super) fn set_channel(&self, has_channel: bool) {
        self.has_channel.store(has_channel, Ordering::Relaxed);
    }

    fn set(&self, era: Option<Era>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = era;
    }
}

/// What a first modern request says of a server.
pub(in crate::upstream) enum Probed {
    Is(Era),
    /// No modern server answers so.
    Perhaps,
    /// Nobody can tell: it cannot be asked.
    Fails(Failure),
}

impl Inner {
    /// The server's era; asked if it is not known. Whoever comes meanwhile waits.
    pub(super) async fn era(self: &Arc<Self>, principal: &str, client: &ClientSide) -> Result<Era, Failure> {
        if let Some(era) = self.eras.known() {
            return Ok(era);
        }
        let _probing = self.eras.probing.lock().await;
        if let Some(era) = self.eras.known() {
            return Ok(era);
        }
        let era = match self.probe(principal, client).await {
            Probed::Is(era) => era,
            Probed::Fails(failure) => return Err(failure),
            Probed::Perhaps => self.try_session(principal, client).await?,
        };
        if era == Era::Modern {
            self.noted.speaks(MODERN);
        }
        self.eras.set(Some(era));
        Ok(era)
    }

    /// `server/discover` has no effect, so it is what is tried.
    async fn probe(self: &Arc<Self>, principal: &str, client: &ClientSide) -> Probed {
        let id = self.next_id();
        let body = request::modern(id, "server/discover", None, &side_of(client), MODERN);
        let (Ok(body), Ok(headers)) = (body, self.modern_headers(principal, "server/discover", None)) else {
            return Probed::Perhaps;
        };
        let mut line = HttpLine::new(self, principal, (id, headers, body), Repeats::Once, None);
        let answer = async {
            loop {
                match line.next().await {
                    Ok(Event::Told(_) | Event::Asked(_)) => {}
                    end => return end,
                }
            }
        };
        let Ok(end) = tokio::time::timeout(self.settings.limits.probe, answer).await else {
            return Probed::Perhaps;
        };
        match end {
            Ok(Event::Result(result)) => of_discovery(&result),
            Ok(Event::Error { code, data, .. })
            | Err(Trouble::Misfit(Ok(Reply::Fault { code, data, .. }))) => of_error(code, data.as_deref()),
            // It was not reached, or wants a credential.
            Err(Trouble::Failed(failure @ Failure::NotSent(_))) => Probed::Fails(failure),
            _ => Probed::Perhaps,
        }
    }

    /// The other era, to see whether it opens; the session is kept for the call that comes.
    async fn try_session(self: &Arc<Self>, principal: &str, client: &ClientSide) -> Result<Era, Failure> {
        match Box::pin(self.sessions.of(self, principal, client)).await {
            Ok(_) => Ok(Era::Legacy),
            Err(Trouble::Misfit(Ok(Reply::Fault { code, .. }))) if answer::is_modern_error(code) => {
                Ok(Era::Modern)
            }
            Err(Trouble::Failed(failure) | Trouble::Misfit(Err(failure))) => Err(match failure {
                Failure::Lost(why) | Failure::Unusable(why) => Failure::NotSent(why),
                failure => failure,
            }),
            Err(Trouble::Misfit(Ok(_)) | Trouble::SessionGone) => {
                Err(Failure::NotSent("it takes neither a modern request nor `initialize`".to_owned()))
            }
        }
    }
}

/// From the result of `server/discover`.
pub(in crate::upstream) fn of_discovery(result: &RawValue) -> Probed {
    let result = Object::parse(result).unwrap_or_default();
    match result.read::<Vec<String>>("supportedVersions") {
        None => Probed::Perhaps,
        Some(supported) => of_versions(&supported),
    }
}

/// From an error: only three codes are the modern era's own.
pub(in crate::upstream) fn of_error(code: i64, data: Option<&RawValue>) -> Probed {
    if code == code::UNSUPPORTED_VERSION {
        let data = data.and_then(|data| Object::parse(data).ok()).unwrap_or_default();
        return of_versions(&data.read::<Vec<String>>("supported").unwrap_or_default());
    }
    if answer::is_modern_error(code) { Probed::Is(Era::Modern) } else { Probed::Perhaps }
}

fn of_versions(supported: &[String]) -> Probed {
    if supported.iter().any(|version| MODERN_SPOKEN.contains(&version.as_str())) {
        return Probed::Is(Era::Modern);
    }
    if supported.is_empty() || supported.iter().any(|version| super::speaks(version)) {
        return Probed::Perhaps;
    }
    let supported = supported.join(", ").chars().take(200).collect::<String>();
    Probed::Fails(Failure::Untranslatable(format!("it speaks `{supported}`, which the hub does not")))
}

/// What a client says of itself where no request of its own is sent.
pub(in crate::upstream) fn side_of(client: &ClientSide) -> Side<'_> {
    Side {
        capabilities: &client.capabilities,
        implementation: client.implementation.as_deref(),
        log_level: None,
        progress: false,
    }
}
