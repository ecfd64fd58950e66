//! The authorization endpoint: who asks, who is signed in, whether they consented, and the code that says so.

use super::clients::{ClientFault, Clients, KnownAgent};
use super::farthest;
use super::logins::{Departure, LoginFault, Logins, Wanted};
use super::pages::{Consent, Decision};
use crate::access::{Access, AccessError};
use crate::ports::{AccessGrant, Clock, GivenBy, Login, Sources};
use crate::revocations::Revocations;
use deputy_core::{Client, Digest, Effect, GrantId, Issuer, SourceName, TenantId, Timestamp};
use deputy_identity::authorization::{Asked, AuthorizationRequest, ErrorCode, Refusal, Resources};
use deputy_identity::login::Prompt;
use deputy_identity::mint::SigningKey;
use deputy_identity::seal::Sealer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

/// How long a code is good (OAuth 2.1 section 4.1.2: shortly).
pub(super) const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long a used code is remembered, so that a second use ends what the first one began.
pub(super) const CODE_REMEMBERED: Duration = Duration::from_secs(600);
/// Codes at once.
const MOST_CODES: usize = 20_000;
/// How long a person may look at the consent page.
const CONSENT_LIFETIME: Duration = Duration::from_secs(900);
const CONSENT: &str = "consent";

/// What the browser gets.
pub enum Step {
    /// To sign in first.
    SignIn(Departure),
    /// To choose a provider first; then to come back here.
    Choose {
        /// The path and query to come back to.
        resume: String,
    },
    /// The consent page.
    Consent(Box<Consent>),
    /// To go on to the client, with a code or an error.
    Redirect(Box<Url>),
    /// Nothing that could be sent anywhere: words for the person.
    Shown {
        /// The code of the protocol.
        code: ErrorCode,
        /// What happened.
        words: String,
    },
}

/// A code that was given out.
pub(super) struct Code {
    pub(super) grant: GrantId,
    pub(super) client: Client,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) given_at: Timestamp,
    pub(super) is_used: bool,
}

/// The hub as an authorization server in front of the organisation's identity provider.
pub struct AuthorizationServer {
    pub(super) logins: Arc<Logins>,
    pub(super) access: Arc<Access>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) clients: Clients,
    pub(super) key: Arc<SigningKey>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issuer: Issuer,
    /// In whose log registrations are written: a stranger belongs to no tenant.
    pub(super) counting: TenantId,
    resources: Resources,
    /// The apps and servers, of which tenant each is.
    sources: Vec<(SourceName, TenantId)>,
    codes: Mutex<HashMap<Digest, Code>>,
}

/// What the authorization server is made of.
pub(crate) struct Parts {
    pub(crate) logins: Arc<Logins>,
    pub(crate) access: Arc<Access>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) clients: Clients,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) issuer: Issuer,
    /// In whose log strangers are counted.
    pub(crate) counting: TenantId,
    /// The servers that have an address of their own.
    pub(crate) servers: Vec<SourceName>,
    pub(crate) sources: Vec<(SourceName, TenantId)>,
}

impl AuthorizationServer {
    pub(crate) fn new(parts: Parts) -> Self {
        let all = format!("{}/mcp", parts.issuer);
        let mut known = vec![all.clone()];
        known.extend(parts.servers.iter().map(|server| format!("{}/s/{server}/mcp", parts.issuer)));
        Self {
            logins: parts.logins,
            access: parts.access,
            revocations: parts.revocations,
            clients: parts.clients,
            key: parts.key,
            sealer: parts.sealer,
            clock: parts.clock,
            issuer: parts.issuer,
            counting: parts.counting,
            resources: Resources { known, unsaid: Some(all) },
            sources: parts.sources,
            codes: Mutex::default(),
        }
    }

    /// People.
    #[must_use]
    pub const fn logins(&self) -> &Arc<Logins> {
        &self.logins
    }

    /// Answers an authorization request of a browser that shows this cookie.
    pub async fn authorize(&self, query: &[u8], cookie: Option<&str>) -> Step {
        let (request, agent) = match self.read(query).await {
            Ok(read) => read,
            Err(step) => return *step,
        };
        let login = cookie.and_then(|cookie| self.logins.of_cookie(cookie));
        let none = request.prompts(Prompt::None);
        let Some(login) = login.filter(|login| self.is_good_enough(login, &request)) else {
            if none {
                return Step::Redirect(Box::new(request.refuse(ErrorCode::LoginRequired)));
            }
            return self.sign_in_first(query, &request).await;
        };
        if let Some((most, sources)) = self.settled(&login, &request, &agent) {
            let by = if self.approved(&login, &agent).is_some() {
                GivenBy::Administrator
            } else {
                GivenBy::Person
            };
            return self.grant(&login, &request, &agent, (most, sources, by)).await;
        }
        if none {
            return Step::Redirect(Box::new(request.refuse(ErrorCode::ConsentRequired)));
        }
        self.ask(query, &login, &request, &agent)
    }

