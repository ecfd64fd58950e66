//! From `[sign_in]` to the hub as a relying party and an authorization server.

use crate::settings::secret::SecretError;
use crate::settings::{ProviderClient, SecretSource, Settings};
use deputy_core::Client;
use deputy_egress::{EndpointClient, HttpClient, NamedHosts};
use deputy_hub::authenticate::IntrospectionSetup;
use deputy_hub::sign_in::{ApprovedAgent, OwnClient, SignInSetup};
use deputy_hub::signals::{EventStream, PollAt, SignalsSetup};
use deputy_identity::claims::{Audiences, NoAudience};
use deputy_identity::client_assertion::AssertionAudience;
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::mint::{MintError, SigningKey};
use deputy_identity::provider::AccessTokenType;
use deputy_identity::revocation::LogoutType;
use deputy_identity::{Provider, ProviderName};
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
    /// The secret of its stream of security events cannot be read.
    #[error("the events of identity provider `{provider}`: {error}")]
    Events {
        /// Which provider.
        provider: String,
        /// What is wrong.
        error: SecretError,
    },
    /// A name for which tokens are is empty.
    #[error("identity provider `{provider}`: {error}")]
    Audience {
        /// Which provider.
        provider: String,
        /// What is wrong.
        error: NoAudience,
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
        let authentication = authentication(name.as_str(), client, usual(&entry.provider))?;
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

/// Which providers are asked about each of their tokens.
///
/// # Errors
/// Names the provider whose client cannot be used.
pub fn introspection(settings: &Settings) -> Result<HashMap<ProviderName, IntrospectionSetup>, SignInError> {
    let mut asked = HashMap::new();
    for entry in &settings.identity_providers {
        let (Some(wanted), Some(client)) = (&entry.introspection, &entry.client) else { continue };
        let name = entry.provider.name();
        let authentication = authentication(name.as_str(), client, usual(&entry.provider))?;
        let client = OwnClient { id: Client(client.id.clone()), authentication };
        asked.insert(name.clone(), IntrospectionSetup { client, url: wanted.url.clone() });
    }
    Ok(asked)
}

/// What each provider may tell by itself: logout tokens for the hub's own client there, and security events.
///
/// # Errors
/// Names the provider whose secret cannot be read.
pub fn signals(settings: &Settings) -> Result<HashMap<ProviderName, SignalsSetup>, SignInError> {
    let mut told = HashMap::new();
    for entry in &settings.identity_providers {
        let name = entry.provider.name();
        let provider = || name.to_string();
        let audience = |text: &str| {
            Audiences::one(text).map_err(|error| SignInError::Audience { provider: provider(), error })
        };
        let secret = |source: &Option<SecretSource>| {
            let read = source.as_ref().map(SecretSource::read).transpose();
            read.map_err(|error| SignInError::Events { provider: provider(), error })
        };
        let events = match &entry.events {
            None => None,
            Some(events) => Some(EventStream {
                audiences: audience(&events.audience)?,
                push_token: secret(&events.push_token)?,
                poll: match &events.poll {
                    None => None,
                    Some((url, token)) => Some(PollAt { url: url.clone(), token: secret(token)? }),
                },
            }),
        };
        // Without a client of ours there is nobody whose logout a token could be about.
        let clients = entry.client.as_ref().map(|client| audience(&client.id)).transpose()?;
        if clients.is_none() && events.is_none() {
            continue;
        }
        // What cannot say that it is an access token cannot say that it is a logout token either.
        let declared = match entry.provider.settings().access_token_type {
            AccessTokenType::Declared => LogoutType::Declared,
            AccessTokenType::Untyped => LogoutType::Untyped,
        };
        told.insert(name.clone(), SignalsSetup { clients, declared, events });
    }
    Ok(told)
}

fn usual(provider: &Provider) -> AssertionAudience {
    provider.settings().preset.assertion_audience(provider.issuer())
}

/// How the hub shows a provider which client it is: by a signed assertion where it has a key, else by a secret in the header
/// (or in the form, for servers that take no other), else not at all (D10). `usual` is for whom assertions are where the
/// config does not say.
///
/// # Errors
/// Names the provider.
pub fn authentication(
    provider: &str,
    client: &ProviderClient,
    usual: AssertionAudience,
) -> Result<ClientAuthentication, SignInError> {
    let unread = |error| SignInError::Secret { provider: provider.to_owned(), error };
    if let Some(key) = &client.private_key {
        let pem = key.read().map_err(unread)?;
        let key = SigningKey::from_pem(&pem)
            .map_err(|error| SignInError::Key { provider: provider.to_owned(), error })?;
        let audience = client.assertion_audience.clone().map_or(usual, AssertionAudience::Pinned);
        return Ok(ClientAuthentication::PrivateKeyJwt { key: Arc::new(key), audience });
    }
    match &client.secret {
        Some(secret) if client.secret_in_form => {
            Ok(ClientAuthentication::SecretPost(secret.read().map_err(unread)?))
        }
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
