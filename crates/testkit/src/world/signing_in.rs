//! Worlds in which people sign in at the hub, servers get tokens for them, and the provider tells what ended.

use super::{PUBLIC_URL, Parts, World};
use crate::wishes::permit_all;
use deputy_core::{Client, Secret};
use deputy_hub::Trust;
use deputy_hub::authenticate::IntrospectionSetup;
use deputy_hub::exchange::Connection;
use deputy_hub::ports::Upstream;
use deputy_hub::sign_in::{OwnClient, SignInSetup};
use deputy_hub::signals::{EventStream, SignalsSetup};
use deputy_identity::claims::Audiences;
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::provider::{ProviderName, Settings};
use deputy_identity::revocation::LogoutType;
use std::collections::HashMap;
use std::sync::Arc;

impl World {
    /// In which people sign in at the hub, everything is allowed, and there are these servers.
    pub async fn signing_in<U: Upstream + 'static>(
        sign_in: SignInSetup,
        servers: Vec<(&'static str, Arc<U>)>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, Trust::FirstUse) });
        let parts = Parts { servers: servers.collect(), sign_in: Some(sign_in), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// Another hub over what this one left, in which people sign in: as after a restart.
    pub async fn signing_in_again<U: Upstream + 'static>(
        &self,
        sign_in: SignInSetup,
        servers: Vec<(&'static str, Arc<U>)>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, Trust::FirstUse) });
        let parts = Parts {
            tables: Arc::clone(&self.tables),
            clock: Arc::clone(&self.clock),
            issuer: Arc::clone(&self.issuer),
            endpoints: Arc::clone(&self.endpoints),
            key: Arc::clone(&self.key),
            servers: servers.collect(),
            sign_in: Some(sign_in),
            ..Parts::default()
        };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// The same, in which the hub gets tokens by these connections, and there is no server but them.
    pub async fn exchanging(sign_in: SignInSetup, connections: Vec<Connection>) -> Self {
        let parts = Parts { connections, sign_in: Some(sign_in), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// The same, at a provider with these settings (its name is `idp`), of which these scopes are asked.
    pub async fn exchanging_at(
        settings: Settings,
        own: OwnClient,
        scopes: &[&str],
        connections: Vec<Connection>,
    ) -> Self {
        let sign_in = SignInSetup {
            providers: HashMap::from([(settings.name.clone(), own)]),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ..Self::sign_in()
        };
        let parts =
            Parts { connections, sign_in: Some(sign_in), provider: Some(settings), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// The same, with servers that are called by these connections.
    pub async fn exchanging_for<U: Upstream + 'static>(
        sign_in: SignInSetup,
        connections: Vec<Connection>,
        servers: Vec<(&'static str, Arc<U>)>,
    ) -> Self {
        let servers = servers
            .into_iter()
            .map(|(name, upstream)| -> (_, Arc<dyn Upstream>, _) { (name, upstream, Trust::FirstUse) });
        let parts =
            Parts { connections, servers: servers.collect(), sign_in: Some(sign_in), ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// Another hub over what this one left, with these connections: as after a restart.
    pub async fn exchanging_again(&self, sign_in: SignInSetup, connections: Vec<Connection>) -> Self {
        let parts = Parts {
            tables: Arc::clone(&self.tables),
            clock: Arc::clone(&self.clock),
            issuer: Arc::clone(&self.issuer),
            endpoints: Arc::clone(&self.endpoints),
            key: Arc::clone(&self.key),
            master_keys: Arc::clone(&self.master_keys),
            connections,
            sign_in: Some(sign_in),
            ..Parts::default()
        };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// In which the provider may tell this, and everything is allowed.
    pub async fn told(signals: SignalsSetup) -> Self {
        let parts = Parts { signals, ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// In which the provider is asked about each token, and everything is allowed.
    pub async fn introspecting(url: Option<url::Url>) -> Self {
        let introspection = Some(IntrospectionSetup { client: Self::own_client(), url });
        let parts = Parts { introspection, ..Parts::default() };
        let world = Self::reached_at(PUBLIC_URL, permit_all(), Vec::new(), parts);
        world.hub.start().await.unwrap();
        world
    }

    /// Logout tokens for the client `deputy`, and pushed events for [`World::EVENTS`].
    #[must_use]
    pub fn signals() -> SignalsSetup {
        SignalsSetup {
            clients: Some(Audiences::one("deputy").unwrap()),
            declared: LogoutType::Declared,
            events: Some(EventStream {
                audiences: Audiences::one(Self::EVENTS).unwrap(),
                push_token: None,
                poll: None,
            }),
        }
    }

    /// What the provider's stream of security events calls the hub.
    pub const EVENTS: &'static str = "https://hub.example/events";

    fn own_client() -> OwnClient {
        OwnClient {
            id: Client("deputy".to_owned()),
            authentication: ClientAuthentication::SecretBasic(Secret::new("s3cret".to_owned())),
        }
    }

    /// The hub's own client at [`TestIssuer`], and short lives.
    #[must_use]
    pub fn sign_in() -> SignInSetup {
        SignInSetup {
            providers: HashMap::from([(ProviderName::new("idp").unwrap(), Self::own_client())]),
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            session: std::time::Duration::from_secs(8 * 3600),
            grant: std::time::Duration::from_secs(1800),
            token: std::time::Duration::from_secs(300),
            ask_again: std::time::Duration::from_secs(300),
            dynamic_registration: false,
            agents: Vec::new(),
        }
    }
}
