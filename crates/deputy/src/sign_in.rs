//! From `[sign_in]` to the hub as a relying party and an authorization server.

use crate::settings::secret::SecretError;
use crate::settings::{ProviderClient, Settings};
use deputy_core::Client;
use deputy_egress::{EndpointClient, HttpClient, NamedHosts};
use deputy_hub::sign_in::{ApprovedAgent, OwnClient, SignInSetup};
use deputy_identity::client_assertion::AssertionAudience;
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::mint::{MintError, SigningKey};
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

/// Why the hub's own client at a provider is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Its secret or key cannot be read.
    #[error("the hub's own client at `{provider}`: {error}")]
    Secret {
        /// Which provider.
        provider: String,
        /// What is wrong.
        error: SecretError,
    },
    /// Its key is none.
    #[error(
        "the hub's own client at `{provider}`: {error}; mend: write a PKCS#8 key in PEM, for example with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    Key {
        /// Which provider.
        provider: String,
        /// What is wrong.
        error: MintError,
    },
    /// There is nowhere to ask for tokens.
    #[error("server `{0}` has no token endpoint; mend: add `token_endpoint`")]
    Endpoint(String),
}

/// How people and agents sign in; `None`: they do not.
///
/// # Errors
/// Names the provider whose client cannot be used.
pub fn sign_in(settings: &Settings) -> Result<Option<SignInSetup>, SignInError> {
    let Some(own) = &settings.sign_in else { return Ok(None) };
    let mut providers = HashMap::new();
    for entry in &settings.identity_providers {
        let name = entry.provider.name();
        let Some(client) = entry.client.as_ref().filter(|_| own.providers.contains(name)) else { continue };
        let authentication = authentication(name.as_str(), client)?;
        providers.insert(name.clone(), OwnClient { id: Client(client.id.clone()), authentication });
    }
    Ok(Some(SignInSetup {
        providers,
        scopes: own.scopes.clone(),
        session: own.session,
        grant: own.grant,
        token: own.token,
        ask_again: own.ask_again,
        dynamic_registration: own.dynamic_registration,
        agents: own
            .agents
            .iter()
            .map(|agent| ApprovedAgent {
                tenant: agent.tenant.clone(),
                client: agent.client.clone(),
                most: agent.most,
                sources: agent.sources.clone(),
            })
            .collect(),
    }))
}

/// How the hub shows a provider which client it is: by a signed assertion where it has a key, else by a secret in the header,
/// else not at all (D10).
///
/// # Errors
/// Names the provider.
pub fn authentication(provider: &str, client: &ProviderClient) -> Result<ClientAuthentication, SignInError> {
    let unread = |error| SignInError::Secret { provider: provider.to_owned(), error };
    if let Some(key) = &client.private_key {
        let pem = key.read().map_err(unread)?;
        let key = SigningKey::from_pem(&pem)
            .map_err(|error| SignInError::Key { provider: provider.to_owned(), error })?;
        return Ok(ClientAuthentication::PrivateKeyJwt {
            key: Arc::new(key),
            audience: AssertionAudience::Issuer,
        });
    }
    match &client.secret {
        Some(secret) => Ok(ClientAuthentication::SecretBasic(secret.read().map_err(unread)?)),
        None => Ok(ClientAuthentication::None),
    }
}

/// What asks endpoints: inside only where the operator said so.
#[must_use]
pub fn endpoints(settings: &Settings, client: HttpClient) -> EndpointClient {
    let agents: Vec<Url> = settings.agent_addresses();
    let own = Url::parse(settings.hub.public_url.as_str()).ok();
    EndpointClient::new(client, own, NamedHosts::of(&agents))
}
