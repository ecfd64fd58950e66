//! The vault of a data directory: read, and handed orders, with or without a hub that runs.

use super::arguments::Where;
use crate::cli::{Failure, now};
use crate::settings::{Server, nearest};
use crate::vault::{MasterKeyFile, vault};
use deputy_core::{Operator, SourceName, TenantId};
use deputy_hub::ports::{KeptSecret, SealedSecret, SealedSecrets as _, StoreError, VaultOrder};
use deputy_hub::vault::Change;
use deputy_hub::{Supervisor, Vault};
use deputy_store::{OpenError, Place, SecretReader, SqliteStore, VaultDesk};
use deputy_vault::SealedTenantKey;
use std::sync::Arc;
use std::time::Duration;

/// A hub that runs looks four times a second.
const HUB_TAKES_UP_WITHIN: Duration = Duration::from_millis(1500);
/// How long a hub that runs, and cannot write now, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Counter {
    place: Place,
    desk: VaultDesk,
    reader: SecretReader,
    pub(super) keys: MasterKeyFile,
    pub(super) vault: Vault,
    /// Whose secrets this is about.
    pub(super) tenant: TenantId,
    /// Whether somebody said so.
    pub(super) only: bool,
    pub(super) known: Vec<TenantId>,
    servers: Vec<Server>,
}

impl Counter {
    /// To change something: of exactly one tenant, and after a rotation that stopped midway was ended.
    pub(super) async fn open(at: &Where) -> Result<Self, Failure> {
        let counter = Self::open_for_reading(at).await?;
        if counter.known.len() > 1 && !counter.only {
            let names = counter.known.iter().map(TenantId::as_str).collect::<Vec<_>>().join(", ");
            return Err(Failure::Usage(format!("say whose with --tenant NAME: one of {names}")));
        }
        counter.keys.settle(&counter.tenant_keys().await?)?;
        Ok(counter)
    }

    pub(super) async fn open_for_reading(at: &Where) -> Result<Self, Failure> {
        let settings = at.config.load()?;
        let known = settings.tenants.clone();
        let tenant = match &at.tenant {
            None => known.first().cloned(),
            Some(name) => known.iter().find(|tenant| tenant.as_str() == name).cloned(),
        };
        let tenant = tenant.ok_or_else(|| {
            let names = known.iter().map(TenantId::as_str).collect::<Vec<_>>().join(", ");
            let wanted = at.tenant.as_deref().unwrap_or_default();
            Failure::Usage(format!("there is no tenant `{wanted}`; there are: {names}"))
        })?;
        let place = Place::new(&settings.hub.data_dir);
        let desk = match VaultDesk::open(&place).await {
            // Nobody ran a hub of this version here yet: make the tables, or bring them up to date.
            Err(OpenError::NoDatabase(_) | OpenError::SchemaTooOld { .. }) => {
                let tables = Supervisor::default();
                let opened =
                    SqliteStore::open(place.clone(), deputy_store::Settings::default(), &tables).await;
                tables.shut_down().await;
                opened?;
                VaultDesk::open(&place).await?
            }
            opened => opened?,
        };
        let reader = desk.reader();
        let vault = vault(&settings, Arc::new(reader.clone()));
        let keys = MasterKeyFile::of(&settings);
        Ok(Self {
            place,
            desk,
            reader,
            keys,
            vault,
            tenant,
            only: at.tenant.is_some(),
            known,
            servers: settings.servers,
        })
    }

    /// A secret for a server that is misspelt would lie there, and the one that wants it would have none.
    pub(super) fn has_server(&self, name: &SourceName) -> Result<(), Failure> {
        let own = self.servers.iter().filter(|server| server.tenant == self.tenant);
        let known: Vec<&str> = own.map(|server| server.name.as_str()).collect();
        if known.contains(&name.as_str()) {
            return Ok(());
        }
        let mend = match nearest(name.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                format!(
                    "add a block `[[server]]` with `name = \"{name}\"` and `credential = \"vault\"` first"
                )
            }
            None => format!("it is one of `{}`, or add a block `[[server]]`", known.join("`, `")),
        };
        Err(Failure::Usage(format!("the configuration has no server `{name}`\n  mend: {mend}")))
    }

    pub(super) fn change(&self) -> Change {
        Change { by: Operator::Machine, at: now() }
    }

    pub(super) async fn all(&self, tenant: &TenantId) -> Result<Vec<KeptSecret>, Failure> {
        Ok(self.reader.kept(tenant, None).await.map_err(unreadable)?.secrets)
    }

    pub(super) async fn kept(&self, server: &SourceName) -> Result<Vec<SealedSecret>, Failure> {
        let kept = self.reader.kept(&self.tenant, Some(server)).await.map_err(unreadable)?;
        Ok(kept.secrets.into_iter().map(|one| one.secret).collect())
    }

    pub(super) async fn tenant_keys(&self) -> Result<Vec<SealedTenantKey>, Failure> {
        let mut keys = self.reader.tenant_keys().await.map_err(unreadable)?;
        keys.extend(self.reader.consent_keys().await.map_err(unreadable)?);
        Ok(keys)
    }

    /// Leaves the order first, so that a hub that runs acts at once; only then looks whether there is one. That it was
    /// taken up does not say that it fitted: whoever asks looks at the tables.
    pub(super) async fn hand_over(&mut self, order: &VaultOrder) -> Result<&'static str, Failure> {
        let left = self.desk.leave(order).await?;
        if self.desk.taken_up(left, HUB_TAKES_UP_WITHIN).await? {
            return Ok("by the hub that runs here");
        }
        let tables = Supervisor::default();
        match SqliteStore::open(self.place.clone(), deputy_store::Settings::default(), &tables).await {
            Ok(store) => {
                let done = store.carry_out_left().await;
                tables.shut_down().await;
                done.map_err(|error| Failure::Fault(format!("it could not be recorded: {error}")))?;
                Ok("no hub runs here")
            }
            Err(OpenError::InUse { .. }) => {
                if self.desk.taken_up(left, PATIENCE).await? || !self.desk.take_back(left).await? {
                    return Ok("by the hub that runs here");
                }
                Err(Failure::Fault(
                    "nothing was done: the hub that runs on this data directory does not write\n  mend: see its log and /healthz; if it is an older version, start this one"
                        .to_owned(),
                ))
            }
            Err(error) => {
                // Nobody is to find it later and carry it out unasked.
                self.desk.take_back(left).await?;
                Err(error.into())
            }
        }
    }
}

fn unreadable(error: StoreError) -> Failure {
    Failure::Fault(error.to_string())
}
