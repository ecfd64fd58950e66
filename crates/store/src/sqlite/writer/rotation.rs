//! Another key for the logs (AUD-11), while no hub runs. Each log gets a line that says so and a checkpoint signed by both
//! keys; only then does the next key take the place of the first. A rotation that was cut short is gone on with; until then
//! no hub starts.

use super::entry::Entry;
use super::{Writer, close, lock};
use crate::sqlite::job::Append;
use crate::sqlite::line::Line;
use crate::{OpenError, Place, Settings};
use deputy_audit::{Checkpoint, LogKey};
use deputy_core::{Event, EventKind, TenantId, Timestamp};
use deputy_hub::Supervisor;
use deputy_hub::ports::StoreError;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Whose logs were handed over: the tenant, the id of the key so far, the id of the next.
    pub logs: Vec<(TenantId, String, String)>,
}

/// Makes another key for all logs of a data directory and hands them over to it.
///
/// # Errors
/// A hub runs here, there is no log, a log is not what was signed, or nothing can be written. What was begun is gone on
/// with by the next call.
pub async fn rotate_key(place: &Place, at: Timestamp) -> Result<Rotated, OpenError> {
    if !place.database().exists() {
        return Err(OpenError::NoDatabase(place.database()));
    }
    place.prepare()?;
    let lock = lock::alone(place).await?;
    let supervisor = Supervisor::default();
    let mut writer = Writer::open_locked(place.clone(), Settings::default(), lock, &supervisor).await?;
    let next = match place.read_next_key()? {
        Some(next) => next,
        None => place.make_next_key(&writer.key)?,
    };
    let next = Arc::new(next);
    let mut rotated = Rotated { logs: Vec::new() };
    for tenant in writer.logs.keys().cloned().collect::<Vec<_>>() {
        let from = writer.key.verifier_key(&tenant)?.id().to_owned();
        let to = next.verifier_key(&tenant)?.id().to_owned();
        writer.hand_over(&tenant, &next, at).await?;
        rotated.logs.push((tenant, from, to));
    }
    place.take_over()?;
    writer.appender.close().await;
    if let Some(connection) = writer.connection.take() {
        close(connection).await?;
    }
    Ok(rotated)
}

impl Writer {
    async fn hand_over(
        &mut self,
        tenant: &TenantId,
        next: &Arc<LogKey>,
        at: Timestamp,
    ) -> Result<(), OpenError> {
        let verifier_key = next.verifier_key(tenant)?;
        let newest = self.place.read_checkpoint(tenant)?;
        if newest.is_some_and(|note| Checkpoint::open(&note, &verifier_key).is_ok()) {
            return Ok(());
        }
        let event = Event::new(at, tenant.clone(), EventKind::LogKeyRotated)
            .with_detail("previous", self.key.verifier_key(tenant)?.id())
            .with_detail("next", verifier_key.id())
            .with_detail("key", verifier_key.as_str());
        self.append(&event).await.map_err(|error| OpenError::Corrupt(error.to_string()))?;
        self.place.publish(&verifier_key)?;
        let mut connection = self.connected().await?;
        let place = self.place.clone();
        self.load(&mut connection, tenant).await?;
        self.loaded(tenant)?.hand_over(&mut connection, &place, tenant, Arc::clone(next)).await?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn append(&mut self, event: &Event) -> Result<u64, StoreError> {
        let (waiter, answer) = oneshot::channel();
        let job = Append { lines: vec![Line::of(event)?], waiter };
        self.commit(vec![Entry { job: Box::new(job), result: Ok(0) }]).await;
        answer.await.map_err(|_| StoreError::Unavailable("the line was not written".to_owned()))?
    }
}
