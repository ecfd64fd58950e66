//! The requests of an exchange: at the identity provider, and at the server's own authorization server. Each is sent once;
//! what was sent and lost is not sent again (D6).

use super::{Connection, Exchange, Exchanged, Kind, UNSAID};
use crate::ports::{Login, ToldBy};
use crate::sign_in::{Held, LoginFault, Logins, OwnClient};
use deputy_core::{Issuer, Secret};
use deputy_identity::exchange::client_credentials::ClientCredentials;
use deputy_identity::exchange::entra_obo::OnBehalfOf;
use deputy_identity::exchange::google_sts::{GoogleSts, Subject};
use deputy_identity::exchange::id_jag::{IdJagRequest, SubjectToken};
use deputy_identity::exchange::token_exchange::{ResultForm, TokenExchange};
use deputy_identity::exchange::{Access, ExchangeError, Granted, read_error};
use deputy_identity::form::Form;
use std::sync::Arc;
use url::Url;

/// Bytes of an authorization server's metadata.
const METADATA_BYTES: usize = 64 * 1024;
/// What Keycloak puts into every token, asked or not: its default client scopes.
const DEFAULT_SCOPES: [&str; 8] =
    ["openid", "profile", "email", "roles", "web-origins", "acr", "basic", "offline_access"];

/// Why an exchange brought nothing.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The person's own tokens have ended.
    SignedOut,
    /// A document or an endpoint cannot be had.
    Unreachable(String),
    /// Something was answered.
    Answered(ExchangeError),
}

impl Trouble {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Unreachable(_) => "unreachable",
            Self::Answered(error) => error.code(),
        }
    }
}

impl From<ExchangeError> for Trouble {
    fn from(error: ExchangeError) -> Self {
        Self::Answered(error)
    }
}

/// Which of a person's own tokens is shown.
#[derive(Clone, Copy)]
enum Shown {
    IdToken,
    AccessToken,
}

impl Exchange {
    /// One exchange; a subject token that the provider does not take any more is renewed once (D9).
    pub(super) async fn exchange(
        &self,
        connection: &Connection,
        login: Option<Arc<Login>>,
    ) -> Result<Exchanged, Trouble> {
        let Some(login) = login else { return self.as_the_service(connection).await };
        match self.for_person(connection, &login).await {
            Err(Trouble::Answered(ExchangeError::InvalidGrant)) => {
                let login = self.renewed(&login).await?;
                self.for_person(connection, &login).await
            }
            done => done,
        }
    }

    async fn for_person(&self, connection: &Connection, login: &Arc<Login>) -> Result<Exchanged, Trouble> {
        match connection.kind {
            Kind::IdJag => self.by_id_jag(connection, login).await,
            Kind::TokenExchange => {
                let own = self.own(connection)?;
                let token = self.subject(login, Shown::AccessToken).await?;
                let provider = self.issuer(connection)?;
                let scopes = connection.scopes.clone();
                let request = TokenExchange {
                    issuer: provider,
                    client: own.id.clone(),
                    audience: connection.audience.clone().unwrap_or_else(|| connection.resource.clone()),
                    unasked_scopes: DEFAULT_SCOPES.map(str::to_owned).to_vec(),
                    scopes,
                    result: ResultForm::Jwt,
                };
                let body = self.at_provider(connection, request.form(&token)).await?;
                Ok(self.had(request.read(body.expose(), self.clock.now())?, login))
            }
            Kind::EntraObo => {
                let own = self.own(connection)?;
                let token = self.subject(login, Shown::AccessToken).await?;
                let request = OnBehalfOf::new(own.id.clone(), connection.scopes.clone())?;
                let (endpoint, base, proof) = self.provider_endpoint(connection).await?;
                let form = request.form(&token, proof.fields);
                let body = self.post(&endpoint, ToldBy::Document(&base), form, proof.authorization).await?;
                Ok(self.had(request.read(body.expose())?, login))
            }
            Kind::GoogleSts => {
                let token = self.subject(login, Shown::IdToken).await?;
                let audience = connection.audience.clone().unwrap_or_default();
                let request = GoogleSts { audience, scopes: connection.scopes.clone(), user_project: None };
                let endpoint = connection.token_endpoint.as_ref();
                let endpoint = endpoint.ok_or(ExchangeError::Connection("it has no token endpoint"))?;
                let form = request.form(Subject::IdToken, &token);
                let body = self.post(endpoint, ToldBy::Operator, form, None).await?;
                Ok(self.had(request.read(body.expose())?, login))
            }
            Kind::ClientCredentials => self.as_the_service(connection).await,
        }
    }

