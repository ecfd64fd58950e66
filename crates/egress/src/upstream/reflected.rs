//! Answers that hold the very secret that opened the server: it is taken out before anybody sees it (VLT-11).
//!
//! Best effort: what is found is the secret as it is, and as the usual encodings write it. A server that wants to give it
//! away can always write it otherwise, so this comes last, after a credential that can do little and a server that is
//! trusted with it. Answers are looked at whole, so it does not matter in which pieces they came; what is compressed is
//! refused before it comes here.

use super::settings::{Credential, NoHeaders};
use async_trait::async_trait;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use deputy_core::Secret;
use deputy_hub::Supervisor;
use deputy_hub::ports::Upstream;
use deputy_hub::ports::upstream::{Ask, Changed, Failure, Health, Reply, Told};
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What stands where a secret stood.
const INSTEAD: &str = "[redacted]";
/// Shorter ones are in many texts by chance, and are not looked for.
const SHORTEST: usize = 8;

/// A server whose answers are looked through for the secrets that it is sent.
pub struct Unreflecting {
    inner: Arc<dyn Upstream>,
    credential: Arc<dyn Credential>,
    supervisor: Supervisor,
}

impl Unreflecting {
    /// Around a server that is opened by this credential.
    #[must_use]
    pub fn new(inner: Arc<dyn Upstream>, credential: Arc<dyn Credential>, supervisor: Supervisor) -> Self {
        Self { inner, credential, supervisor }
    }
}

#[async_trait]
impl Upstream for Unreflecting {
    async fn ask(
        &self,
        ask: Ask,
        told: mpsc::Sender<Told>,
        cancel: &CancellationToken,
    ) -> Result<Reply, Failure> {
        // What cannot be looked for is not sent: the connection opens the credential by itself, and might succeed.
        let reflections = Reflections::of(self.credential.as_ref(), &ask.principal);
        let reflections = reflections.await?;
        let (sender, mut heard) = mpsc::channel::<Told>(16);
        let asked = self.inner.ask(ask, sender, cancel);
        let forward = async {
            while let Some(one) = heard.recv().await {
                if let Some(one) = reflections.off_told(one) {
                    // Whoever does not read it loses it, not the reply.
                    let _ = told.try_send(one);
                }
            }
        };
        let (reply, ()) = tokio::join!(asked, forward);
        reflections.off_reply(reply)
    }

    fn changes(&self, principal: &str) -> watch::Receiver<Changed> {
        self.inner.changes(principal)
    }

    fn updates(&self, principal: &str, uri: &str) -> mpsc::Receiver<Box<RawValue>> {
        let mut updates = self.inner.updates(principal, uri);
        let (sender, receiver) = mpsc::channel(16);
        let (credential, principal) = (Arc::clone(&self.credential), principal.to_owned());
        self.supervisor.start_until_shutdown(async move {
            loop {
                let update = tokio::select! {
                    () = sender.closed() => return,
                    update = updates.recv() => update,
                };
                let Some(params) = update else { return };
                // What cannot be looked through is not told.
                let Ok(reflections) = Reflections::of(credential.as_ref(), &principal).await else {
                    continue;
                };
                if let Ok(params) = reflections.off(params) {
                    // A listener that is far behind has plenty of reasons to look already.
                    let _ = sender.try_send(params);
                }
            }
        });
        receiver
    }

