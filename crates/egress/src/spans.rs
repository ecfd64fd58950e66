//! Spans to a collector, by OTLP over HTTP.
//!
//! Ended spans wait in a queue of bounded length ([`SpanQueue`]); whoever ends one never waits, and what finds no room is
//! counted. [`SpanExporter`] takes them out in batches and sends them. A collector that does not answer costs spans, never
//! calls.

mod message;
#[cfg(test)]
mod tests;

use crate::client::{Ask, EgressError, HttpClient, shown, whole};
use crate::upstream::Credential;
use bytes::Bytes;
use deputy_hub::ports::spans::{EndedSpan, SpanCounts, SpanSink};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

/// Spans that may wait.
const WAITING: usize = 2048;
/// Spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others to go with it.
const TOGETHER: Duration = Duration::from_secs(1);
/// How often a batch is sent before it is given up, and how long it waits before it is sent again: each time twice as long.
const ATTEMPTS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How often it is said that spans are dropped while others arrive.
const SAID_EVERY: Duration = Duration::from_secs(60);
/// The most that is read of an answer.
const ANSWER_BYTES: usize = 64 * 1024;
/// Where traces go (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "v1/traces";

/// A collector.
#[derive(Clone)]
pub struct Collector {
    /// Its address, to which `/v1/traces` is added.
    pub endpoint: Url,
    /// Headers that it wants.
    pub credential: Arc<dyn Credential>,
    /// `service.name`.
    pub service_name: String,
    /// `service.instance.id`: of this process alone.
    pub instance: String,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Tally {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    fn dropped(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Takes spans that have ended.
pub struct SpanQueue {
    sender: mpsc::Sender<EndedSpan>,
    tally: Arc<Tally>,
}

impl SpanSink for SpanQueue {
    fn take(&self, span: EndedSpan) {
        if self.sender.try_send(span).is_err() {
            self.tally.dropped(1);
        }
    }

    fn counts(&self) -> SpanCounts {
        let (exported, dropped) = (&self.tally.exported, &self.tally.dropped);
        SpanCounts { exported: exported.load(Ordering::Relaxed), dropped: dropped.load(Ordering::Relaxed) }
    }
}

/// Why a collector did not take a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    words: String,
    /// Sending the same again makes no sense.
    is_final: bool,
}

/// Sends spans.
pub struct SpanExporter {
    client: HttpClient,
    url: Url,
    collector: Collector,
    queue: mpsc::Receiver<EndedSpan>,
    /// The batch on its way. It outlives a [`SpanExporter::run`] that is dropped.
    batch: Vec<EndedSpan>,
    tally: Arc<Tally>,
    first_wait: Duration,
    is_failing: bool,
    /// How many dropped spans were told of, and when last.
    said: (u64, Option<Instant>),
}

impl SpanExporter {
    /// With a client whose config names the collector.
    #[must_use]
    pub fn new(client: HttpClient, collector: Collector) -> (SpanQueue, Self) {
        let (sender, queue) = mpsc::channel(WAITING);
        let tally = Arc::<Tally>::default();
        let mut url = collector.endpoint.clone();
        url.set_path(&format!("{}/{PATH}", url.path().trim_end_matches('/')));
        let own = Arc::clone(&tally);
        let exporter = Self {
            client,
            url,
            collector,
            queue,
            batch: Vec::new(),
            tally: own,
            first_wait: FIRST_WAIT,
            is_failing: false,
            said: (0, None),
        };
        (SpanQueue { sender, tally }, exporter)
    }

    /// Sends spans as they come, for as long as there are any who make some. Dropping it loses nothing.
    pub async fn run(&mut self) {
        while self.gather().await {
            self.deliver().await;
        }
    }

    /// Sends what is left, each batch once.
    pub async fn last(&mut self) {
        loop {
            while self.batch.len() < BATCH
                && let Ok(span) = self.queue.try_recv()
            {
                self.batch.push(span);
            }
            if self.batch.is_empty() {
                return;
            }
            match self.send().await {
                Ok(refused) => self.taken(refused),
                Err(refusal) => return self.gave_up(&refusal),
            }
        }
    }

    /// Whether the collector takes spans: it is sent none.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), String> {
        self.post(Bytes::new()).await.map(drop).map_err(|refusal| refusal.words)
    }

    /// Where spans are sent.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Waits for a batch; `false`: there will never be one.
    async fn gather(&mut self) -> bool {
        if self.batch.is_empty() && self.queue.recv_many(&mut self.batch, BATCH).await == 0 {
            return false;
        }
        let until = Instant::now() + TOGETHER;
        while self.batch.len() < BATCH {
            let room = BATCH - self.batch.len();
            match tokio::time::timeout_at(until, self.queue.recv_many(&mut self.batch, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        true
    }

    async fn deliver(&mut self) {
        let mut wait = self.first_wait;
        for attempt in 1.. {
            match self.send().await {
                Ok(refused) => return self.taken(refused),
                Err(refusal) if refusal.is_final || attempt == ATTEMPTS => return self.gave_up(&refusal),
                Err(refusal) => self.failing(&refusal),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    /// Sends the batch; so many of it were refused.
    async fn send(&self) -> Result<usize, Refusal> {
        let collector = &self.collector;
        let body = message::request(&collector.service_name, &collector.instance, &self.batch);
        let answer = self.post(body.into()).await?;
        Ok(message::refused(&answer).min(self.batch.len()))
    }

    async fn post(&self, body: Bytes) -> Result<Bytes, Refusal> {
        let again = |words: String| Refusal { words, is_final: false };
        let mut headers = HeaderMap::with_capacity(4);
        for (name, value) in self.collector.credential.headers("").await.map_err(|none| again(none.words))? {
            let wrong = || again(format!("the header `{name}` for the collector cannot be sent"));
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let reach = |error: EgressError| again(error.to_string());
        let client = self.client.client_for(&self.url, Ask::Configured).map_err(reach)?;
        let request = client.post(self.url.clone()).headers(headers).body(body);
        let response =
            request.send().await.map_err(|error| reach(crate::client::failed(&self.url, error)))?;
        let status = response.status();
        if !status.is_success() {
            let words = format!("`{}` answered with status {}", shown(&self.url), status.as_u16());
            return Err(Refusal { words, is_final: !matches!(status.as_u16(), 429 | 502 | 503 | 504) });
        }
        // What the answer says beyond its status is of use only if it can be read.
        Ok(whole(&self.url, response, ANSWER_BYTES).await.map(|answer| answer.body).unwrap_or_default())
    }

    fn taken(&mut self, refused: usize) {
        let taken = self.batch.len().saturating_sub(refused);
        self.tally.exported.fetch_add(taken as u64, Ordering::Relaxed);
        self.tally.dropped(refused);
        self.batch.clear();
        let dropped = self.tally.dropped.load(Ordering::Relaxed);
        let (told, when) = self.said;
        if self.is_failing {
            tracing::info!(dropped = dropped - told, "spans are exported again");
        } else if dropped > told && when.is_none_or(|when| when.elapsed() >= SAID_EVERY) {
            tracing::warn!(
                dropped = dropped - told,
                "spans were dropped: the collector takes fewer than there are"
            );
        } else {
            return;
        }
        (self.is_failing, self.said) = (false, (dropped, Some(Instant::now())));
    }

    fn gave_up(&mut self, refusal: &Refusal) {
        self.tally.dropped(self.batch.len());
        self.batch.clear();
        self.failing(refusal);
    }

    /// Said once, until it works again.
    fn failing(&mut self, refusal: &Refusal) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let error = &refusal.words;
            tracing::warn!(%error, "spans cannot be exported; calls go on, and spans that find no room are dropped");
        }
    }
}
