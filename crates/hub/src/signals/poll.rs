//! Security events that are fetched (RFC 8936): by asking and waiting, so that one is known as soon as there is one.

use super::{EventStream, PollAt, SignalFault, Signals};
use crate::ports::ToldBy;
use deputy_core::Secret;
use deputy_identity::TokenError;
use deputy_identity::provider::Provider;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Events at once.
const MOST_EVENTS: usize = 100;
/// The least time between two askings that brought nothing: a provider that does not let the hub wait is asked so often.
const PACE: Duration = Duration::from_millis(800);
/// The longest time between two askings that failed.
const SLOWEST: Duration = Duration::from_secs(60);

/// From when on a request that brought nothing was one that waited.
const LONG: Duration = Duration::from_secs(3);

/// Whether the provider answers only once there is something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Long,
    Not,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    sets: BTreeMap<String, String>,
    #[serde(default, rename = "moreAvailable")]
    more_available: bool,
}

/// What the next asking says of the last one's events.
#[derive(Default)]
struct Done {
    acknowledged: Vec<String>,
    faulty: Map<String, Value>,
}

impl Signals {
    /// A task for each provider whose events are fetched.
    pub(crate) fn start_polling(self: &Arc<Self>) {
        for (name, setup) in &self.of {
            let polled = setup.events.as_ref().is_some_and(|stream| stream.poll.is_some());
            let Some(provider) = self.parts.authenticator.provider(name).filter(|_| polled) else { continue };
            let own = Arc::clone(self);
            self.parts.supervisor.start_until_shutdown(async move { own.poll(&provider).await });
        }
    }

    async fn poll(&self, provider: &Provider) {
        let stream = self.of.get(provider.name()).and_then(|setup| setup.events.as_ref());
        let Some((stream, at)) = stream.and_then(|stream| Some((stream, stream.poll.as_ref()?))) else {
            return;
        };
        let (mut done, mut wait, mut waiting) = (Done::default(), PACE, Waiting::Long);
        loop {
            let began = tokio::time::Instant::now();
            match self.round(provider, stream, at, (&done, waiting)).await {
                Ok((next, more)) => {
                    let is_quiet = next.acknowledged.is_empty() && next.faulty.is_empty() && !more;
                    (done, wait, waiting) = (next, PACE, Waiting::Long);
                    if is_quiet {
                        tokio::time::sleep_until(began + PACE).await;
                    }
                }
                // Nothing happened for as long as a request may take, or nobody is there: the next asking tells which.
                Err(_) if waiting == Waiting::Long && began.elapsed() >= LONG => waiting = Waiting::Not,
                Err(why) => {
                    tracing::warn!(provider = %provider.name(), why, "security events cannot be fetched");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(SLOWEST);
                }
            }
        }
    }

    async fn round(
        &self,
        provider: &Provider,
        stream: &EventStream,
        at: &PollAt,
        (done, waiting): (&Done, Waiting),
    ) -> Result<(Done, bool), String> {
        let mut body = json!({
            "maxEvents": MOST_EVENTS, "returnImmediately": waiting == Waiting::Not, "ack": done.acknowledged,
        });
        if !done.faulty.is_empty()
            && let Some(members) = body.as_object_mut()
        {
            members.insert("setErrs".to_owned(), Value::Object(done.faulty.clone()));
        }
        let authorization = at.token.as_ref().map(|token| Secret::new(format!("Bearer {}", token.expose())));
        let answer = self.parts.endpoints.post_json(&at.url, ToldBy::Operator, &body, authorization).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let answer: Answer = serde_json::from_slice(answer.body.expose())
            .map_err(|_| "the answer is not one of RFC 8936".to_owned())?;
        let mut next = Done::default();
        for (id, token) in answer.sets.into_iter().take(MOST_EVENTS) {
            match self.take(provider, stream, &token).await {
                Ok(()) => next.acknowledged.push(id),
                // It stays there, and comes again.
                Err(SignalFault::Unavailable) => {}
                Err(fault) => {
                    let error = json!({ "err": fault.code(), "description": fault.to_string() });
                    next.faulty.insert(id, error);
                }
            }
        }
        Ok((next, answer.more_available))
    }
}

impl SignalFault {
    /// The error code of RFC 8935 section 2.4.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Issuer | Self::Token(TokenError::UnknownIssuer | TokenError::ProviderNotAccepted(_)) => {
                "invalid_issuer"
            }
            Self::Token(TokenError::Audience) => "invalid_audience",
            Self::Token(
                TokenError::Algorithm
                | TokenError::UnknownKey { .. }
                | TokenError::Signature
                | TokenError::KeyIssuer,
            ) => "invalid_key",
            Self::Sender => "authentication_failed",
            Self::Token(_) | Self::Replayed | Self::Unavailable => "invalid_request",
        }
    }
}
