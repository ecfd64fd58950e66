//! The hub as a client of the authorization server of one server: by its own document, by what the operator registered, or
//! registered by itself, once (RFC 7591).

use super::super::refusal::Fault;
use super::super::{AtServer, Connection, Exchange, ServerClient};
use super::vault_fault;
use crate::ports::{Registration, ToldBy};
use deputy_core::{Client, Event, EventKind, Secret, Timestamp};
use deputy_identity::client_assertion::AssertionAudience;
use deputy_identity::client_authentication::{ClientAuthentication, ClientProof};
use deputy_identity::exchange::user_oauth::{Registered, ServerMetadata, registration};
use deputy_identity::exchange::{ExchangeError, read_error};
use deputy_identity::form::Form;
use std::sync::Arc;
use std::time::Duration;

/// How long one endpoint may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who the hub is there.
pub(super) struct Known {
    pub(super) id: Client,
    authentication: ClientAuthentication,
}

impl Exchange {
    /// The address to which authorization servers send browsers back.
    pub(super) fn redirect_uri(&self) -> String {
        format!("{}{}", self.public_url, super::CALLBACK)
    }

    /// Who the hub is at this authorization server; it registers itself where it has to and has not yet.
    pub(super) async fn known_as(
        &self,
        connection: &Connection,
        at: &AtServer,
        metadata: Option<&ServerMetadata>,
        scopes: &[String],
    ) -> Result<Known, Fault> {
        let by_document = || Known {
            id: Client(format!("{}/oauth/client.json", self.public_url)),
            authentication: self.by_own_key(),
        };
        match &at.client {
            ServerClient::OwnDocument => Ok(by_document()),
            ServerClient::Registered { id, authentication } => {
                Ok(Known { id: id.clone(), authentication: fitting(authentication, metadata) })
            }
            ServerClient::SelfRegistered => {
                if metadata.is_some_and(ServerMetadata::reads_client_documents) {
                    return Ok(by_document());
                }
                // One at a time: of two people who connect at once only the first makes it register.
                let _alone = self.consents.registering.lock().await;
                let row = self.access.registration(&connection.server);
                let redirect_uri = self.redirect_uri();
                let fits =
                    |row: &&Arc<Registration>| row.issuer == at.issuer && row.redirect_uri == redirect_uri;
                match row.as_ref().filter(fits) {
                    Some(row) => self.of_registration(row).await,
                    None => self.register(connection, at, metadata, scopes).await,
                }
            }
        }
    }

    fn by_own_key(&self) -> ClientAuthentication {
        ClientAuthentication::PrivateKeyJwt {
            key: Arc::clone(&self.key),
            audience: AssertionAudience::Issuer,
        }
    }

    async fn of_registration(&self, row: &Registration) -> Result<Known, Fault> {
        let secret = match &row.sealed {
            None => None,
            Some(sealed) => {
                let vault = self.vault.as_ref().ok_or(Fault::Vault("vault_sealed"))?;
                let opened = vault.open(&row.place(), sealed).await.map_err(|fault| vault_fault(&fault))?;
                let text = String::from_utf8(opened.expose().clone()).map_err(|_| Fault::Internal)?;
                Some(Secret::new(text))
            }
        };
        Ok(Known { id: row.client.clone(), authentication: self.shown_by(&row.method, secret) })
    }

    fn shown_by(&self, method: &str, secret: Option<Secret<String>>) -> ClientAuthentication {
        match (method, secret) {
            ("private_key_jwt", _) => self.by_own_key(),
            ("client_secret_basic", Some(secret)) => ClientAuthentication::SecretBasic(secret),
            ("client_secret_post", Some(secret)) => ClientAuthentication::SecretPost(secret),
            _ => ClientAuthentication::None,
        }
    }

