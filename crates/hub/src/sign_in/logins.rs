//! People sign in at the hub, through their identity provider: code flow with PKCE, `nonce`, `iss` (RFC 9207).

mod asking;
mod fault;

pub use fault::LoginFault;

use super::held::Held;
use super::{OwnClient, SignInSetup};
use crate::access::Access;
use crate::authenticate::{Authenticator, Denied};
use crate::ports::{Clock, Endpoints, Login, ToldBy};
use crate::revocations::Revocations;
use deputy_core::{Digest, Issuer, Secret, Timestamp};
use deputy_identity::ProviderName;
use deputy_identity::claims::Verified;
use deputy_identity::client_authentication::ClientAuthentication;
use deputy_identity::form::Form;
use deputy_identity::login::{self, LoginExpectations, Prompt, SignIn, Transaction};
use deputy_identity::provider::{Discovery, KeysAt, Provider};
use deputy_identity::seal::Sealer;
use deputy_identity::token_response::TokenResponse;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

const PURPOSE: &str = "signing-in";
/// How long a discovery document is believed.
const DISCOVERY_FRESH: Duration = Duration::from_secs(600);
/// Bytes that a discovery document may have (B1).
const DISCOVERY_BYTES: usize = 256 * 1024;
/// Locks that the askings about all logins share.
const ASKING: usize = 64;
/// Longest address that a person comes back to after signing in.
const LONGEST_RESUME: usize = 8 * 1024;

/// Where to send a browser, and what it has to bring back.
pub struct Departure {
    /// The provider's page.
    pub to: Url,
    /// What the browser keeps meanwhile: sealed, and worth nothing in another one.
    pub cookie: Secret<String>,
}

/// Somebody signed in.
pub struct Arrival {
    /// As who.
    pub login: Arc<Login>,
    /// What their browser shows from now on.
    pub cookie: Secret<String>,
    /// Where they wanted to go: a path and query of the hub's own.
    pub resume: String,
}

/// What a sign-in is wanted for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Through which provider; may be left out where there is one.
    pub provider: Option<String>,
    /// Where to go afterwards: a path and query of the hub's own.
    pub resume: String,
    /// Whether they have to show themselves anew.
    pub anew: bool,
    /// How long ago they may have signed in.
    pub max_age: Option<Duration>,
    /// How well they have to.
    pub acr_values: Vec<String>,
    /// What the provider asked for when it refused a token, as it came. It decides what the provider asks of the person,
    /// and nothing here.
    pub claims: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cookie {
    transaction: Vec<u8>,
    resume: String,
}

/// Signs people in and out.
pub struct Logins {
    setup: SignInSetup,
    access: Arc<Access>,
    revocations: Arc<Revocations>,
    authenticator: Arc<Authenticator>,
    endpoints: Arc<dyn Endpoints>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    public_url: Issuer,
    discoveries: Mutex<HashMap<ProviderName, (Arc<Discovery>, Duration)>>,
    /// One asking at a time about a login: a refresh token that is used twice at once looks stolen to the provider.
    asking: [tokio::sync::Mutex<()>; ASKING],
}

impl Logins {
    pub(crate) fn new(
        setup: SignInSetup,
        (access, revocations, authenticator): (Arc<Access>, Arc<Revocations>, Arc<Authenticator>),
        endpoints: Arc<dyn Endpoints>,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        public_url: Issuer,
    ) -> Self {
        let discoveries = Mutex::default();
        let asking = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        Self {
            setup,
            access,
            revocations,
            authenticator,
            endpoints,
            sealer,
            clock,
            public_url,
            discoveries,
            asking,
        }
    }

    pub(crate) const fn setup(&self) -> &SignInSetup {
        &self.setup
    }

