//! The lane `user_oauth`: the hub as an OAuth 2.1 client of the authorization server of one MCP server, once per person, with
//! their consent (code flow with PKCE; RFC 6749, 7636, 8707, 9207).
//!
//! [`Asking::begin`] gives an address and what has to be remembered ([`Begun`]) → the browser comes back →
//! [`Begun::read_answer`] → [`Begun::redeem`] is the form for the token endpoint → [`Consented::read`].

mod challenge;
mod metadata;
mod registration;

pub use challenge::Challenge;
pub use metadata::{ResourceMetadata, ServerMetadata};
pub use registration::{Registered, registration};

use super::access::{Access, is_subset};
use super::{ExchangeError, Granted};
use crate::form::{Form, Parameters};
use crate::login::CallbackError;
use crate::pkce;
use crate::token_response::{TokenResponse, TokenType};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use deputy_core::{Client, Issuer, Secret};
use url::Url;

/// Longest code that is redeemed.
const MAX_CODE_BYTES: usize = 4096;

/// Parameters of an authorization request that nobody but the hub itself says: what its security rests on, and what would have the
/// answer come in a way in which it is not read.
pub const RESERVED: &[&str] = &[
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "iss",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// Whether an operator may add a parameter of this name to the request: `[a-z0-9_.-]`, up to 64 bytes, and not [`RESERVED`].
#[must_use]
pub fn may_be_added(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_word) && !RESERVED.contains(&name)
}

/// What a person is asked to consent to, and of whom the answer has to be.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The hub's client id there.
    pub client: Client,
    /// Where the browser comes back, exactly as it is registered.
    pub redirect_uri: String,
    /// What the hub wants to be allowed; none: the authorization server chooses.
    pub scopes: Vec<String>,
    /// The identifier of the MCP server (RFC 8707).
    pub resource: String,
    /// Who is asked; recorded before the browser is sent away, so that no other's answer is taken for it.
    pub issuer: Issuer,
    /// Whether its answers always say who gave them (RFC 9207).
    pub names_issuer: bool,
    /// What this authorization server wants to be told beyond the standard.
    pub more: Vec<(String, String)>,
}

/// A browser that is on its way. It holds a secret, so it is not printed.
pub struct Begun {
    asking: Asking,
    state: String,
    verifier: Secret<String>,
}

impl Asking {
    /// Where to send the browser, and what to remember until it comes back.
    ///
    /// # Errors
    /// There is no randomness, or what is to be told beyond the standard is a [`RESERVED`] parameter.
    pub fn begin(self, endpoint: &Url) -> Result<(Url, Begun), ExchangeError> {
        let random = || pkce::random().map_err(|_| ExchangeError::Connection("there is no randomness"));
        let (state, verifier) = (random()?, Secret::new(random()?));
        if !self.more.iter().all(|(name, _)| may_be_added(name)) {
            return Err(ExchangeError::Connection("a parameter of the authorization request is reserved"));
        }
        let challenge = pkce::challenge(&verifier);
        let scope = self.scopes.join(" ");
        let mut address = endpoint.clone();
        let parameters = [
            ("response_type", "code"),
            ("client_id", self.client.0.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("scope", scope.as_str()),
            ("state", state.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("resource", self.resource.as_str()),
        ];
        // An empty `scope` says something else than none.
        let said = parameters.into_iter().filter(|(_, value)| !value.is_empty());
        address.query_pairs_mut().extend_pairs(said).extend_pairs(&self.more);
        Ok((address, Begun { asking: self, state, verifier }))
    }
}

impl Begun {
    /// What was asked.
    #[must_use]
    pub const fn asking(&self) -> &Asking {
        &self.asking
    }

    /// By which the answer finds it.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Reads the query with which the browser came back. `state` and issuer are compared before anything else is believed, an
    /// error too.
    ///
    /// # Errors
    /// Final, all of them: the person begins anew.
    pub fn read_answer(&self, query: &[u8]) -> Result<Secret<String>, CallbackError> {
        let answer = Parameters::parse(query)?;
        let state = answer.one("state").unwrap_or_default();
        verify_slices_are_equal(state.as_bytes(), self.state.as_bytes()).map_err(|_| CallbackError::State)?;
        let is_theirs = match answer.one("iss") {
            Some(issuer) => issuer == self.asking.issuer.as_str(),
            None => !self.asking.names_issuer,
        };
        if !is_theirs {
            return Err(CallbackError::Issuer);
        }
        let code = answer.one("code").filter(|code| code.len() <= MAX_CODE_BYTES);
        match (answer.one("error"), code) {
            (Some(error), None) => Err(CallbackError::Refused(cleaned(error))),
            (None, Some(code)) => Ok(Secret::new(code.to_owned())),
            _ => Err(CallbackError::NoCode),
        }
    }

    /// The form that turns the code into tokens, client authentication apart.
    #[must_use]
    pub fn redeem(&self, code: &Secret<String>) -> Form {
        Form::new()
            .with("grant_type", "authorization_code")
            .with("code", code.expose().as_str())
            .with("redirect_uri", self.asking.redirect_uri.as_str())
            .with("code_verifier", self.verifier.expose().as_str())
            .with("resource", self.asking.resource.as_str())
    }
}

/// The `state` of an answer, before anything of it is believed: by which it finds what was begun.
#[must_use]
pub fn state_of(query: &[u8]) -> Option<String> {
    Parameters::parse(query).ok()?.one("state").map(str::to_owned)
}

/// What a person consented to, as the token endpoint gives it.
pub struct Consented {
    /// The token.
    pub access: Access,
    /// With which the next is had without the person.
    pub refresh_token: Option<Secret<String>>,
}

impl Consented {
    /// The body of a 200. `most`: the scopes beyond which nothing is taken, where the operator pinned them.
    ///
    /// # Errors
    /// [`ExchangeError::Unusable`] names the member: another token type than `Bearer`, a token that is bound to a key of which
    /// we could not prove possession (`cnf`), more scopes than are pinned.
    pub fn read(body: &[u8], most: Option<&[String]>) -> Result<Self, ExchangeError> {
        let answer = TokenResponse::parse(body).map_err(ExchangeError::Unusable)?;
        if answer.token_type != TokenType::Bearer {
            return Err(ExchangeError::member("token_type"));
        }
        if let (Some(most), Some(scopes)) = (most, &answer.scopes)
            && !is_subset(scopes, most)
        {
            return Err(ExchangeError::member("scope"));
        }
        let granted = answer.scopes.map_or(Granted::AsAsked, Granted::Scopes);
        let access = Access { token: answer.access_token, expires_in: answer.expires_in, granted };
        Ok(Self { access, refresh_token: answer.refresh_token })
    }
}

/// The form that gives a token back (RFC 7009), client authentication apart.
#[must_use]
pub fn give_back(token: &Secret<String>, kind: &str) -> Form {
    Form::new().with("token", token.expose().as_str()).with("token_type_hint", kind)
}

/// An error code if it looks like one: a stranger may have written it.
fn cleaned(code: &str) -> String {
    let word = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if word { code.to_owned() } else { "unknown_error".to_owned() }
}

#[cfg(test)]
mod tests;
