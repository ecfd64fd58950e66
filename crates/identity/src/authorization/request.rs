//! One authorization request (OAuth 2.1 section 4.1.1), and the redirects that answer it (RFC 9207: with `iss`, errors
//! too).

use super::{ApplicationType, ErrorCode, is_same_redirect};
use crate::claims::read::words;
use crate::form::Parameters;
use crate::login::Prompt;
use crate::pkce;
use deputy_core::{Client, Issuer, Secret};
use std::time::Duration;
use url::Url;

const MAX_STATE_BYTES: usize = 2048;
const MAX_RESOURCES: usize = 8;
const MAX_SCOPES: usize = 64;

/// What is known about a client, from its registration or its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownClient {
    /// Its id.
    pub id: Client,
    /// Where its answers may go.
    pub redirect_uris: Vec<String>,
    /// What kind it is.
    pub application: ApplicationType,
}

/// The resources for which there are tokens (RFC 8707).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// Every one, exactly as it is written in `resource`.
    pub known: Vec<String>,
    /// The one that is meant if a client names none; none: it has to.
    pub unsaid: Option<String>,
}

/// Why a request was refused, and to whom that may be said.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// To the person alone: where the client's answers go is not certain.
    Shown(ErrorCode),
    /// To the client, by sending the browser there.
    Redirected {
        /// Where to.
        to: Box<Url>,
        /// What it says.
        code: ErrorCode,
    },
}

/// A request of which nothing is certain yet.
pub struct Asked {
    parameters: Parameters,
    client: Client,
    redirect_uri: String,
}

impl Asked {
    /// Reads the query. A parameter that comes twice is refused to the person's eyes, for it could be any.
    ///
    /// # Errors
    /// [`Refusal::Shown`], always.
    pub fn read(query: &[u8]) -> Result<Self, Refusal> {
        let shown = || Refusal::Shown(ErrorCode::InvalidRequest);
        let parameters = Parameters::parse(query).map_err(|_| shown())?;
        let client = Client(parameters.one("client_id").ok_or_else(shown)?.to_owned());
        let redirect_uri = parameters.one("redirect_uri").ok_or_else(shown)?.to_owned();
        Ok(Self { parameters, client, redirect_uri })
    }

    /// Which client it claims to be of.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Checks it against what is known of that client.
    ///
    /// # Errors
    /// [`Refusal::Shown`] as long as the redirect address is not the client's own; [`Refusal::Redirected`] from then on.
    pub fn check(
        self,
        client: &KnownClient,
        own_issuer: &Issuer,
        resources: &Resources,
    ) -> Result<AuthorizationRequest, Refusal> {
        if self.client != client.id {
            return Err(Refusal::Shown(ErrorCode::InvalidClient));
        }
        let same = |registered: &String| is_same_redirect(registered, &self.redirect_uri, client.application);
        let state = self.parameters.one("state").map(str::to_owned);
        let back = Url::parse(&self.redirect_uri).ok().filter(|_| client.redirect_uris.iter().any(same));
        let back = back.ok_or(Refusal::Shown(ErrorCode::InvalidRequest))?;
        let answer = Answer { back, state, issuer: own_issuer.clone() };
        match self.wanted(resources) {
            Err(code) => Err(Refusal::Redirected { to: Box::new(answer.refuse(code)), code }),
            Ok(wanted) => {
                let Self { client, redirect_uri, .. } = self;
                Ok(AuthorizationRequest { client, redirect_uri, wanted, answer })
            }
        }
    }

