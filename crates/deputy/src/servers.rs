//! From `[[server]]` to the servers of the hub: how each is reached, and by which right.

use crate::settings::{
    self, Credential, Document, ExchangeWay, ProviderClient, Server, Settings, UserClient, Way,
};
use crate::sign_in::{SignInError, authentication};
use async_trait::async_trait;
use deputy_core::{Client, IdError, Origin, Secret, SourceName, TenantId};
use deputy_egress::upstream::{
    self, HttpSettings, HttpUpstream, Limits, NoCredential, StdioSettings, StdioUpstream, Unreflecting,
};
use deputy_egress::{DocumentAt, HttpClient, OpenApiUpstream, Served};
use deputy_hub::exchange::{
    self, Asker, AtServer, Connection, ConsentSettings, Exchange, ExchangeRefusal, ServerClient,
    ServerRefusal,
};
use deputy_hub::ports::{Clock, Upstream};
use deputy_hub::{Right, Supervisor, Vault};
use deputy_identity::client_assertion::AssertionAudience;
use deputy_protocol::openapi::Options;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// How long a program has to end by itself, and again after it was told to.
const GRACE: Duration = Duration::from_secs(2);

/// Google Cloud's Security Token Service.
const GOOGLE_STS: &str = "https://sts.googleapis.com/v1/token";

/// How old an OpenAPI document may be when tools are listed.
const REFRESH: Duration = Duration::from_secs(60);

/// What every server needs of the program.
#[derive(Clone)]
pub struct Around {
    /// Who connects.
    pub client: HttpClient,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where tasks run.
    pub supervisor: Supervisor,
    /// Where tokens are had; set once the hub is there, and until then there are none.
    pub exchange: Arc<OnceLock<Arc<Exchange>>>,
}

/// Tokens that the hub gets for whoever asks.
struct Exchanged {
    desk: Arc<OnceLock<Arc<Exchange>>>,
    server: SourceName,
}

impl Exchanged {
    /// The desk, and for whom. What is no person's connection is sent nothing.
    fn asker(&self, principal: &str) -> Option<(&Arc<Exchange>, Asker)> {
        self.desk.get().zip(Asker::of_principal(principal))
    }
}

#[async_trait]
impl upstream::Credential for Exchanged {
    async fn headers(&self, principal: &str) -> Result<Vec<(String, Secret<String>)>, upstream::NoHeaders> {
        let Some((desk, asker)) = self.asker(principal) else {
            return Err(upstream::NoHeaders::unavailable("nobody is known for whom a token could be had"));
        };
        let token = desk.token(&asker, &self.server).await.map_err(no_headers)?;
        Ok(vec![("authorization".to_owned(), Exchange::header_of(&token))])
    }

    async fn names(&self) -> Vec<String> {
        vec!["authorization".to_owned()]
    }

    async fn refused(
        &self,
        principal: &str,
        challenge: &upstream::Challenge,
    ) -> Result<bool, upstream::NoHeaders> {
        let Some((desk, asker)) = self.asker(principal) else { return Ok(false) };
        let refusal = ServerRefusal {
            status: challenge.status,
            challenge: challenge.www_authenticate.as_deref(),
            sent: challenge.sent,
        };
        desk.refused_by(&asker, &self.server, refusal).await.map_err(no_headers)
    }
}

fn no_headers(refusal: ExchangeRefusal) -> upstream::NoHeaders {
    let ExchangeRefusal { reason, words, open } = refusal;
    upstream::NoHeaders { reason, words, open }
}

/// What the vault has for one server. Opened at the socket's edge, at each request, and kept nowhere: a secret that was
/// replaced or removed counts from the next request on.
struct Sealed {
    vault: Arc<Vault>,
    tenant: TenantId,
    server: SourceName,
}

