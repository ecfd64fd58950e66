//! One writer per data directory.

use crate::{OpenError, Place};
use std::fs::{File, TryLockError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a writer waits for the one before it, which may be about to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Two writers over one database would number the same lines.
pub(super) async fn alone(place: &Place) -> Result<File, OpenError> {
    let path = place.lock();
    let failed = |source| OpenError::File { file: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { file: path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}
