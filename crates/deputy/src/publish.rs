//! Carries signed checkpoints off the box: what a copied log alone cannot show, shows against one that was kept elsewhere.
//!
//! A checkpoint is signed and names nobody, so a receiver needs no secret of ours: it checks the signature. What could not be
//! carried is tried again every [`EVERY`]; when it is [`LATE`], that is an alarm.

mod bucket;

pub use bucket::BucketTarget;

use crate::settings::SecretError;
use deputy_core::TenantId;
use deputy_egress::{Ask, EgressError, Exchange, HttpClient};
use deputy_hub::ports::Clock;
use deputy_store::{OpenError, Place};
use serde_json::json;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// How often it is looked for a new checkpoint, and tried again.
pub const EVERY: Duration = Duration::from_secs(30);
/// After how long a checkpoint that could not be carried is an alarm.
pub const LATE: Duration = Duration::from_secs(300);
/// The most that is read of a receiver's answer, in bytes.
const ANSWER: usize = 64 * 1024;

/// Where checkpoints are carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file; `{tenant}` and `{size}` in its path stand for the log's tenant and its number of lines.
    File(PathBuf),
    /// `POST` of a JSON object with `log`, `size` and `checkpoint`.
    Webhook(Url),
    /// An object for each checkpoint, in an S3-like bucket.
    Bucket(BucketTarget),
}

/// Why a checkpoint was not carried.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The file cannot be read or written.
    #[error("`{}` cannot be written: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Somebody else's history.
    #[error(
        "`{0}` holds another checkpoint of as many lines: the log was put back or made anew; run `deputy audit verify --checkpoint` with it"
    )]
    Another(String),
    /// The key of a bucket is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The receiver cannot be reached.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The receiver did not take it.
    #[error("`{url}` answered with status {status}")]
    Refused {
        /// Where.
        url: String,
        /// Which.
        status: u16,
    },
    /// The data directory's own checkpoint does not read.
    #[error(transparent)]
    Own(#[from] OpenError),
}

/// Carries the newest checkpoint of every log to every target.
pub struct Publisher {
    place: Place,
    tenants: Vec<TenantId>,
    targets: Vec<Target>,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    /// What each target has, and since when it lacks a newer one; by tenant and the target's number.
    state: HashMap<(TenantId, usize), Carried>,
}

#[derive(Default)]
struct Carried {
    note: Option<String>,
    failing_since: Option<Instant>,
    alarmed: bool,
}

impl Publisher {
    /// Nothing is carried yet: what a target has is learned by giving it the newest again.
    #[must_use]
    pub fn new(
        place: Place,
        tenants: Vec<TenantId>,
        targets: Vec<Target>,
        client: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { place, tenants, targets, client, clock, state: HashMap::new() }
    }

    /// Carries for as long as it is polled.
    pub async fn run(&mut self) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            every.tick().await;
            self.round().await;
        }
    }

    /// Gives every target what it lacks. What fails is said, and left for the next round.
    pub async fn round(&mut self) {
        for tenant in self.tenants.clone() {
            let note = match self.place.read_checkpoint(&tenant) {
                Ok(Some(note)) => note,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%error, %tenant, "the newest checkpoint cannot be read");
                    continue;
                }
            };
            for (number, target) in self.targets.clone().iter().enumerate() {
                let key = (tenant.clone(), number);
                if self.state.get(&key).is_some_and(|carried| carried.note.as_ref() == Some(&note)) {
                    continue;
                }
                let done = carry(&self.client, self.clock.as_ref(), target, &tenant, &note).await;
                self.state.entry(key).or_default().note_down(done, &note, &tenant);
            }
        }
    }
}

impl Carried {
    fn note_down(&mut self, done: Result<(), PublishError>, note: &str, tenant: &TenantId) {
        let Err(error) = done else {
            if self.alarmed {
                tracing::info!(%tenant, "checkpoints are carried off the box again");
            }
            *self = Self { note: Some(note.to_owned()), ..Self::default() };
            return;
        };
        let now = Instant::now();
        let since = *self.failing_since.get_or_insert(now);
        match now.duration_since(since) {
            late if late >= LATE && !self.alarmed => {
                self.alarmed = true;
                tracing::error!(%error, %tenant, "ALARM: no checkpoint was carried off the box for {} s", late.as_secs());
            }
            Duration::ZERO => {
                tracing::warn!(%error, %tenant, "a checkpoint was not carried off the box; it is tried again")
            }
            _ => {}
        }
    }
}

async fn carry(
    client: &HttpClient,
    clock: &dyn Clock,
    target: &Target,
    tenant: &TenantId,
    note: &str,
) -> Result<(), PublishError> {
    let mut lines = note.lines();
    let (log, size) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    match target {
        Target::File(template) => {
            let template = template.to_string_lossy().into_owned();
            let path = PathBuf::from(template.replace("{tenant}", tenant.as_str()).replace("{size}", size));
            write(&path, note, template.contains("{size}"))
        }
        Target::Bucket(bucket) => bucket.put(client, clock.now(), tenant, size, note).await,
        Target::Webhook(url) => {
            let body = json!({ "log": log, "size": size.parse::<u64>().ok(), "checkpoint": note });
            let reply =
                client.exchange(url, Ask::Configured, Exchange::PostJson(&body), None, ANSWER).await?;
            match reply.status {
                200..=299 => Ok(()),
                status => Err(PublishError::Refused { url: url.origin().ascii_serialization(), status }),
            }
        }
    }
}

/// A file of its own for each checkpoint is written once and never touched again; a file for all holds the newest.
fn write(path: &Path, note: &str, once: bool) -> Result<(), PublishError> {
    let failed = |error| PublishError::File { path: path.to_owned(), error };
    if once && path.exists() {
        return match std::fs::read_to_string(path).map_err(failed)? == note {
            true => Ok(()),
            false => Err(PublishError::Another(path.display().to_string())),
        };
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    beside.write_all(note.as_bytes()).and_then(|()| beside.as_file().sync_all()).map_err(failed)?;
    beside.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