    /// Leg 1 at the identity provider, leg 2 at the server's authorization server. The subject is the person's own ID token
    /// for the hub, never what an agent brought (D3).
    async fn by_id_jag(&self, connection: &Connection, login: &Arc<Login>) -> Result<Exchanged, Trouble> {
        let client = connection.client.as_ref().ok_or(ExchangeError::Connection("it has no client"))?;
        let server = connection.authorization_server.clone();
        let server = server.ok_or(ExchangeError::Connection("it has no authorization server"))?;
        let request = IdJagRequest::new(
            self.issuer(connection)?,
            server.clone(),
            client.id.clone(),
            connection.resource.clone(),
            connection.scopes.clone(),
        )?;
        let id_token = self.subject(login, Shown::IdToken).await?;
        let body = self.at_provider(connection, request.form(&SubjectToken::IdToken(&id_token))).await?;
        let grant = request.read(body.expose(), self.clock.now())?;
        let (assertion, scopes) = (*grant.id(), grant.scopes().to_vec());
        let (endpoint, base) = self.server_endpoint(connection, &server).await?;
        let proof = client
            .authentication
            .prove(&client.id, &server, self.clock.now())
            .map_err(|_| ExchangeError::Connection("the hub's own client cannot sign"))?;
        let (form, redeemed) = grant.redeem();
        let told_by = base.as_ref().map_or(ToldBy::Operator, ToldBy::Document);
        let body = self.post(&endpoint, told_by, form.and(proof.fields), proof.authorization).await;
        // Who was told no by the server's own authorization server is not signed out at the hub.
        let body = body.map_err(|trouble| match trouble {
            Trouble::Answered(ExchangeError::InvalidGrant) => Trouble::Answered(ExchangeError::AccessDenied),
            other => other,
        })?;
        let had = self.had(redeemed.read(body.expose())?, login);
        Ok(Exchanged { assertion: Some(assertion), scopes: had.scopes.clone().or(Some(scopes)), ..had })
    }

    /// A token for the hub itself.
    async fn as_the_service(&self, connection: &Connection) -> Result<Exchanged, Trouble> {
        let client = connection.client.as_ref().ok_or(ExchangeError::Connection("it has no client"))?;
        let server = connection.authorization_server.clone();
        let server = server.ok_or(ExchangeError::Connection("it has no authorization server"))?;
        let request =
            ClientCredentials { resource: connection.resource.clone(), scopes: connection.scopes.clone() };
        let (endpoint, base) = self.server_endpoint(connection, &server).await?;
        let proof = client
            .authentication
            .prove(&client.id, &server, self.clock.now())
            .map_err(|_| ExchangeError::Connection("the hub's own client cannot sign"))?;
        let told_by = base.as_ref().map_or(ToldBy::Operator, ToldBy::Document);
        let form = request.form().and(proof.fields);
        let body = self.post(&endpoint, told_by, form, proof.authorization).await?;
        let access = request.read(body.expose())?;
        let now = self.clock.now();
        Ok(Exchanged {
            ends_at: now.plus(access.expires_in.unwrap_or(UNSAID)),
            scopes: granted(&access.granted),
            token: access.token,
            assertion: None,
        })
    }

    /// A person's own token, renewed if it has ended and can be.
    async fn subject(&self, login: &Arc<Login>, shown: Shown) -> Result<Secret<String>, Trouble> {
        let logins = self.logins()?;
        let pick = |held: &Held| match shown {
            Shown::IdToken => held.id_token(self.clock.now()),
            Shown::AccessToken => held.access_token(self.clock.now()),
        };
        if let Some(token) = logins.held(login).as_ref().and_then(&pick) {
            return Ok(token);
        }
        let renewed = self.renewed(login).await?;
        logins.held(&renewed).as_ref().and_then(pick).ok_or(Trouble::SignedOut)
    }

    async fn renewed(&self, login: &Arc<Login>) -> Result<Arc<Login>, Trouble> {
        self.logins()?.ask_again(login).await.map_err(|fault| match fault {
            LoginFault::Unavailable { why, .. } => Trouble::Unreachable(why),
            _ => Trouble::SignedOut,
        })
    }

    fn logins(&self) -> Result<&Arc<Logins>, Trouble> {
        self.logins.as_ref().ok_or(Trouble::SignedOut)
    }

    fn own(&self, connection: &Connection) -> Result<&OwnClient, Trouble> {
        let name = connection.provider.as_ref();
        let own = name.and_then(|name| self.logins.as_ref()?.setup().providers.get(name));
        own.ok_or_else(|| ExchangeError::Connection("the hub is no client of the identity provider").into())
    }