    /// The providers through which people sign in, by name.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderName> {
        let mut names: Vec<ProviderName> = self.setup.providers.keys().cloned().collect();
        names.sort();
        names
    }

    /// Who is signed in in a browser that shows this cookie.
    #[must_use]
    pub fn of_cookie(&self, cookie: &str) -> Option<Arc<Login>> {
        self.access.login(&Digest::of_bytes(cookie.as_bytes()))
    }

    /// Sends somebody to their provider.
    ///
    /// # Errors
    /// See [`LoginFault`].
    pub async fn begin(&self, wanted: Wanted) -> Result<Departure, LoginFault> {
        let (name, own) = self.chosen(wanted.provider.as_deref())?;
        let provider = self.provider(name)?;
        let discovery = self.discovery(&provider).await?;
        let sign_in = SignIn {
            client: own.id.clone(),
            redirect_uri: self.callback(),
            scopes: self.setup.scopes.clone(),
            prompt: wanted.anew.then_some(Prompt::Login),
            max_age: wanted.max_age,
            acr_values: wanted.acr_values,
            resource: None,
            claims: wanted.claims,
        };
        let now = self.clock.now();
        let (to, transaction) = sign_in.begin(&provider, &discovery, now).map_err(|error| {
            LoginFault::Unavailable { provider: name.to_string(), why: error.to_string() }
        })?;
        // Only ever a place of the hub's own: never an address that somebody else chose.
        let resume = if is_own_path(&wanted.resume) { wanted.resume } else { "/login".to_owned() };
        let kept = Cookie { transaction: transaction.to_bytes().expose().clone(), resume };
        let kept =
            Secret::new(serde_json::to_vec(&kept).map_err(|_| LoginFault::Internal("it cannot be kept"))?);
        let until = now.plus(login::TRANSACTION_LIFETIME);
        let cookie = self.sealer.seal(PURPOSE, &[], kept.expose(), until);
        let cookie = Secret::new(cookie.map_err(|_| LoginFault::Internal("nothing can be sealed"))?);
        Ok(Departure { to, cookie })
    }

    /// Takes somebody in who comes back.
    ///
    /// # Errors
    /// See [`LoginFault`]. Whatever it is, they begin anew.
    pub async fn finish(&self, query: &[u8], cookie: &str) -> Result<Arrival, LoginFault> {
        let now = self.clock.now();
        let opened = self.sealer.open(PURPOSE, &[], cookie, now).map_err(|_| LoginFault::NotBegun)?;
        let Cookie { transaction, resume } =
            serde_json::from_slice(&opened).map_err(|_| LoginFault::NotBegun)?;
        let transaction = Transaction::from_bytes(&transaction).ok_or(LoginFault::NotBegun)?;
        let code = transaction.read_callback(query)?;
        let (name, _) = self.chosen(Some(transaction.provider()))?;
        let answer = self.redeem(name, transaction.redeem(&code)).await?;
        let id_token = answer.id_token.as_ref().ok_or(LoginFault::Token)?;
        let verified = self.verified(id_token, &transaction.expectations(Some(&answer.access_token))).await?;
        let secret = fresh().map_err(|_| LoginFault::Internal("there is no randomness"))?;
        let id = Digest::of_bytes(secret.expose().as_bytes());
        let user = verified.claims.claims().user.clone();
        let ends_at = now.plus(self.setup.session);
        let held = Held::of(&answer, Some(verified.claims.claims().expires_at), now, None);
        let held = held.seal(&self.sealer, (&user, &id), ends_at);
        let login = Login {
            id,
            provider: name.to_string(),
            provider_session: verified.claims.claims().session.clone(),
            name: verified.name.clone().or_else(|| verified.email.clone()),
            groups: verified.claims.claims().groups.clone(),
            acr: verified.acr.clone(),
            authenticated_at: verified.auth_time.unwrap_or(now),
            began_at: now,
            asked_at: now,
            told_at: Some(now),
            ends_at,
            held: held.map_err(|_| LoginFault::Internal("nothing can be sealed"))?,
            user,
        };
        let login = self.access.begin(login).await?;
        Ok(Arrival { login, cookie: secret, resume })
    }

    /// What a person's provider gave the hub for them.
    pub(crate) fn held(&self, login: &Login) -> Option<Held> {
        Held::open(&self.sealer, login, self.clock.now()).ok()
    }

    /// The hub's own client at a provider through which people sign in.
    pub(crate) fn own(&self, name: &ProviderName) -> Option<(Arc<Provider>, &OwnClient)> {
        Some((self.provider(name).ok()?, self.setup.providers.get(name)?))
    }

    /// Where a provider gives tokens, and by which document that is known.
    pub(crate) async fn token_endpoint(&self, name: &ProviderName) -> Result<(Url, Url), LoginFault> {
        let provider = self.provider(name)?;
        let unavailable = |why: String| LoginFault::Unavailable { provider: name.to_string(), why };
        let endpoint = self.discovery(&provider).await?.token_endpoint.clone();
        let endpoint = endpoint.ok_or_else(|| unavailable("it names no `token_endpoint`".to_owned()))?;
        Ok((endpoint, discovery_address(&provider).map_err(unavailable)?))
    }

    /// The keys with which the hub shows providers which client it is, public halves.
    pub(crate) fn own_keys(&self) -> Vec<serde_json::Value> {
        let own = self.setup.providers.values().filter_map(|own| match &own.authentication {
            ClientAuthentication::PrivateKeyJwt { key, .. } => Some(key.public_jwk().clone()),
            _ => None,
        });
        own.collect()
    }

    /// The address to which providers send browsers back.
    #[must_use]
    pub fn callback(&self) -> String {
        format!("{}/login/callback", self.public_url)
    }

    fn chosen(&self, name: Option<&str>) -> Result<(&ProviderName, &OwnClient), LoginFault> {
        let known = &self.setup.providers;
        match name {
            Some(name) => known
                .iter()
                .find(|(own, _)| own.as_str() == name)
                .ok_or_else(|| LoginFault::Provider(name.chars().take(64).collect())),
            None if known.len() == 1 => known.iter().next().ok_or(LoginFault::Choose),
            None => Err(LoginFault::Choose),
        }
    }

    fn provider(&self, name: &ProviderName) -> Result<Arc<Provider>, LoginFault> {
        self.authenticator.provider(name).ok_or_else(|| LoginFault::Provider(name.to_string()))
    }

    pub(crate) async fn discovery(&self, provider: &Provider) -> Result<Arc<Discovery>, LoginFault> {
        let now = self.clock.elapsed();
        let known = || self.discoveries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((discovery, at)) = known().get(provider.name())
            && now.saturating_sub(*at) < DISCOVERY_FRESH
        {
            return Ok(Arc::clone(discovery));
        }
        let unavailable =
            |why: String| LoginFault::Unavailable { provider: provider.name().to_string(), why };
        let url = discovery_address(provider).map_err(unavailable)?;
        let fetched = self.endpoints.document(&url, ToldBy::Operator, DISCOVERY_BYTES).await;
        let bytes = fetched.map_err(|error| unavailable(error.to_string()))?;
        let discovery = provider.read_discovery(&bytes).map_err(|error| unavailable(error.to_string()))?;
        let discovery = Arc::new(discovery);
        known().insert(provider.name().clone(), (Arc::clone(&discovery), now));
        Ok(discovery)
    }

    /// Turns a code or a refresh token into tokens.
    async fn redeem(&self, name: &ProviderName, form: Form) -> Result<TokenResponse, LoginFault> {
        let (_, own) = self.chosen(Some(name.as_str()))?;
        let provider = self.provider(name)?;
        let unavailable = |why: String| LoginFault::Unavailable { provider: name.to_string(), why };
        let (endpoint, base) = self.token_endpoint(name).await?;
        let proof = own
            .authentication
            .prove(&own.id, provider.issuer(), self.clock.now())
            .map_err(|_| LoginFault::Internal("the hub's own client cannot sign"))?;
        let answer = self
            .endpoints
            .post_form(&endpoint, ToldBy::Document(&base), form.and(proof.fields), proof.authorization)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        match answer.status {
            200 => TokenResponse::parse(answer.body.expose()).map_err(|error| unavailable(error.to_string())),
            400..=499 if answer.status != 429 => Err(LoginFault::Refused(error_of(answer.body.expose()))),
            status => Err(unavailable(format!("status {status}"))),
        }
    }

    async fn verified(
        &self,
        id_token: &Secret<String>,
        expectations: &LoginExpectations<'_>,
    ) -> Result<Verified<login::Login>, LoginFault> {
        self.authenticator.verify_login(id_token, expectations).await.map_err(|denied| match denied {
            Denied::Refused => LoginFault::Token,
            Denied::Unavailable => LoginFault::Unavailable {
                provider: expectations.provider.to_owned(),
                why: "its keys cannot be had".to_owned(),
            },
        })
    }
}

