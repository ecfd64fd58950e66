//! The requests of each way.

use super::refusal::Fault;
use super::{AtServer, Connection, Exchange, LONGEST, SKEW, ServerClient, UNSAID, Way};
use crate::ports::{Login, ToldBy};
use crate::sign_in::{Held, LoginFault, Logins, OwnClient};
use deputy_core::{Client, Digest, Secret, Timestamp};
use deputy_identity::ProviderName;
use deputy_identity::client_assertion::AssertionAudience;
use deputy_identity::client_authentication::{ClientAuthentication, ClientProof};
use deputy_identity::exchange::client_credentials::ClientCredentials;
use deputy_identity::exchange::entra_obo::OnBehalfOf;
use deputy_identity::exchange::google_sts::{self, GoogleSts};
use deputy_identity::exchange::id_jag::{IdJagGrant, IdJagRequest, SubjectToken};
use deputy_identity::exchange::token_exchange::{ResultForm, Subject, TokenExchange};
use deputy_identity::exchange::{Access, ExchangeError, Granted, read_error};
use deputy_identity::form::Form;
use deputy_identity::provider::Provider;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long one endpoint may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A token that was just had.
pub(super) struct Fresh {
    pub(super) access: Access,
    /// From when on it is not sent any more.
    pub(super) ends_at: Timestamp,
    /// Hash of the ID-JAG's `jti`.
    pub(super) assertion: Option<Digest>,
}

impl Fresh {
    pub(super) fn granted(&self, asked: &[String]) -> Vec<String> {
        match &self.access.granted {
            Granted::AsAsked => asked.to_vec(),
            Granted::Scopes(scopes) => scopes.clone(),
        }
    }
}

/// What a person's token is exchanged for.
enum Subjects {
    Id(Secret<String>),
    Refresh(Secret<String>),
    Access(Secret<String>),
}

/// Which of them a way wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// An ID token, or a refresh token where there is none any more.
    Identity,
    /// An ID token alone.
    IdToken,
    /// An access token.
    Access,
}

/// The hub at the provider of a person.
struct AtProvider<'a> {
    logins: &'a Arc<Logins>,
    provider: Arc<Provider>,
    own: &'a OwnClient,
    name: &'a ProviderName,
}

impl Exchange {
    /// One exchange, by the way of the connection.
    pub(super) async fn exchanged(
        &self,
        connection: &Connection,
        login: Option<&Login>,
    ) -> Result<Fresh, Fault> {
        if self.documents.contradicts(connection).await {
            return Err(Fault::Astray);
        }
        if let Way::ClientCredentials { at } = &connection.way {
            return self.for_itself(connection, at).await;
        }
        let login = login.ok_or(Fault::SignIn)?;
        let name = connection.way.provider().ok_or(Fault::Internal)?;
        let logins = self.logins.as_ref().ok_or(Fault::SignIn)?;
        let (provider, own) = logins.own(name).ok_or(Fault::SignIn)?;
        let there = AtProvider { logins, provider, own, name };
        let wants = match &connection.way {
            Way::IdJag { .. } => Wants::Identity,
            Way::GoogleSts { .. } | Way::TokenExchange { subject: Subject::IdTokenAs(_), .. } => {
                Wants::IdToken
            }
            _ => Wants::Access,
        };
        let (subject, until) = self.subject(&there, login, wants, false).await?;
        match self.with(connection, &there, &subject, until.min(login.ends_at)).await {
            // D9: what the person's token is good for may have ended earlier than it says; renewed once, and no more.
            Err(Fault::Provider(ExchangeError::InvalidGrant)) => {
                let (subject, until) = self.subject(&there, login, wants, true).await?;
                self.with(connection, &there, &subject, until.min(login.ends_at)).await
            }
            other => other,
        }
    }