    fn issuer(&self, connection: &Connection) -> Result<Issuer, Trouble> {
        let provider =
            connection.provider.as_ref().and_then(|name| self.logins.as_ref()?.provider(name).ok());
        let provider = provider.ok_or(ExchangeError::Connection("it has no identity provider"))?;
        Ok(provider.issuer().clone())
    }

    async fn at_provider(&self, connection: &Connection, form: Form) -> Result<Secret<Vec<u8>>, Trouble> {
        let (endpoint, base, proof) = self.provider_endpoint(connection).await?;
        self.post(&endpoint, ToldBy::Document(&base), form.and(proof.fields), proof.authorization).await
    }

    async fn provider_endpoint(
        &self,
        connection: &Connection,
    ) -> Result<(Url, Url, deputy_identity::client_authentication::ClientProof), Trouble> {
        let (logins, own) = (self.logins()?, self.own(connection)?);
        let name = connection.provider.as_ref().ok_or(Trouble::SignedOut)?;
        let unreachable = |fault: LoginFault| Trouble::Unreachable(fault.to_string());
        let provider = logins.provider(name).map_err(unreachable)?;
        let discovery = logins.discovery(&provider).await.map_err(unreachable)?;
        let endpoint = discovery.token_endpoint.clone();
        let endpoint = endpoint.ok_or(ExchangeError::Connection("the provider has no token endpoint"))?;
        let base = Logins::discovery_place(&provider).map_err(Trouble::Unreachable)?;
        let proof = own
            .authentication
            .prove(&own.id, provider.issuer(), self.clock.now())
            .map_err(|_| ExchangeError::Connection("the hub's own client cannot sign"))?;
        Ok((endpoint, base, proof))
    }

    /// The token endpoint of the server's authorization server: pinned, or at its own origin as its metadata says, whose
    /// `issuer` is the pinned one byte for byte (D2, D16).
    async fn server_endpoint(
        &self,
        connection: &Connection,
        issuer: &Issuer,
    ) -> Result<(Url, Option<Url>), Trouble> {
        if let Some(endpoint) = &connection.token_endpoint {
            return Ok((endpoint.clone(), None));
        }
        let wrong = |why| Trouble::Answered(ExchangeError::Connection(why));
        let base =
            Url::parse(issuer.as_str()).map_err(|_| wrong("its authorization server is no address"))?;
        let mut first = None;
        for place in metadata_places(&base) {
            match self.endpoints.document(&place, ToldBy::Operator, METADATA_BYTES).await {
                Ok(bytes) => {
                    let metadata: serde_json::Value = serde_json::from_slice(&bytes)
                        .map_err(|_| wrong("its authorization server's metadata is no JSON"))?;
                    if metadata.get("issuer").and_then(serde_json::Value::as_str) != Some(issuer.as_str()) {
                        return Err(wrong("its authorization server's metadata is of another issuer"));
                    }
                    let endpoint = metadata.get("token_endpoint").and_then(serde_json::Value::as_str);
                    let endpoint = endpoint.and_then(|endpoint| Url::parse(endpoint).ok());
                    let endpoint = endpoint.filter(|endpoint| endpoint.origin() == base.origin());
                    let endpoint = endpoint
                        .ok_or_else(|| wrong("its token endpoint is at another origin, and is not pinned"))?;
                    return Ok((endpoint, Some(place)));
                }
                Err(error) => drop(first.get_or_insert(error.to_string())),
            }
        }
        Err(Trouble::Unreachable(first.unwrap_or_default()))
    }

    async fn post(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        form: Form,
        authorization: Option<Secret<String>>,
    ) -> Result<Secret<Vec<u8>>, Trouble> {
        let answer = self.endpoints.post_form(url, told_by, form, authorization).await;
        let answer = answer.map_err(|error| Trouble::Unreachable(error.to_string()))?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(read_error(status, answer.body.expose()).into()),
        }
    }

    /// Never longer than the person is signed in.
    fn had(&self, access: Access, login: &Login) -> Exchanged {
        let ends_at = self.clock.now().plus(access.expires_in.unwrap_or(UNSAID)).min(login.ends_at);
        Exchanged { ends_at, scopes: granted(&access.granted), token: access.token, assertion: None }
    }
}

fn granted(granted: &Granted) -> Option<Vec<String>> {
    match granted {
        Granted::AsAsked => None,
        Granted::Scopes(scopes) => Some(scopes.clone()),
    }
}

/// RFC 8414 section 3.1, then OpenID Connect Discovery: with the issuer's path inserted, or before it.
fn metadata_places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let mut places = vec![at(format!("/.well-known/oauth-authorization-server{path}"))];
    places.push(at(format!("/.well-known/openid-configuration{path}")));
    if !path.is_empty() {
        places.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    places
}
