//! The one road to [`Verified`]: from a string somebody sent us to claims we may rely on.

use crate::claims::{self, Accepts, Claims, Expectations, Verified};
use crate::error::TokenError;
use crate::jws::{Parts, Token};
use crate::keys::{KeyRing, Missing};
use crate::provider::{Provider, ProviderError, ProviderName};
use deputy_core::{Issuer, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Checks tokens of the configured providers. Keeps keys and nothing else: no token is remembered (A14).
#[derive(Debug)]
pub struct Verifier {
    providers: Vec<(Arc<Provider>, Arc<KeyRing>)>,
    /// By the exact `iss`.
    by_issuer: HashMap<String, (Arc<Provider>, Arc<KeyRing>)>,
}

/// Whether a refresh of the keys was already tried for this token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Not yet: the answer may be [`TokenError::KeysNeeded`]. Then call [`KeyRing::begin_forced`], do what it says, and
    /// try once more.
    First,
    /// It was, or could not be: every answer is final.
    AfterRefresh,
}

impl Verifier {
    /// Over these providers and their keys.
    ///
    /// # Errors
    /// Two with one issuer or one name.
    pub fn new(
        providers: impl IntoIterator<Item = (Arc<Provider>, Arc<KeyRing>)>,
    ) -> Result<Self, ProviderError> {
        let providers: Vec<_> = providers.into_iter().collect();
        let mut by_issuer = HashMap::new();
        let mut names = HashSet::new();
        for (provider, ring) in &providers {
            if !names.insert(provider.name().clone()) {
                return Err(ProviderError::NameTwice(provider.name().clone()));
            }
            for issuer in provider.issuers() {
                let entry = (Arc::clone(provider), Arc::clone(ring));
                if by_issuer.insert(Issuer::as_str(issuer).to_owned(), entry).is_some() {
                    return Err(ProviderError::IssuerTwice(issuer.clone()));
                }
            }
        }
        Ok(Self { providers, by_issuer })
    }

    /// The providers and their keys, for whoever refreshes them.
    pub fn providers(&self) -> impl Iterator<Item = (&Arc<Provider>, &Arc<KeyRing>)> {
        self.providers.iter().map(|(provider, ring)| (provider, ring))
    }

    /// The provider of this name and its keys.
    #[must_use]
    pub fn provider(&self, name: &ProviderName) -> Option<(&Arc<Provider>, &Arc<KeyRing>)> {
        self.providers().find(|(provider, _)| provider.name() == name)
    }

    /// Whose token it says that it is: nothing of it was checked, so it is good for choosing what to expect and no more.
    #[must_use]
    pub fn claimed(&self, token: &str) -> Option<&Arc<Provider>> {
        let parts = Parts::decode(token).ok()?;
        let token = Token::read(&parts).ok()?;
        self.by_issuer.get(token.issuer()?).map(|(provider, _)| provider)
    }

    /// Checks a token against a door's expectations, without a network.
    ///
    /// # Errors
    /// [`TokenError::KeysNeeded`]: call [`KeyRing::begin_forced`], do what it says, then
    /// [`Verifier::verify_again`], once. Anything else is final.
    pub fn verify(
        &self,
        token: &str,
        expectations: &Expectations,
        now: Timestamp,
    ) -> Result<Verified<Claims>, TokenError> {
        self.attempt(token, expectations, now, Attempt::First)
    }

    /// The same after the keys were refreshed, or could not be. Never [`TokenError::KeysNeeded`].
    ///
    /// # Errors
    /// Final, all of them.
    pub fn verify_again(
        &self,
        token: &str,
        expectations: &Expectations,
        now: Timestamp,
    ) -> Result<Verified<Claims>, TokenError> {
        self.attempt(token, expectations, now, Attempt::AfterRefresh)
    }

    fn attempt(
        &self,
        token: &str,
        expectations: &Expectations,
        now: Timestamp,
        attempt: Attempt,
    ) -> Result<Verified<Claims>, TokenError> {
        let parts = Parts::decode(token)?;
        let token = Token::read(&parts)?;
        let provider = self.signed(&token, &expectations.accepts, attempt, now)?;
        claims::check(&token, provider, expectations, now).map(Verified::new)
    }

    /// A2 to A6 and A12: whose token it is, once algorithm, key and signature are right. What it is and says is for the
    /// door that asks.
    pub(crate) fn signed(
        &self,
        token: &Token<'_>,
        accepts: &Accepts,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<&Provider, TokenError> {
        let (provider, ring) = self.select(token, accepts)?;
        if !provider.settings().algorithms.contains(&token.algorithm) {
            return Err(TokenError::Algorithm);
        }
        let key = ring
            .find(token.key_id.as_ref(), token.algorithm, now)
            .map_err(|missing| refuse(missing, attempt, token, provider, ring, now))?;
        if !key.verifies(token.algorithm, token.signed, token.signature) {
            return Err(TokenError::Signature);
        }
        if !provider.key_may_sign(key.issuer(), token) {
            return Err(TokenError::KeyIssuer);
        }
        Ok(provider)
    }

    /// A2: the unverified `iss` chooses among the configured ones, byte for byte, and nothing else.
    fn select(&self, token: &Token<'_>, accepts: &Accepts) -> Result<(&Provider, &KeyRing), TokenError> {
        let found = token.issuer().and_then(|issuer| self.by_issuer.get(issuer));
        let (provider, ring) = found.ok_or(TokenError::UnknownIssuer)?;
        match accepts {
            Accepts::Only(name) if name != provider.name() => {
                Err(TokenError::ProviderNotAccepted(provider.name().clone()))
            }
            _ => Ok((provider, ring)),
        }
    }
}

fn refuse(
    missing: Missing,
    attempt: Attempt,
    token: &Token<'_>,
    provider: &Provider,
    ring: &KeyRing,
    now: Timestamp,
) -> TokenError {
    let name = provider.name().clone();
    match (missing, attempt) {
        (Missing::MayArrive, Attempt::First) => TokenError::KeysNeeded(name),
        (Missing::NoKeys, _) => TokenError::KeysUnavailable(name),
        (Missing::MayArrive, Attempt::AfterRefresh) if !ring.has_keys(now) => {
            TokenError::KeysUnavailable(name)
        }
        _ => {
            if let (Attempt::AfterRefresh, Some(key_id)) = (attempt, &token.key_id) {
                ring.remember_absent(key_id, now);
            }
            let key = token.key_id.as_ref().map(crate::jws::KeyId::digest);
            TokenError::UnknownKey { provider: name, key }
        }
    }
}

#[cfg(test)]
mod tests;