    fn wanted(&self, resources: &Resources) -> Result<Wanted, ErrorCode> {
        let said = |name| self.parameters.one(name);
        match said("response_type") {
            Some("code") => (),
            None => return Err(ErrorCode::InvalidRequest),
            Some(_) => return Err(ErrorCode::UnsupportedResponseType),
        }
        if said("response_mode").is_some_and(|mode| mode != "query") || said("request").is_some() {
            return Err(ErrorCode::InvalidRequest);
        }
        let challenge = said("code_challenge").filter(|text| pkce::is_challenge(text));
        let challenge = challenge.filter(|_| said("code_challenge_method") == Some("S256"));
        let challenge = challenge.ok_or(ErrorCode::InvalidRequest)?.to_owned();
        if said("state").is_some_and(|state| state.len() > MAX_STATE_BYTES) {
            return Err(ErrorCode::InvalidRequest);
        }
        let scopes = words(said("scope").unwrap_or_default());
        if scopes.len() > MAX_SCOPES {
            return Err(ErrorCode::InvalidScope);
        }
        let max_age = match said("max_age").map(str::parse) {
            None => None,
            Some(Ok(seconds)) => Some(Duration::from_secs(seconds)),
            Some(Err(_)) => return Err(ErrorCode::InvalidRequest),
        };
        let prompts = words(said("prompt").unwrap_or_default());
        let acr_values = words(said("acr_values").unwrap_or_default());
        Ok(Wanted { challenge, resources: self.resources(resources)?, scopes, max_age, prompts, acr_values })
    }

    fn resources(&self, resources: &Resources) -> Result<Vec<String>, ErrorCode> {
        let mut wanted: Vec<String> = Vec::new();
        for resource in self.parameters.all("resource") {
            if !resources.known.iter().any(|known| known == resource) || wanted.len() >= MAX_RESOURCES {
                return Err(ErrorCode::InvalidTarget);
            }
            if !wanted.iter().any(|own| own == resource) {
                wanted.push(resource.to_owned());
            }
        }
        if wanted.is_empty() {
            wanted.push(resources.unsaid.clone().ok_or(ErrorCode::InvalidTarget)?);
        }
        Ok(wanted)
    }
}

#[derive(Debug)]
struct Wanted {
    challenge: String,
    resources: Vec<String>,
    scopes: Vec<String>,
    max_age: Option<Duration>,
    prompts: Vec<String>,
    acr_values: Vec<String>,
}

#[derive(Debug)]
struct Answer {
    back: Url,
    state: Option<String>,
    issuer: Issuer,
}

impl Answer {
    fn with(&self, name: &str, value: &str) -> Url {
        let mut url = self.back.clone();
        url.query_pairs_mut()
            .append_pair(name, value)
            .extend_pairs(self.state.iter().map(|state| ("state", state)))
            .append_pair("iss", self.issuer.as_str());
        url
    }

    fn refuse(&self, code: ErrorCode) -> Url {
        self.with("error", code.as_str())
    }
}

/// A request that may be put before the person. [`Asked::check`] makes it and nobody else.
#[derive(Debug)]
pub struct AuthorizationRequest {
    client: Client,
    redirect_uri: String,
    wanted: Wanted,
    answer: Answer,
}

impl AuthorizationRequest {
    /// Which client asks.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Where its answer goes, as it wrote it: the token request has to say the same.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The PKCE challenge, for [`pkce::proves`].
    #[must_use]
    pub fn challenge(&self) -> &str {
        &self.wanted.challenge
    }

    /// For which resources; at least one, each of them known.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.wanted.resources
    }

    /// Which scopes it asks for; not looked into.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.wanted.scopes
    }

    /// How long ago the person may have signed in.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.wanted.max_age
    }

    /// Whether `prompt` says this.
    #[must_use]
    pub fn prompts(&self, prompt: Prompt) -> bool {
        self.wanted.prompts.iter().any(|own| own == prompt.as_str())
    }

    /// How well the person should have signed in.
    #[must_use]
    pub fn acr_values(&self) -> &[String] {
        &self.wanted.acr_values
    }

    /// The redirect with a code.
    #[must_use]
    pub fn approve(&self, code: &Secret<String>) -> Url {
        self.answer.with("code", code.expose())
    }

    /// The redirect with an error.
    #[must_use]
    pub fn refuse(&self, code: ErrorCode) -> Url {
        self.answer.refuse(code)
    }
}
