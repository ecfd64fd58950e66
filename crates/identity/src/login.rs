//! Signing people in at their identity provider: the relying party of OpenID Connect Core, code flow with PKCE, pure.
//!
//! [`SignIn::begin`] gives an address and a [`Transaction`] → the browser comes back → [`Transaction::read_callback`] →
//! [`Transaction::redeem`] is the form for the token endpoint → [`crate::token_response`] → [`crate::Verifier::login`].
//! The transaction says beforehand whose answer is expected, so that no other provider's is taken for it (RFC 9207).

mod callback;
mod identity;

pub use callback::CallbackError;
pub use identity::{Login, LoginExpectations, Occasion};

use crate::form::Form;
use crate::pkce;
use crate::provider::{Discovery, Provider, ProviderError, ProviderName};
use deputy_core::{Client, Issuer, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;
use zeroize::Zeroize;

/// How long a person may take to sign in.
pub const TRANSACTION_LIFETIME: Duration = Duration::from_secs(600);

/// What the person is asked at the provider (`prompt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing: it is an error if something would have to be asked.
    None,
    /// To sign in anew.
    Login,
    /// To consent anew.
    Consent,
    /// Which account it is.
    SelectAccount,
}

impl Prompt {
    /// Its registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }
}

/// How somebody is to be signed in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Our id at the provider.
    pub client: Client,
    /// Where the browser comes back, exactly as it is registered.
    pub redirect_uri: String,
    /// With `openid` among them.
    pub scopes: Vec<String>,
    /// What is asked.
    pub prompt: Option<Prompt>,
    /// How long ago the last sign-in may be.
    pub max_age: Option<Duration>,
    /// How well one has to sign in: one of these, if there are any.
    pub acr_values: Vec<String>,
    /// For which resource the access token shall be (RFC 8707).
    pub resource: Option<String>,
    /// What the provider asked for when it refused a token (OpenID Connect Core section 5.5; Entra ID's claims challenge),
    /// as it came.
    pub claims: Option<String>,
}

impl SignIn {
    /// Where to send the browser, and what to keep (sealed, in a cookie) until it comes back.
    ///
    /// # Errors
    /// The document names no `authorization_endpoint`, or there is no randomness.
    pub fn begin(
        &self,
        provider: &Provider,
        discovery: &Discovery,
        now: Timestamp,
    ) -> Result<(Url, Transaction), ProviderError> {
        let without = |member| ProviderError::DiscoveryLacks { name: provider.name().clone(), member };
        let endpoint = discovery.authorization_endpoint.as_ref();
        let endpoint = endpoint.ok_or_else(|| without("authorization_endpoint"))?;
        let random = || pkce::random().map_err(|_| ProviderError::Randomness);
        let transaction = Transaction(Kept {
            provider: provider.name().as_str().to_owned(),
            issuer: provider.issuer().clone(),
            names_issuer: discovery.names_issuer_in_answers,
            client: self.client.clone(),
            redirect_uri: self.redirect_uri.clone(),
            resource: self.resource.clone(),
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            max_age_seconds: self.max_age.map(|age| age.as_secs()),
            acr_values: self.acr_values.clone(),
            started_at: now,
        });
        Ok((self.address(endpoint.clone(), &transaction), transaction))
    }

    fn address(&self, mut url: Url, transaction: &Transaction) -> Url {
        let Kept { state, nonce, .. } = &transaction.0;
        let challenge = pkce::challenge(&transaction.verifier());
        let max_age = self.max_age.map(|age| age.as_secs().to_string());
        let (scope, acr_values) = (self.scopes.join(" "), self.acr_values.join(" "));
        let parameters = [
            ("response_type", Some("code")),
            ("client_id", Some(self.client.0.as_str())),
            ("redirect_uri", Some(&self.redirect_uri)),
            ("scope", Some(&scope)),
            ("state", Some(state)),
            ("nonce", Some(nonce)),
            ("code_challenge", Some(&challenge)),
            ("code_challenge_method", Some("S256")),
            ("prompt", self.prompt.map(Prompt::as_str)),
            ("max_age", max_age.as_deref()),
            ("acr_values", Some(acr_values.as_str()).filter(|values| !values.is_empty())),
            ("resource", self.resource.as_deref()),
            ("claims", self.claims.as_deref()),
        ];
        let said = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url.query_pairs_mut().extend_pairs(said);
        url
    }
}

/// What has to be remembered between sending somebody to their provider and their coming back. It holds secrets, so it is
/// not printed; [`Transaction::to_bytes`] is for [`crate::seal`].
pub struct Transaction(Kept);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    provider: String,
    issuer: Issuer,
    names_issuer: bool,
    client: Client,
    redirect_uri: String,
    resource: Option<String>,
    state: String,
    nonce: String,
    verifier: String,
    max_age_seconds: Option<u64>,
    acr_values: Vec<String>,
    started_at: Timestamp,
}

impl Transaction {
    /// To be sealed.
    #[must_use]
    pub fn to_bytes(&self) -> Secret<Vec<u8>> {
        Secret::new(serde_json::to_vec(&self.0).unwrap_or_default())
    }

    /// What was sealed, once it was opened; none if it is no transaction.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let kept: Kept = serde_json::from_slice(bytes).ok()?;
        ProviderName::new(&kept.provider).ok()?;
        Some(Self(kept))
    }

    /// The name of the provider to whom the person was sent.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Whose answer is expected.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// The `state`, by which the browser's answer finds its transaction.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.0.state
    }

    /// When the person was sent.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// The form that turns the code into tokens, client authentication apart (RFC 6749 section 4.1.3).
    #[must_use]
    pub fn redeem(&self, code: &Secret<String>) -> Form {
        Form::new()
            .with("grant_type", "authorization_code")
            .with("code", code.expose().as_str())
            .with("redirect_uri", self.0.redirect_uri.as_str())
            .with("code_verifier", self.0.verifier.as_str())
            .with_some("resource", self.0.resource.as_deref())
    }

    /// What the ID token of this sign-in has to say. `access_token` is the one that came with it.
    #[must_use]
    pub fn expectations<'a>(&'a self, access_token: Option<&'a Secret<String>>) -> LoginExpectations<'a> {
        LoginExpectations {
            provider: &self.0.provider,
            client: &self.0.client,
            occasion: Occasion::SignIn { nonce: &self.0.nonce },
            access_token,
            max_age: self.0.max_age_seconds.map(Duration::from_secs),
            acr_values: &self.0.acr_values,
        }
    }

    fn verifier(&self) -> Secret<String> {
        Secret::new(self.0.verifier.clone())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.0.verifier.zeroize();
        self.0.nonce.zeroize();
    }
}

/// The form that renews tokens, client authentication apart (RFC 6749 section 6).
#[must_use]
pub fn refresh(refresh_token: &Secret<String>, scopes: &[String], resource: Option<&str>) -> Form {
    Form::new()
        .with("grant_type", "refresh_token")
        .with("refresh_token", refresh_token.expose().as_str())
        .with_some("scope", Some(&scopes.join(" ")))
        .with_some("resource", resource)
}

#[cfg(test)]
mod tests;
