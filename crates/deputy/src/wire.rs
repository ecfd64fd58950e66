//! Puts the program together: settings in, a hub with its tables, keys and network out.

use crate::keys::{Keys, KeysError};
use crate::policy_files::{self, PolicyFilesError};
use crate::publish::Publisher;
use crate::servers::{Around, connections, servers};
use crate::settings::{App, PolicySource, Settings};
use crate::sign_in::{SignInError, endpoints, introspection, sign_in, signals};
use crate::telemetry::traces::{Carrier, traces};
use crate::vault::{MasterKeyFile, vault};
use deputy_core::{Client, Issuer, Timestamp};
use deputy_egress::{HttpClient, KeyFetcher, ManifestFetcher, NamedHosts};
use deputy_hub::approvals::ApprovalLimits;
use deputy_hub::corridor::CallLimits;
use deputy_hub::ports::{Clock, StoreError};
use deputy_hub::{Door, Hub, PersonVault, Setup, Supervisor};
use deputy_identity::Verifier;
use deputy_identity::claims::{Accepts, Audiences, Expectations, NoAudience};
use deputy_identity::keys::KeyRing;
use deputy_identity::provider::ProviderError;
use deputy_store::{OpenError, Place, SqliteStore};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// How often the policy directory is looked at.
const POLICY_POLL: Duration = Duration::from_millis(500);