    /// What the provider gave for the person, renewed where it ended or `anew`; and until when it is good.
    async fn subject(
        &self,
        there: &AtProvider<'_>,
        login: &Login,
        wants: Wants,
        anew: bool,
    ) -> Result<(Subjects, Timestamp), Fault> {
        // Read anew: somebody else's renewal may have replaced what was sealed in the row that the call began with.
        let current = self.access.login(&login.id).ok_or(Fault::SignIn)?;
        let held = there.logins.held(&current).ok_or(Fault::SignIn)?;
        if let (false, Some(found)) = (anew, self.fitting(&held, wants)) {
            return Ok(found);
        }
        let held = match there.logins.ask_again(&current).await {
            Ok(renewed) => there.logins.held(&renewed).ok_or(Fault::SignIn)?,
            Err(LoginFault::Unavailable { .. } | LoginFault::Access(_)) => return Err(Fault::Unreachable),
            Err(_) => return Err(Fault::SignIn),
        };
        if let Some(found) = self.fitting(&held, wants) {
            return Ok(found);
        }
        match (wants, held.refresh_token()) {
            (Wants::Identity, Some(token)) => Ok((Subjects::Refresh(token), current.ends_at)),
            _ => Err(Fault::SignIn),
        }
    }

    fn fitting(&self, held: &Held, wants: Wants) -> Option<(Subjects, Timestamp)> {
        let now = self.clock.now();
        match wants {
            Wants::Identity | Wants::IdToken => {
                held.id_token(now).map(Subjects::Id).zip(held.id_token_ends())
            }
            Wants::Access => held.access_token(now).map(Subjects::Access).zip(held.access_token_ends()),
        }
    }

    async fn with(
        &self,
        connection: &Connection,
        there: &AtProvider<'_>,
        subject: &Subjects,
        until: Timestamp,
    ) -> Result<Fresh, Fault> {
        let now = self.clock.now();
        let scopes = connection.scopes.clone();
        let (access, assertion) = match (&connection.way, subject) {
            (Way::IdJag { at, .. }, subject) => {
                let grant = self.first_leg(connection, there, at, subject).await?;
                let id = *grant.id();
                (self.second_leg(at, grant).await?, Some(id))
            }
            (
                Way::TokenExchange { audience, unasked_scopes, subject, token_endpoint, .. },
                Subjects::Access(token) | Subjects::Id(token),
            ) => {
                let asked = TokenExchange {
                    issuer: there.provider.issuer().clone(),
                    client: there.own.id.clone(),
                    audience: audience.clone(),
                    scopes,
                    unasked_scopes: unasked_scopes.clone(),
                    subject: subject.clone(),
                    result: ResultForm::Jwt,
                };
                let proof = self.proof_at(there)?;
                let form = asked.form(token).and(proof.fields);
                let body =
                    self.at_provider(there, token_endpoint.as_ref(), form, proof.authorization).await?;
                (asked.read(body.expose(), now).map_err(Fault::Provider)?, None)
            }
            (Way::EntraObo { token_endpoint, .. }, Subjects::Access(token)) => {
                let asked = OnBehalfOf::new(there.own.id.clone(), scopes).map_err(Fault::Provider)?;
                let proof = self.proof_at(there)?;
                let form = asked.form(token, proof.fields);
                let body =
                    self.at_provider(there, token_endpoint.as_ref(), form, proof.authorization).await?;
                (asked.read(body.expose()).map_err(Fault::Provider)?, None)
            }
            (Way::GoogleSts { audience, user_project, token_endpoint, .. }, Subjects::Id(token)) => {
                let (audience, user_project) = (audience.clone(), user_project.clone());
                let asked = GoogleSts { audience, scopes, user_project };
                let form = asked.form(google_sts::Subject::IdToken, token);
                let body = self.posted(token_endpoint, ToldBy::Operator, form, None).await?;
                (asked.read(body.map_err(Fault::Provider)?.expose()).map_err(Fault::Provider)?, None)
            }
            _ => return Err(Fault::Internal),
        };
        Ok(self.fresh(access, assertion, Some(until)))
    }

    /// Leg 1: an ID-JAG from the identity provider.
    async fn first_leg(
        &self,
        connection: &Connection,
        there: &AtProvider<'_>,
        at: &AtServer,
        subject: &Subjects,
    ) -> Result<IdJagGrant, Fault> {
        let client = self.client_at(at);
        let request = IdJagRequest::new(
            there.provider.issuer().clone(),
            at.issuer.clone(),
            client,
            connection.resource.clone(),
            connection.scopes.clone(),
        );
        let request = request.map_err(Fault::Provider)?;
        let subject = match subject {
            Subjects::Id(token) => SubjectToken::IdToken(token),
            Subjects::Refresh(token) => SubjectToken::RefreshToken(token),
            Subjects::Access(_) => return Err(Fault::Internal),
        };
        // Asked before the ID-JAG is had: what fails afterwards would waste it.
        self.documents.token_endpoint(at).await?;
        let proof = self.proof_at(there)?;
        let form = request.form(&subject).and(proof.fields);
        let body = self.at_provider(there, None, form, proof.authorization).await?;
        request.read(body.expose(), self.clock.now()).map_err(Fault::Provider)
    }