#[async_trait]
impl upstream::Credential for Sealed {
    async fn headers(&self, _principal: &str) -> Result<Vec<(String, Secret<String>)>, upstream::NoHeaders> {
        let headers = self.vault.headers_for(&self.tenant, &self.server).await;
        let headers = headers.map_err(|fault| {
            // The operator's matter, with the mend; the agent is told that there is no credential, and no more.
            tracing::error!(%fault, server = %self.server, "a server's credential cannot be had");
            upstream::NoHeaders::unavailable("the hub has no credential for it now")
        })?;
        Ok(headers.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    async fn names(&self) -> Vec<String> {
        let names = self.vault.names_for(&self.tenant, &self.server).await;
        // Without them an argument of such a name is still refused when it is given.
        names.unwrap_or_default().iter().map(ToString::to_string).collect()
    }
}

/// The servers of the hub; none is connected yet.
///
/// # Errors
/// An address has no origin.
pub fn servers(
    settings: &Settings,
    around: &Around,
    vault: &Arc<Vault>,
) -> Result<Vec<deputy_hub::Server>, IdError> {
    settings.servers.iter().map(|server| one(server, around, vault)).collect()
}

/// One of them.
///
/// # Errors
/// Its address has no origin.
pub fn one(server: &Server, around: &Around, vault: &Arc<Vault>) -> Result<deputy_hub::Server, IdError> {
    Ok(deputy_hub::Server {
        name: server.name.clone(),
        tenant: server.tenant.clone(),
        origin: origin(server)?,
        classes: server.classes.clone().into_iter().collect(),
        trust: server.trust,
        right: match &server.credential {
            Credential::Open => Right::Open,
            Credential::Vault => Right::Key,
            Credential::Exchange(exchange) => match exchange.way {
                ExchangeWay::ClientCredentials { .. } => Right::Key,
                _ => Right::Exchange,
            },
        },
        timeout: server.timeout,
        call_deadline: server.call_deadline,
        upstream: match &server.credential {
            Credential::Open => upstream(server, around, Arc::new(NoCredential)),
            Credential::Vault => {
                let (vault, tenant, server_name) =
                    (Arc::clone(vault), server.tenant.clone(), server.name.clone());
                let sealed = Arc::new(Sealed { vault, tenant, server: server_name });
                let opened = upstream(server, around, Arc::<Sealed>::clone(&sealed));
                Arc::new(Unreflecting::new(opened, sealed, around.supervisor.clone()))
            }
            Credential::Exchange(_) => {
                let (desk, server_name) = (Arc::clone(&around.exchange), server.name.clone());
                let exchanged = Arc::new(Exchanged { desk, server: server_name });
                let opened = upstream(server, around, Arc::<Exchanged>::clone(&exchanged));
                Arc::new(Unreflecting::new(opened, exchanged, around.supervisor.clone()))
            }
        },
    })
}

/// The servers that the hub gets tokens for.
///
/// # Errors
/// The hub's own client at an authorization server cannot be used.
pub fn connections(settings: &Settings) -> Result<Vec<Connection>, SignInError> {
    let each = settings.servers.iter().filter_map(|server| match &server.credential {
        Credential::Exchange(exchange) => Some(connection(server, exchange)),
        Credential::Open | Credential::Vault => None,
    });
    each.collect()
}

fn connection(server: &Server, own: &settings::Exchange) -> Result<Connection, SignInError> {
    let token_endpoint = own.token_endpoint.clone();
    let registered = |client: &ProviderClient| {
        let authentication = authentication(server.name.as_str(), client, AssertionAudience::Issuer)?;
        Ok::<_, SignInError>(ServerClient::Registered { id: Client(client.id.clone()), authentication })
    };
    let way = match &own.way {
        ExchangeWay::IdJag { provider, authorization_server, client } => {
            let client = client.as_ref().map(registered).transpose()?.unwrap_or(ServerClient::OwnDocument);
            let at = AtServer { issuer: authorization_server.clone(), token_endpoint, client };
            exchange::Way::IdJag { provider: provider.clone(), at }
        }
        ExchangeWay::TokenExchange { provider, audience, unasked_scopes, subject } => {
            exchange::Way::TokenExchange {
                provider: provider.clone(),
                audience: audience.clone(),
                unasked_scopes: unasked_scopes.clone(),
                subject: subject.clone(),
                token_endpoint,
            }
        }
        ExchangeWay::EntraObo { provider } => {
            exchange::Way::EntraObo { provider: provider.clone(), token_endpoint }
        }
        ExchangeWay::GoogleSts { provider, audience, user_project } => {
            let usual = Url::parse(GOOGLE_STS).ok();
            let Some(token_endpoint) = token_endpoint.or(usual) else {
                return Err(SignInError::Endpoint(server.name.to_string()));
            };
            exchange::Way::GoogleSts {
                provider: provider.clone(),
                audience: audience.clone(),
                user_project: user_project.clone(),
                token_endpoint,
            }
        }
        ExchangeWay::UserOauth {
            authorization_server,
            authorization_endpoint,
            authorization_parameters,
            client,
            pinned,
        } => {
            let client = match client {
                UserClient::OwnDocument => ServerClient::OwnDocument,
                UserClient::SelfRegistered => ServerClient::SelfRegistered,
                UserClient::Registered(client) => registered(client)?,
            };
            let at = AtServer { issuer: authorization_server.clone(), token_endpoint, client };
            let address = match &server.way {
                Way::Address(url) => Some(url.clone()),
                Way::Command { .. } | Way::OpenApi { .. } => None,
            };
            let consent = ConsentSettings {
                address,
                authorization_endpoint: authorization_endpoint.clone(),
                is_resource_pinned: pinned.resource,
                are_scopes_pinned: pinned.scopes,
                authorization_parameters: authorization_parameters.clone(),
            };
            exchange::Way::UserOauth { at, consent }
        }
        ExchangeWay::ClientCredentials { authorization_server, client } => {
            let client = registered(client)?;
            let at = AtServer { issuer: authorization_server.clone(), token_endpoint, client };
            exchange::Way::ClientCredentials { at }
        }
    };
    Ok(Connection {
        server: server.name.clone(),
        tenant: server.tenant.clone(),
        resource: own.resource.clone(),
        scopes: own.scopes.clone(),
        way,
    })
}

/// What stands behind a server, as policies and the log name it.
fn origin(server: &Server) -> Result<Origin, IdError> {
    let of_url = |url: &Url| Origin::new(url.origin().ascii_serialization());
    match &server.way {
        Way::Address(url) => of_url(url),
        Way::OpenApi { base_url: Some(url), .. } | Way::OpenApi { document: Document::Address(url), .. } => {
            of_url(url)
        }
        Way::Command { .. } | Way::OpenApi { .. } => Origin::new(format!("stdio://{}", server.name)),
    }
}

/// The way to a server, opened by this credential.
#[must_use]
pub fn upstream(
    server: &Server,
    around: &Around,
    credential: Arc<dyn upstream::Credential>,
) -> Arc<dyn Upstream> {
    let limits = Limits {
        answer_bytes: server.answer_bytes,
        stream_line_bytes: server.answer_bytes,
        ..Limits::default()
    };
    let Around { client, clock, supervisor, .. } = around.clone();
    let name = server.name.to_string();
    match &server.way {
        Way::Address(url) => Arc::new(HttpUpstream::new(HttpSettings {
            name,
            url: url.clone(),
            client,
            credential,
            limits,
            clock,
            supervisor,
        })),
        Way::Command { words, environment, folder, shared } => {
            let mut words = words.iter().cloned();
            Arc::new(StdioUpstream::new(StdioSettings {
                name,
                program: words.next().unwrap_or_default(),
                arguments: words.collect(),
                environment: environment.clone(),
                directory: Some(folder.clone()),
                is_shared: *shared,
                grace: GRACE,
                limits,
                clock,
                supervisor,
            }))
        }
        Way::OpenApi { document, base_url, include, exclude } => {
            let document = match document {
                Document::Address(url) => DocumentAt::Url(url.clone()),
                Document::File(path) => DocumentAt::File(path.clone()),
            };
            let options = Options {
                include: include.clone().unwrap_or_default(),
                exclude: exclude.clone(),
                ..Options::default()
            };
            let interface = Arc::new(OpenApiUpstream::new(
                client,
                clock,
                Served {
                    name,
                    document,
                    base_url: base_url.clone(),
                    options,
                    limit_bytes: server.answer_bytes,
                    refresh: REFRESH,
                    credential,
                },
            ));
            interface.keep_fresh(&supervisor);
            interface
        }
    }
}

#[cfg(test)]
mod tests;
