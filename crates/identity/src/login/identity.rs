//! The ID token of a sign-in or of a renewal (OpenID Connect Core sections 3.1.3.7, 3.1.3.8 and 12.2).

use crate::claims::read::{optional_id, optional_text, seconds, strings};
use crate::claims::{self, Audiences, Claims, Expectations, Verified};
use crate::error::TokenError;
use crate::jws::{Algorithm, Parts, Token};
use crate::members::Members;
use crate::provider::ProviderName;
use crate::verifier::{Attempt, Verifier};
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Client, Secret, Timestamp, User};
use std::time::Duration;

const MAX_NAME_CHARS: usize = 120;

/// At which occasion an ID token came.
#[derive(Debug, Clone, Copy)]
pub enum Occasion<'a> {
    /// A sign-in that sent this `nonce`.
    SignIn {
        /// As it was sent.
        nonce: &'a str,
    },
    /// A renewal: it is still the same person.
    Renewal {
        /// Who signed in.
        user: &'a User,
    },
}

/// What the ID token has to say.
#[derive(Clone, Copy)]
pub struct LoginExpectations<'a> {
    /// The name of the provider that was asked.
    pub provider: &'a str,
    /// Our id there: the audience.
    pub client: &'a Client,
    /// Sign-in or renewal.
    pub occasion: Occasion<'a>,
    /// The access token that came with it, for `at_hash`.
    pub access_token: Option<&'a Secret<String>>,
    /// How long ago the person may have signed in, if that was asked for.
    pub max_age: Option<Duration>,
    /// One of these is how they signed in, if there are any.
    pub acr_values: &'a [String],
}

/// Who signed in, and how. Worth nothing outside [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// Who; `session` is the provider's `sid`.
    pub claims: Verified<Claims>,
    /// When they signed in there.
    pub auth_time: Option<Timestamp>,
    /// How well.
    pub acr: Option<String>,
    /// By what.
    pub amr: Vec<String>,
    /// To be shown, never a key (A11).
    pub email: Option<String>,
    /// To be shown.
    pub name: Option<String>,
}

impl Verifier {
    /// Checks the ID token of a sign-in or a renewal.
    ///
    /// # Errors
    /// [`TokenError::KeysNeeded`] at the first attempt: see [`Attempt`]. Anything else is final.
    pub fn login(
        &self,
        id_token: &str,
        expectations: &LoginExpectations<'_>,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Verified<Login>, TokenError> {
        let parts = Parts::decode(id_token)?;
        let token = Token::read(&parts)?;
        let audiences = Audiences::one(expectations.client.0.as_str()).map_err(|_| TokenError::Audience)?;
        let provider = ProviderName::new(expectations.provider).map_err(|_| TokenError::UnknownIssuer)?;
        let door = Expectations::id_token(audiences, provider);
        let provider = self.signed(&token, &door.accepts, attempt, now)?;
        let claims = Verified::new(claims::check(&token, provider, &door, now)?);
        let members = &token.claims;
        is_ours(members, expectations.client)?;
        is_of_this_occasion(members, &claims, expectations.occasion)?;
        fits_access_token(members, token.algorithm, expectations.access_token)?;
        let auth_time = seconds(members, "auth_time")?;
        is_recent(auth_time, expectations.max_age, provider.settings().skew, now)?;
        let acr = optional_id(members, "acr")?;
        let asked = expectations.acr_values;
        if !asked.is_empty() && !acr.as_ref().is_some_and(|acr| asked.contains(acr)) {
            return Err(TokenError::Claim("acr"));
        }
        let amr = members.get("amr").map_or(Some(Vec::new()), strings).ok_or(TokenError::Claim("amr"))?;
        let (email, name) = (shown(members, "email"), shown(members, "name"));
        Ok(Verified::new(Login { claims, auth_time, acr, amr, email, name }))
    }
}

/// Whoever is named as the one it was issued to is us.
fn is_ours(claims: &Members<'_>, client: &Client) -> Result<(), TokenError> {
    match optional_text(claims, "azp")? {
        Some(party) if party != client.0 => Err(TokenError::Claim("azp")),
        _ => Ok(()),
    }
}

fn is_of_this_occasion(
    members: &Members<'_>,
    claims: &Verified<Claims>,
    occasion: Occasion<'_>,
) -> Result<(), TokenError> {
    match occasion {
        Occasion::SignIn { nonce } => {
            let same = !nonce.is_empty() && optional_text(members, "nonce")? == Some(nonce);
            if same { Ok(()) } else { Err(TokenError::Claim("nonce")) }
        }
        Occasion::Renewal { user } if claims.user != *user => Err(TokenError::Claim("sub")),
        Occasion::Renewal { .. } => Ok(()),
    }
}

/// `at_hash`, if it is there and there is something to compare.
fn fits_access_token(
    claims: &Members<'_>,
    algorithm: Algorithm,
    access_token: Option<&Secret<String>>,
) -> Result<(), TokenError> {
    let (Some(hash), Some(token)) = (optional_text(claims, "at_hash")?, access_token) else { return Ok(()) };
    let hasher = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::EdDsa => &SHA512,
    };
    let whole = digest::digest(hasher, token.expose().as_bytes());
    let half = whole.as_ref().get(..whole.as_ref().len() / 2).unwrap_or_default();
    if URL_SAFE_NO_PAD.encode(half) == hash { Ok(()) } else { Err(TokenError::Claim("at_hash")) }
}

fn is_recent(
    auth_time: Option<Timestamp>,
    max_age: Option<Duration>,
    skew: Duration,
    now: Timestamp,
) -> Result<(), TokenError> {
    let wrong = Err(TokenError::Claim("auth_time"));
    match (auth_time, max_age) {
        (Some(at), _) if at > now.plus(skew) => wrong,
        (Some(at), Some(age)) if now.since(at) > age.saturating_add(skew) => wrong,
        (None, Some(_)) => wrong,
        _ => Ok(()),
    }
}

/// A text for people, if it is one: nothing is refused for its sake.
fn shown(claims: &Members<'_>, name: &str) -> Option<String> {
    let text: String = claims.get(name)?.as_str()?.chars().filter(|letter| !letter.is_control()).collect();
    let short: String = text.trim().chars().take(MAX_NAME_CHARS).collect();
    (!short.is_empty()).then_some(short)
}