    async fn register(
        &self,
        connection: &Connection,
        at: &AtServer,
        metadata: Option<&ServerMetadata>,
        scopes: &[String],
    ) -> Result<Known, Fault> {
        let metadata = metadata.ok_or(Fault::Document("it has no metadata, so the hub cannot register"))?;
        let endpoint =
            metadata.registration_endpoint().ok_or(Fault::Document("it lets no client register itself"))?;
        let redirect_uri = self.redirect_uri();
        let said = registration(metadata, self.public_url.as_str(), &redirect_uri, scopes);
        let said = said.map_err(Fault::Server)?;
        let asked = self.endpoints.post_json(&endpoint, ToldBy::Operator, &said, None);
        let answered = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| Fault::Unreachable)?;
        let answer = answered.map_err(|_| Fault::Unreachable)?;
        if !matches!(answer.status, 200 | 201) {
            let error = read_error(answer.status, answer.body.expose());
            return Err(Fault::Server(match error {
                // Nobody was there to be shown: it is the registration that was refused.
                ExchangeError::InvalidClient => ExchangeError::UnauthorizedClient,
                error => error,
            }));
        }
        let Registered { client, secret, method, ends_at } =
            Registered::read(answer.body.expose(), &said).map_err(Fault::Server)?;
        let now = self.clock.now();
        let mut row = Registration {
            tenant: connection.tenant.clone(),
            server: connection.server.clone(),
            issuer: at.issuer.clone(),
            client: client.clone(),
            redirect_uri,
            method: method.clone(),
            registered_at: now,
            ends_at: ends_at.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000))),
            sealed: None,
        };
        if let Some(secret) = &secret {
            let vault = self.vault.as_ref().ok_or(Fault::Vault("vault_sealed"))?;
            let bytes = Secret::new(secret.expose().clone().into_bytes());
            let sealed = vault.seal(&row.place(), &bytes).await.map_err(|fault| vault_fault(&fault))?;
            row.sealed = Some(sealed);
        }
        let mut event = Event::new(now, connection.tenant.clone(), EventKind::HubRegistered)
            .with_detail("authorization_server", at.issuer.as_str())
            .with_detail("method", method.as_str());
        event.client = Some(client.clone());
        event.source = Some(connection.server.clone());
        self.access.registered(row, event).await.map_err(|_| Fault::Audit)?;
        Ok(Known { id: client, authentication: self.shown_by(&method, secret) })
    }

    /// One request to the token endpoint, as the client that the hub is there. Nothing is tried twice.
    pub(super) async fn as_client(
        &self,
        connection: &Connection,
        at: &AtServer,
        form: Form,
    ) -> Result<Secret<Vec<u8>>, Fault> {
        let metadata = self.metadata(at).await?;
        let known = self.known_as(connection, at, metadata.as_deref(), &[]).await?;
        let url = match (&at.token_endpoint, &metadata) {
            (Some(pinned), _) => pinned.clone(),
            (None, Some(metadata)) => metadata.token_endpoint().map_err(Fault::Document)?,
            (None, None) => return Err(Fault::Unreachable),
        };
        let proof = self.proof_of(&known, at)?;
        let answer = self.posted(&url, ToldBy::Operator, form.and(proof.fields), proof.authorization).await?;
        answer.map_err(Fault::Server)
    }

    pub(super) fn proof_of(&self, known: &Known, at: &AtServer) -> Result<ClientProof, Fault> {
        let proof = known.authentication.prove(&known.id, &at.issuer, self.clock.now());
        proof.map_err(|_| Fault::Internal)
    }

    /// What the authorization server says of itself. `None`: nothing, and what counts is pinned.
    pub(super) async fn metadata(&self, at: &AtServer) -> Result<Option<Arc<ServerMetadata>>, Fault> {
        match self.documents.server(at).await {
            Ok(metadata) => Ok(Some(metadata)),
            Err(Fault::Unreachable) if at.token_endpoint.is_some() => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// A secret goes where the authorization server takes it: into the header, unless it says that it takes only the form.
fn fitting(configured: &ClientAuthentication, metadata: Option<&ServerMetadata>) -> ClientAuthentication {
    match configured {
        ClientAuthentication::PrivateKeyJwt { key, audience } => {
            ClientAuthentication::PrivateKeyJwt { key: Arc::clone(key), audience: audience.clone() }
        }
        ClientAuthentication::SecretBasic(secret) | ClientAuthentication::SecretPost(secret) => {
            let secret = Secret::new(secret.expose().clone());
            let only_form = |metadata: &ServerMetadata| {
                !metadata.takes("client_secret_basic") && metadata.takes("client_secret_post")
            };
            match metadata.is_some_and(only_form) {
                true => ClientAuthentication::SecretPost(secret),
                false => ClientAuthentication::SecretBasic(secret),
            }
        }
        ClientAuthentication::None => ClientAuthentication::None,
    }
}