    /// Word that something changed holds nothing that the server wrote.
    fn task_changes(&self, principal: &str, id: &str) -> mpsc::Receiver<()> {
        self.inner.task_changes(principal, id)
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// What the secrets of one request look like in an answer.
struct Reflections(Vec<Secret<String>>);

impl Reflections {
    /// Opened for this request alone, as the edge opens them.
    ///
    /// # Errors
    /// They cannot be had now.
    async fn of(credential: &dyn Credential, principal: &str) -> Result<Self, NoHeaders> {
        let headers = credential.headers(principal).await?;
        Ok(Self::in_values(headers.iter().map(|(_, value)| value.expose().as_str())))
    }

    fn in_values<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for value in values {
            written(value, &mut all);
            // Without the scheme before it (RFC 9110 section 11.4).
            if let Some((_, rest)) = value.split_once(' ') {
                written(rest, &mut all);
            }
        }
        all.retain(|text: &String| text.len() >= SHORTEST);
        // The longest first, so that none leaves a piece of another.
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self(all.into_iter().map(Secret::new).collect())
    }

    /// `None`: there is nothing to take out.
    fn redacted(&self, text: &str) -> Option<String> {
        let mut other: Option<String> = None;
        for reflection in &self.0 {
            let now = other.as_deref().unwrap_or(text);
            if now.contains(reflection.expose().as_str()) {
                other = Some(now.replace(reflection.expose().as_str(), INSTEAD));
            }
        }
        other
    }

    /// # Errors
    /// Without the secret it is no JSON any more: nobody gets it.
    fn off(&self, value: Box<RawValue>) -> Result<Box<RawValue>, Failure> {
        match self.redacted(value.get()) {
            None => Ok(value),
            Some(text) => RawValue::from_string(text).map_err(|_| {
                Failure::Unusable("it holds the credential that the server is opened with".to_owned())
            }),
        }
    }

    fn off_text(&self, text: String) -> String {
        self.redacted(&text).unwrap_or(text)
    }

    fn off_told(&self, told: Told) -> Option<Told> {
        let params = told.params.map(|params| self.off(params)).transpose().ok()?;
        Some(Told { params, ..told })
    }

    fn off_reply(&self, reply: Result<Reply, Failure>) -> Result<Reply, Failure> {
        Ok(match reply {
            Ok(Reply::Result(result)) => Reply::Result(self.off(result)?),
            Ok(Reply::Fault { code, message, data }) => Reply::Fault {
                code,
                message: self.off_text(message),
                data: data.map(|data| self.off(data)).transpose()?,
            },
            Err(failure) => return Err(self.off_failure(failure)),
        })
    }

    fn off_failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::NotSent(why) => Failure::NotSent(self.off_text(why)),
            Failure::Lost(why) => Failure::Lost(self.off_text(why)),
            Failure::Unusable(why) => Failure::Unusable(self.off_text(why)),
            Failure::Untranslatable(why) => Failure::Untranslatable(self.off_text(why)),
            Failure::NoCredential { reason, words, open } => {
                Failure::NoCredential { reason, words: self.off_text(words), open }
            }
            other @ (Failure::TimedOut | Failure::Cancelled | Failure::TooLarge { .. }) => other,
        }
    }
}

/// A secret in the ways in which it is usually written, each also as JSON writes it within a string.
fn written(secret: &str, into: &mut Vec<String>) {
    let bytes = secret.as_bytes();
    let mut plain = vec![
        secret.to_owned(),
        secret.to_lowercase(),
        secret.to_uppercase(),
        secret.chars().rev().collect(),
        hex::encode(bytes),
        hex::encode_upper(bytes),
        in_html(secret, "&#39;"),
        in_html(secret, "&#x27;"),
    ];
    for keeps in ["", "-._~"] {
        plain.push(in_percent(bytes, keeps, true));
        plain.push(in_percent(bytes, keeps, false));
    }
    for before in 0..3 {
        plain.push(in_base64(bytes, before, &STANDARD_NO_PAD));
        plain.push(in_base64(bytes, before, &URL_SAFE_NO_PAD));
    }
    for text in plain {
        let escaped = in_json(&text);
        // JSON within a string of JSON is usual, too.
        into.push(in_json(&escaped));
        into.push(escaped.replace('/', "\\/"));
        into.push(escaped);
        into.push(text);
    }
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// The characters that stand for these bytes and nothing else, if so many others are before them.
fn in_base64(bytes: &[u8], before: usize, engine: &impl base64::Engine) -> String {
    let mut padded = vec![0; before];
    padded.extend_from_slice(bytes);
    let (begin, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    engine.encode(&padded).get(begin..end).unwrap_or_default().to_owned()
}

fn in_percent(bytes: &[u8], keeps: &str, upper: bool) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || keeps.as_bytes().contains(byte) {
            text.push(char::from(*byte));
        } else if upper {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

fn in_html(text: &str, apostrophe: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', apostrophe)
}

#[cfg(test)]
mod tests;