    /// What a person said on the consent page, in a browser that shows this cookie.
    pub async fn decide(&self, body: &[u8], cookie: Option<&str>) -> Step {
        let stale = || Step::Shown {
            code: ErrorCode::InvalidRequest,
            words: "This page is too old, or was opened in another browser. Begin again in the agent."
                .to_owned(),
        };
        let Some(login) = cookie.and_then(|cookie| self.logins.of_cookie(cookie)) else { return stale() };
        let sources = self.sources_of(&login.user.tenant);
        let Some(decision) = Decision::read(body, &sources) else { return stale() };
        let binding: [&[u8]; 1] = [login.id.as_bytes()];
        let Ok(query) = self.sealer.open(CONSENT, &binding, &decision.form, self.clock.now()) else {
            return stale();
        };
        let (request, agent) = match self.read(&query).await {
            Ok(read) => read,
            Err(step) => return *step,
        };
        let Some((most, chosen)) = decision.allowed else {
            return Step::Redirect(Box::new(request.refuse(ErrorCode::AccessDenied)));
        };
        // Never further than was asked for and shown.
        let most = most.min(wanted(&request));
        let sources = match (self.server_of(&request), chosen) {
            (Some(server), _) => Sources::Only(vec![server]),
            (None, chosen) => chosen,
        };
        if sources == Sources::Only(Vec::new()) {
            return Step::Redirect(Box::new(request.refuse(ErrorCode::AccessDenied)));
        }
        self.grant(&login, &request, &agent, (most, sources, GivenBy::Person)).await
    }

    async fn read(&self, query: &[u8]) -> Result<(AuthorizationRequest, Arc<KnownAgent>), Box<Step>> {
        let refused = |refusal: Refusal| {
            Box::new(match refusal {
                Refusal::Redirected { to, .. } => Step::Redirect(to),
                Refusal::Shown(code) => Step::Shown { code, words: shown(code).to_owned() },
            })
        };
        let asked = Asked::read(query).map_err(refused)?;
        let agent = self.clients.find(asked.client()).await.map_err(|fault: ClientFault| {
            tracing::info!(%fault, "an agent is not known");
            Box::new(Step::Shown { code: ErrorCode::InvalidClient, words: fault.words().to_owned() })
        })?;
        let request = asked.check(&agent.known, &self.issuer, &self.resources).map_err(refused)?;
        // One token opens one address; whoever wants several asks several times.
        if request.resources().len() > 1 {
            return Err(Box::new(Step::Redirect(Box::new(request.refuse(ErrorCode::InvalidTarget)))));
        }
        Ok((request, agent))
    }

    /// Whether a login is as fresh and as strong as the client wants it.
    fn is_good_enough(&self, login: &Login, request: &AuthorizationRequest) -> bool {
        let now = self.clock.now();
        let fresh = request.max_age().is_none_or(|age| now.since(login.authenticated_at) <= age);
        // A sign-in anew is one that began after this request, so one of the last minute will do.
        let anew = !request.prompts(Prompt::Login) || now.since(login.began_at) <= Duration::from_secs(60);
        let strong = request.acr_values().is_empty()
            || login.acr.as_ref().is_some_and(|acr| request.acr_values().contains(acr));
        fresh && anew && strong
    }

    async fn sign_in_first(&self, query: &[u8], request: &AuthorizationRequest) -> Step {
        let resume = format!("/oauth/authorize?{}", String::from_utf8_lossy(query));
        let wanted = Wanted {
            provider: None,
            resume: resume.clone(),
            anew: request.prompts(Prompt::Login),
            max_age: request.max_age(),
            acr_values: request.acr_values().to_vec(),
            claims: None,
        };
        match self.logins.begin(wanted).await {
            Ok(departure) => Step::SignIn(departure),
            Err(LoginFault::Choose) => Step::Choose { resume },
            Err(fault) => {
                tracing::warn!(%fault, "nobody can sign in");
                Step::Redirect(Box::new(request.refuse(ErrorCode::TemporarilyUnavailable)))
            }
        }
    }

    /// What needs no page: what an administrator approved, or the person did in this login and it still holds.
    fn settled(
        &self,
        login: &Login,
        request: &AuthorizationRequest,
        agent: &KnownAgent,
    ) -> Option<(Effect, Sources)> {
        if request.prompts(Prompt::Consent) {
            return None;
        }
        let wanted = wanted(request);
        let server = self.server_of(request);
        if let Some((most, sources)) = self.approved(login, agent) {
            let sources = match &server {
                Some(server) if sources.have(server) => Sources::Only(vec![server.clone()]),
                Some(_) => return None,
                None => sources,
            };
            // Where more is wanted than was approved, the person is asked.
            return (wanted <= most).then_some((wanted, sources));
        }
        let resource = request.resources().first()?;
        let earlier = self.access.grants_of(&login.user).into_iter().find(|grant| {
            grant.client == *request.client() && grant.resource == *resource && grant.login == login.id
        })?;
        (wanted <= earlier.most).then(|| (earlier.most, earlier.sources.clone()))
    }

