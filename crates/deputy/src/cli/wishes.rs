//! What is wished of the hub that may run on a data directory: left for it first, so that it acts at once.

use super::Failure;
use crate::settings::Settings;
use deputy_core::TenantId;
use deputy_hub::Supervisor;
use deputy_store::{Desk, OpenError, Place, SqliteStore, Wished};
use std::time::Duration;

/// A hub that runs looks four times a second.
const HUB_GRANTS_WITHIN: Duration = Duration::from_millis(1500);
/// How long a hub that runs, and cannot write now, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose: the one that was named, or the only one.
pub(super) fn tenant(wanted: Option<&str>, settings: &Settings) -> Result<TenantId, Failure> {
    let names = || settings.tenants.iter().map(TenantId::as_str).collect::<Vec<_>>().join(", ");
    match (wanted, settings.tenants.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Failure::Usage(format!("say whose with --tenant NAME: one of {}", names()))),
        (Some(wanted), known) => {
            let found = known.iter().find(|tenant| tenant.as_str() == wanted).cloned();
            found.ok_or_else(|| {
                Failure::Usage(format!("there is no tenant `{wanted}`; there are: {}", names()))
            })
        }
    }
}

/// Leaves the wish, and only then looks whether there is a hub: says who granted it. Where none runs, `alone` is done with
/// the database; `unrecorded` tells what holds while a hub that runs cannot write.
pub(super) async fn granted<Order: Wished>(
    desk: &mut Desk<Order>,
    place: &Place,
    order: &Order,
    alone: impl AsyncFnOnce(SqliteStore) -> Result<(), Failure>,
    unrecorded: &str,
) -> Result<&'static str, Failure> {
    let wish = desk.wish(order).await?;
    if desk.granted(wish, HUB_GRANTS_WITHIN).await? {
        return Ok("by the hub that runs here");
    }
    let tables = Supervisor::default();
    match SqliteStore::open(place.clone(), deputy_store::Settings::default(), &tables).await {
        Ok(store) => {
            let done = alone(store).await;
            tables.shut_down().await;
            done?;
            Ok("no hub runs here: it holds from the next start")
        }
        Err(OpenError::InUse { .. }) => match desk.granted(wish, PATIENCE).await? {
            true => Ok("by the hub that runs here"),
            false => Err(Failure::Fault(format!(
                "the hub that runs on this data directory took it up, but could not record it yet\n  \
                 mend: see its log and /healthz; {unrecorded}"
            ))),
        },
        Err(error) => Err(error.into()),
    }
}