/// Why the hub does not come up.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The policy.
    #[error(transparent)]
    Policy(#[from] PolicyFilesError),
    /// The hub's own keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The tables.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log takes no line.
    #[error("{0}: a hub that cannot record does not start")]
    Store(#[from] StoreError),
    /// Identity providers.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A door without an audience.
    #[error(transparent)]
    Audience(#[from] NoAudience),
    /// The hub's own client at a provider.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The HTTP client.
    #[error(transparent)]
    Egress(#[from] deputy_egress::EgressError),
    /// The public URL.
    #[error(transparent)]
    PublicUrl(#[from] deputy_core::IdError),
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        crate::cli::now()
    }
}

/// A hub that runs, and what has to end after it.
pub struct Running {
    /// The hub.
    pub hub: Arc<Hub>,
    tables: Supervisor,
    publisher: Arc<Mutex<Publisher>>,
    spans: Option<Carrier>,
}

impl Running {
    /// Starts everything but the listener.
    ///
    /// # Errors
    /// Says what is missing, and the mend.
    pub async fn start(settings: &Settings, stop: CancellationToken) -> Result<Self, WireError> {
        let policy = policy_files::load(&settings.policy)?;
        let keys = Keys::of(&settings.hub.data_dir)?;
        // The tables end last: their supervisor hears of no signal, only of `shut_down`.
        let tables = Supervisor::default();
        let place = Place::new(&settings.hub.data_dir);
        let store = Arc::new(SqliteStore::open(place, deputy_store::Settings::default(), &tables).await?);
        let client =
            HttpClient::new(deputy_egress::Settings::new(NamedHosts::of(&settings.named_addresses())))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let publisher = Arc::new(Mutex::new(Publisher::new(
            Place::new(&settings.hub.data_dir),
            settings.tenants.clone(),
            settings.audit.publish.clone(),
            client.clone(),
            Arc::clone(&clock),
        )));
        let kept = settings.audit.keep.map(|keep| Arc::clone(&store).keep(keep, Arc::clone(&clock)));
        let supervisor = Supervisor::new(stop);
        let around = Around {
            client: client.clone(),
            clock: Arc::clone(&clock),
            supervisor: supervisor.clone(),
            exchange: Arc::default(),
        };
        let (tracing, spans) = settings.telemetry.as_ref().map(traces).transpose()?.unzip();
        let vault = Arc::new(vault(settings, Arc::<SqliteStore>::clone(&store)));
        let hub = Hub::new(Setup {
            public_url: Issuer::new(settings.hub.public_url.to_string())?,
            tenants: settings.tenants.clone(),
            apps: settings.apps.iter().map(app).collect(),
            servers: servers(settings, &around, &vault)?,
            verifier: verifier(settings)?,
            doors: doors(settings)?,
            people_clients: people_clients(settings),
            policy,
            signing_key: keys.signing,
            sealer: keys.sealer,
            log: Arc::<SqliteStore>::clone(&store),
            recording: settings.audit.recording,
            tickets: Arc::<SqliteStore>::clone(&store),
            approvals: Arc::<SqliteStore>::clone(&store),
            standing: Arc::<SqliteStore>::clone(&store),
            open_calls: Arc::<SqliteStore>::clone(&store),
            limits: settings.limits.clone(),
            intents: Arc::<SqliteStore>::clone(&store),
            switches: Arc::<SqliteStore>::clone(&store),
            access: Arc::<SqliteStore>::clone(&store),
            sign_in: sign_in(settings)?,
            signals: signals(settings)?,
            introspection: introspection(settings)?,
            consents: Some(PersonVault::new(
                Arc::<SqliteStore>::clone(&store),
                Arc::new(MasterKeyFile::of(settings)),
            )),
            connections: connections(settings)?,
            endpoints: Arc::new(endpoints(settings, client.clone())),
            operator_groups: settings.hub.operator_groups.clone(),
            pins: store,
            manifests: Arc::new(ManifestFetcher::new(client.clone())),
            keys: Arc::new(KeyFetcher::new(client)),
            tracing,
            clock,
            supervisor,
            approval_limits: ApprovalLimits {
                decide_within: settings.hub.approval_wait,
                execute_within: settings.hub.approval_execution,
                ..ApprovalLimits::default()
            },
            listing: settings.hub.listing,
            call_limits: CallLimits { default_timeout: settings.hub.call_deadline, ..CallLimits::default() },
        });
        // Set once: there is one hub.
        let _ = around.exchange.set(Arc::clone(hub.exchange()));
        hub.start().await?;
        if let PolicySource::Directory(directory) = &settings.policy {
            hub.supervisor().start_until_shutdown(watch(Arc::clone(&hub), directory.clone()));
        }
        if let Some(kept) = kept {
            hub.supervisor().start_until_shutdown(kept);
        }
        let carrier = Arc::clone(&publisher);
        hub.supervisor().start_until_shutdown(async move { carrier.lock().await.run().await });
        if let Some(spans) = spans.clone() {
            hub.supervisor().start_until_shutdown(spans.run());
        }
        Ok(Self { hub, tables, publisher, spans })
    }

    /// Ends everything: tabs are told to come back, running calls get their outcome, then the tables close.
    pub async fn end(self) {
        self.hub.tabs().close_all();
        self.hub.servers().close().await;
        if tokio::time::timeout(Duration::from_secs(10), self.hub.supervisor().shut_down()).await.is_err() {
            tracing::warn!("some calls did not end in 10 s; the next start records their outcome as unknown");
        }
        if let Err(error) = self.hub.last_words().await {
            tracing::error!(%error, "the last refused sign-ins could not be recorded");
        }
        self.tables.shut_down().await;
        // The last checkpoint was signed just now.
        let last = async { self.publisher.lock().await.round().await };
        if tokio::time::timeout(Duration::from_secs(10), last).await.is_err() {
            tracing::warn!("the last checkpoint was not carried off the box; the next start does it");
        }
        if let Some(spans) = self.spans {
            spans.last().await;
        }
    }
}

fn app(app: &App) -> deputy_hub::App {
    deputy_hub::App {
        name: app.name.clone(),
        tenant: app.tenant.clone(),
        origins: app.origins.clone(),
        classes: app.classes.iter().map(|(name, class)| (name.clone(), *class)).collect(),
        manifest: app.manifest.as_ref().map(|manifest| deputy_hub::ManifestAt {
            url: manifest.url.to_string(),
            origin: manifest.origin.clone(),
        }),
    }
}

/// The clients with which people decide.
pub(crate) fn people_clients(settings: &Settings) -> Vec<Client> {
    settings.hub.cli_client_id.iter().cloned().map(Client).collect()
}

/// Checks tokens of the configured providers; knows no key yet.
pub(crate) fn verifier(settings: &Settings) -> Result<Verifier, ProviderError> {
    let rings = settings.identity_providers.iter().map(|entry| {
        let ring = Arc::new(KeyRing::new());
        (Arc::new(entry.provider.clone()), ring)
    });
    Verifier::new(rings)
}

/// One audience per door: `/mcp` and `/api` exactly their addresses, each app's tickets exactly the app's own.
pub(crate) fn doors(settings: &Settings) -> Result<HashMap<Door, Expectations>, NoAudience> {
    let own = |path: &str| Audiences::one(format!("{}{path}", settings.hub.public_url));
    let mut doors = HashMap::from([
        (Door::Mcp, Expectations::access_token(own("/mcp")?)),
        (Door::Api, Expectations::access_token(own("/api")?)),
    ]);
    for server in &settings.servers {
        let audience = own(&format!("/s/{}/mcp", server.name))?;
        doors.insert(Door::Server(server.name.clone()), Expectations::access_token(audience));
    }
    for app in &settings.apps {
        let accepts = Accepts::Only(app.identity_provider.clone());
        let expectations = Expectations { audiences: app.audiences.clone(), kind: app.token, accepts };
        doors.insert(Door::Tickets(app.name.clone()), expectations);
    }
    Ok(doors)
}

/// Reloads the policy when its files change. What cannot be read or parsed keeps the last good set, and is said once.
async fn watch(hub: Arc<Hub>, directory: PathBuf) {
    let mut every = tokio::time::interval(POLICY_POLL);
    let mut last = policy_files::read(&directory, ".cedar").map_err(|error| error.to_string());
    loop {
        every.tick().await;
        let now = policy_files::read(&directory, ".cedar").map_err(|error| error.to_string());
        if now == last {
            continue;
        }
        match &now {
            Ok(files) if files.is_empty() => {
                hub.policies().unreadable(PolicyFilesError::Empty(directory.clone()).to_string()).await;
            }
            // A bad set is told by `reload` itself.
            Ok(files) => drop(hub.policies().reload(files).await),
            Err(error) => hub.policies().unreadable(error.clone()).await,
        }
        last = now;
    }
}
