//! Identity providers: what the operator configured about one issuer, and the discovery document that may only fill
//! in where its keys are (OpenID Connect Discovery 1.0; RFC 8414).

mod discovery;
mod error;
mod preset;
mod tenants;

pub use discovery::Discovery;
pub use error::ProviderError;
pub use preset::Preset;
pub(crate) use preset::{AudienceAt, Says, Shape};

use crate::claims::{ClaimPath, TokenKind};
use crate::error::TokenError;
use crate::jws::Algorithm;
use crate::jws::Token;
use deputy_core::{Issuer, TenantId};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use tenants::{Belongs, TenantRule};
use url::Url;

/// Longest skew that may be configured (A8).
pub const MAX_SKEW: Duration = Duration::from_secs(60);

/// The configured name of a provider: 1 to 32 of a-z, 0-9 and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName(String);

impl ProviderName {
    /// Checks and wraps.
    ///
    /// # Errors
    /// [`ProviderError::Name`].
    pub fn new(value: &str) -> Result<Self, ProviderError> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&value.len()) && value.bytes().all(letter) {
            return Ok(Self(value.to_owned()));
        }
        Err(ProviderError::Name(value.chars().take(80).collect()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a provider's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// In the `jwks_uri` of the discovery document at this address.
    Discovery(Url),
    /// At this address: nothing is learned from the provider.
    Set(Url),
}

/// Whether an access token must say in its `typ` that it is one (A10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessTokenType {
    /// `at+jwt` (RFC 9068).
    #[default]
    Declared,
    /// `JWT` or no `typ` will do, for providers that issue no other.
    Untyped,
}

/// What can be configured about a provider. [`Provider::new`] checks it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which product it is. What follows from that and cannot be configured is read from here.
    pub preset: Preset,
    /// Its name in the config.
    pub name: ProviderName,
    /// Whose users it vouches for.
    pub tenant: TenantId,
    /// The exact `iss`.
    pub issuer: Issuer,
    /// Where its keys are.
    pub keys_at: KeysAt,
    /// What it signs with (A3).
    pub algorithms: BTreeSet<Algorithm>,
    /// Whether its access tokens declare themselves.
    pub access_token_type: AccessTokenType,
    /// The kinds of token that are taken from it at all.
    pub kinds: Vec<TokenKind>,
    /// Where groups or roles are.
    pub groups: ClaimPath,
    /// The provider's own tenants (organisations, domains, directories) whose people are let in. `None`: not said, which
    /// is refused where the product has several. Empty: only people who are in none.
    pub provider_tenants: Option<Vec<String>>,
    /// The claim that names the provider's tenant, where it is not the preset's.
    pub tenant_claim: Option<ClaimPath>,
    /// By how much its clock may differ, at most [`MAX_SKEW`] (A8).
    pub skew: Duration,
    /// The longest `exp - iat` (A8).
    pub max_lifetime: Duration,
}

/// A provider whose settings were checked.
#[derive(Debug, Clone)]
pub struct Provider {
    settings: Settings,
    rule: TenantRule,
    issuers: Vec<Issuer>,
}

impl Provider {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names what cannot be.
    pub fn new(settings: Settings) -> Result<Self, ProviderError> {
        if settings.algorithms.is_empty() {
            return Err(ProviderError::Empty(settings.name, "algorithms"));
        }
        if settings.kinds.is_empty() {
            return Err(ProviderError::Empty(settings.name, "token kinds"));
        }
        if settings.skew > MAX_SKEW {
            return Err(ProviderError::Skew(settings.name));
        }
        let rule = TenantRule::of(&settings)?;
        let issuers = rule.issuers(&settings)?;
        Ok(Self { settings, rule, issuers })
    }

    /// A generic OpenID Connect provider with the preset's values.
    ///
    /// # Errors
    /// As [`Preset::settings`].
    pub fn oidc(name: ProviderName, tenant: TenantId, issuer: Issuer) -> Result<Self, ProviderError> {
        Self::new(Preset::OIDC.settings(name, tenant, issuer)?)
    }

    /// An issuer of ID-JAGs and of nothing else ([`TokenKind::IdJag`]), as a guard trusts it: its exact `iss`, where its
    /// keys are, and what it signs with (E2).
    ///
    /// # Errors
    /// Names what cannot be.
    pub fn id_jag_issuer(
        name: ProviderName,
        tenant: TenantId,
        issuer: Issuer,
        keys_at: KeysAt,
        algorithms: BTreeSet<Algorithm>,
    ) -> Result<Self, ProviderError> {
        let settings = Preset::OIDC.settings(name, tenant, issuer)?;
        let max_lifetime = crate::id_jag::MAX_LIFETIME;
        Self::new(Settings { keys_at, algorithms, kinds: vec![TokenKind::IdJag], max_lifetime, ..settings })
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &ProviderName {
        &self.settings.name
    }

    /// The issuer as configured: what its discovery document says.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.settings.issuer
    }

    /// Every exact `iss` of its tokens: one, but for Google's two spellings and a directory each at Entra.
    #[must_use]
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    pub(crate) fn shape(&self) -> &'static Shape {
        self.settings.preset.shape()
    }

    /// Whom the token is about, as far as the provider's tenants go (A12).
    pub(crate) fn belongs(&self, token: &Token<'_>) -> Result<Belongs, TokenError> {
        self.rule.check(&self.settings, token)
    }

    /// Whether a key may sign for the tenant that the token names (A12).
    pub(crate) fn key_may_sign(&self, key_issuer: Option<&str>, token: &Token<'_>) -> bool {
        self.rule.key_may_sign(&self.settings, key_issuer, token)
    }

    /// Whose users it vouches for.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.settings.tenant
    }

    /// Where its keys are.
    #[must_use]
    pub const fn keys_at(&self) -> &KeysAt {
        &self.settings.keys_at
    }
}

/// An http(s) address with a host and nothing hidden in it. Whether it may be called is egress's to say.
///
/// # Errors
/// [`ProviderError::Address`].
pub fn address(text: &str) -> Result<Url, ProviderError> {
    let wrong = || ProviderError::Address(text.chars().take(120).collect());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let web = matches!(url.scheme(), "https" | "http") && url.has_host();
    if plain && web { Ok(url) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests;