    /// Leg 2: a token from the server's own authorization server. The ID-JAG is used up, whatever comes (D6).
    async fn second_leg(&self, at: &AtServer, grant: IdJagGrant) -> Result<Access, Fault> {
        let (form, redeemed) = grant.redeem();
        let body = self.at_server(at, form).await?;
        redeemed.read(body.expose()).map_err(Fault::Server)
    }

    async fn for_itself(&self, connection: &Connection, at: &AtServer) -> Result<Fresh, Fault> {
        let asked =
            ClientCredentials { resource: connection.resource.clone(), scopes: connection.scopes.clone() };
        let body = self.at_server(at, asked.form()).await?;
        let access = asked.read(body.expose()).map_err(Fault::Server)?;
        Ok(self.fresh(access, None, None))
    }

    pub(super) fn fresh(&self, access: Access, assertion: Option<Digest>, until: Option<Timestamp>) -> Fresh {
        let life = access.expires_in.unwrap_or(UNSAID).min(LONGEST);
        let skew = SKEW.min(life / 2);
        let mut ends_at = self.clock.now().plus(life.saturating_sub(skew));
        if let Some(until) = until {
            ends_at = ends_at.min(until);
        }
        Fresh { access, ends_at, assertion }
    }

    fn proof_at(&self, there: &AtProvider<'_>) -> Result<ClientProof, Fault> {
        let proof = there.own.authentication.prove(&there.own.id, there.provider.issuer(), self.clock.now());
        proof.map_err(|_| Fault::Internal)
    }

    /// The hub's client id at an authorization server.
    fn client_at(&self, at: &AtServer) -> Client {
        match &at.client {
            ServerClient::OwnDocument | ServerClient::SelfRegistered => {
                Client(format!("{}/oauth/client.json", self.public_url))
            }
            ServerClient::Registered { id, .. } => id.clone(),
        }
    }

    async fn at_server(&self, at: &AtServer, form: Form) -> Result<Secret<Vec<u8>>, Fault> {
        let url = self.documents.token_endpoint(at).await?;
        let client = self.client_at(at);
        let now = self.clock.now();
        let proof = match &at.client {
            ServerClient::OwnDocument | ServerClient::SelfRegistered => {
                let (key, audience) = (Arc::clone(&self.key), AssertionAudience::Issuer);
                ClientAuthentication::PrivateKeyJwt { key, audience }.prove(&client, &at.issuer, now)
            }
            ServerClient::Registered { authentication, .. } => authentication.prove(&client, &at.issuer, now),
        };
        let proof = proof.map_err(|_| Fault::Internal)?;
        // The address was pinned, or learned on the origin that was.
        let answer = self.posted(&url, ToldBy::Operator, form.and(proof.fields), proof.authorization).await?;
        answer.map_err(Fault::Server)
    }

    async fn at_provider(
        &self,
        there: &AtProvider<'_>,
        pinned: Option<&Url>,
        form: Form,
        authorization: Option<Secret<String>>,
    ) -> Result<Secret<Vec<u8>>, Fault> {
        let answer = if let Some(url) = pinned {
            self.posted(url, ToldBy::Operator, form, authorization).await?
        } else {
            let (url, base) =
                there.logins.token_endpoint(there.name).await.map_err(|_| Fault::Unreachable)?;
            self.posted(&url, ToldBy::Document(&base), form, authorization).await?
        };
        answer.map_err(Fault::Provider)
    }

    /// One request; nothing is tried twice.
    pub(super) async fn posted(
        &self,
        url: &Url,
        told_by: ToldBy<'_>,
        form: Form,
        authorization: Option<Secret<String>>,
    ) -> Result<Result<Secret<Vec<u8>>, ExchangeError>, Fault> {
        let asked = self.endpoints.post_form(url, told_by, form, authorization);
        let answered = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| Fault::Unreachable)?;
        let answer = answered.map_err(|_| Fault::Unreachable)?;
        Ok(match answer.status {
            200 => Ok(answer.body),
            status => Err(read_error(status, answer.body.expose())),
        })
    }
}