/// Where a provider's discovery document is, whether or not its keys are learned from it.
pub(crate) fn discovery_address(provider: &Provider) -> Result<Url, String> {
    match provider.keys_at() {
        KeysAt::Discovery(url) => Ok(url.clone()),
        KeysAt::Set(_) => {
            let issuer = provider.issuer().as_str().trim_end_matches('/');
            Url::parse(&format!("{issuer}/.well-known/openid-configuration"))
                .map_err(|error| error.to_string())
        }
    }
}

/// The error code of an answer, if it looks like one: a stranger may have written it.
fn error_of(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code = value.get("error").and_then(serde_json::Value::as_str).unwrap_or_default();
    let is_word =
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_word { code.to_owned() } else { "unknown_error".to_owned() }
}

/// A path and query of the hub's own, and no way out of it.
fn is_own_path(path: &str) -> bool {
    let plain = path.len() <= LONGEST_RESUME && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    plain && path.starts_with('/') && !path.starts_with("//")
}

/// 256 random bits as text.
fn fresh() -> Result<Secret<String>, getrandom::Error> {
    use base64::Engine as _;
    let bytes = deputy_core::id::random_bytes::<32>()?;
    Ok(Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

/// When a person is asked about again.
pub(crate) const fn is_due(login: &Login, now: Timestamp, after: Duration) -> bool {
    now.since(login.asked_at).as_millis() >= after.as_millis()
}

#[cfg(test)]
mod tests {
    use super::is_own_path;

    #[test]
    fn only_a_path_of_the_hubs_own_is_gone_back_to() {
        for good in ["/login", "/oauth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fx"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "login", "/a b", "/\u{e9}"]
        {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