    fn approved(&self, login: &Login, agent: &KnownAgent) -> Option<(Effect, Sources)> {
        let approved = &self.logins.setup().agents;
        let own =
            approved.iter().find(|one| one.client == agent.known.id && one.tenant == login.user.tenant)?;
        let sources = own.sources.clone().map_or(Sources::All, Sources::Only);
        Some((own.most, sources))
    }

    fn ask(&self, query: &[u8], login: &Login, request: &AuthorizationRequest, agent: &KnownAgent) -> Step {
        let until = self.clock.now().plus(CONSENT_LIFETIME);
        let Ok(form) = self.sealer.seal(CONSENT, &[login.id.as_bytes()], query, until) else {
            return Step::Redirect(Box::new(request.refuse(ErrorCode::ServerError)));
        };
        Step::Consent(Box::new(Consent {
            name: agent.name(),
            client: agent.known.id.0.clone(),
            vouched: agent.vouched.clone(),
            answers_to: answers_to(request.redirect_uri()),
            sent_on_to: sent_on_to(request.redirect_uri()),
            person: login.name.clone().unwrap_or_else(|| login.user.subject.to_string()),
            provider: login.provider.clone(),
            sources: match self.server_of(request) {
                Some(server) => vec![server],
                None => self.sources_of(&login.user.tenant),
            },
            wanted: wanted(request),
            lasts: self.logins.setup().grant,
            form,
        }))
    }

    /// Gives the permission, and the code that stands for it.
    async fn grant(
        &self,
        login: &Arc<Login>,
        request: &AuthorizationRequest,
        agent: &KnownAgent,
        (most, sources, by): (Effect, Sources, GivenBy),
    ) -> Step {
        let refuse = |code| Step::Redirect(Box::new(request.refuse(code)));
        let now = self.clock.now();
        let (Ok(id), Ok(secret)) = (GrantId::fresh(), super::tokens::fresh("dep_code_")) else {
            return refuse(ErrorCode::ServerError);
        };
        let grant = AccessGrant {
            id: id.clone(),
            user: login.user.clone(),
            client: request.client().clone(),
            client_name: Some(agent.name()),
            resource: request.resources().first().cloned().unwrap_or_default(),
            sources,
            most,
            by,
            login: login.id,
            given_at: now,
            ends_at: now.plus(self.logins.setup().grant).min(login.ends_at),
            generation: 0,
        };
        match self.access.give(grant).await {
            Ok(_) => {}
            Err(AccessError::Ended) => return refuse(ErrorCode::LoginRequired),
            Err(error) => {
                tracing::error!(%error, "a permission was not given");
                return refuse(ErrorCode::TemporarilyUnavailable);
            }
        }
        let code = Code {
            grant: id,
            client: request.client().clone(),
            redirect_uri: request.redirect_uri().to_owned(),
            challenge: request.challenge().to_owned(),
            given_at: now,
            is_used: false,
        };
        if !self.keep(Digest::of_bytes(secret.expose().as_bytes()), code) {
            return refuse(ErrorCode::TemporarilyUnavailable);
        }
        Step::Redirect(Box::new(request.approve(&secret)))
    }

    fn keep(&self, digest: Digest, code: Code) -> bool {
        let now = self.clock.now();
        let mut codes = self.codes();
        if codes.len() >= MOST_CODES {
            codes.retain(|_, code| now.since(code.given_at) < CODE_REMEMBERED);
            if codes.len() >= MOST_CODES {
                return false;
            }
        }
        codes.insert(digest, code);
        true
    }

    pub(super) fn codes(&self) -> MutexGuard<'_, HashMap<Digest, Code>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one server that the request's address leads to, if it is not that of all.
    fn server_of(&self, request: &AuthorizationRequest) -> Option<SourceName> {
        let resource = request.resources().first()?;
        let name = resource.strip_prefix(self.issuer.as_str())?.strip_prefix("/s/")?.strip_suffix("/mcp")?;
        SourceName::new(name).ok()
    }

    fn sources_of(&self, tenant: &TenantId) -> Vec<SourceName> {
        self.sources.iter().filter(|(_, own)| own == tenant).map(|(name, _)| name.clone()).collect()
    }
}

/// How far a client wants to go: what it does not say is `write`, which is what most agents are for; it never reaches what
/// destroys without saying so.
fn wanted(request: &AuthorizationRequest) -> Effect {
    farthest(request.scopes()).unwrap_or(Effect::Write)
}

/// Where an answer goes, as people can read it.
fn answers_to(redirect_uri: &str) -> String {
    let Ok(url) = Url::parse(redirect_uri) else { return "an unknown place".to_owned() };
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some("localhost" | "127.0.0.1" | "[::1]")) => {
            "an application on this computer".to_owned()
        }
        ("http" | "https", Some(host)) => host.to_owned(),
        (scheme, _) => format!("the application that opens `{scheme}:`"),
    }
}

/// The source expression of where an answer goes.
fn sent_on_to(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => "'none'".to_owned(),
    }
}

/// What a person reads where nothing can be sent back.
const fn shown(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidClient => "The agent that sent you here is not known to this hub.",
        _ => {
            "The agent that sent you here asked for something that cannot be understood. Nothing was given to it."
        }
    }
}
