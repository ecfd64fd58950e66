//! Which of a provider's own tenants are let in (A12): the organisations of an Auth0 tenant, the domains of Google
//! Workspace, the directories of Entra ID. A rule that is needed and not said is an error of the config, never "all".

use super::preset::{EVERY_TENANT, Tenants, is_guid};
use super::{ProviderError, Settings};
use crate::claims::ClaimPath;
use crate::error::TokenError;
use crate::jws::Token;
use crate::members::Json;
use deputy_core::Issuer;
use std::collections::BTreeSet;

/// Longest name of a provider's tenant.
const MAX_TENANT_BYTES: usize = 128;

/// What a provider's tokens must say about its tenants.
#[derive(Debug, Clone)]
pub(super) enum TenantRule {
    /// Nothing: the issuer is the tenant.
    Issuer,
    /// That the person is in none.
    Outside(Vec<ClaimPath>),
    /// That the person is in one of these.
    Among(Vec<ClaimPath>, BTreeSet<String>),
    /// That the person is in one of these, in this claim and in `iss`.
    InIssuer(&'static str, BTreeSet<String>),
}

/// Where somebody belongs.
pub(crate) struct Belongs {
    /// The issuer that vouches.
    pub(crate) issuer: Issuer,
    /// The provider's tenant, if it has any.
    pub(crate) tenant: Option<String>,
}

impl TenantRule {
    pub(super) fn of(settings: &Settings) -> Result<Self, ProviderError> {
        let (said, claim) = (settings.provider_tenants.as_deref(), settings.tenant_claim.as_ref());
        for tenant in said.into_iter().flatten() {
            let plain = (1..=MAX_TENANT_BYTES).contains(&tenant.len())
                && tenant.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
            if !plain {
                return Err(impossible(settings, tenant, "use 1 to 128 visible characters without a slash"));
            }
        }
        let half =
            |said, missing| ProviderError::TenantHalfSaid { name: settings.name.clone(), said, missing };
        let (names, some_are_in_none) = match &settings.preset.shape().tenants {
            Tenants::IssuerAnd(name) => return in_issuer(settings, name),
            Tenants::Issuer => {
                return match (said, claim) {
                    (None, None) => Ok(Self::Issuer),
                    (Some(_), None) => Err(half("provider_tenants", "tenant_claim")),
                    (None, Some(_)) => Err(half("tenant_claim", "provider_tenants")),
                    (Some(said), Some(claim)) => Ok(Self::over(vec![claim.clone()], said)),
                };
            }
            Tenants::Some(names) => (*names, true),
            Tenants::Always(names) => (*names, false),
            Tenants::AlwaysAt(shared, names) => (*names, !settings.issuer.as_str().starts_with(shared)),
        };
        let paths: Vec<ClaimPath> = match claim {
            Some(claim) => vec![claim.clone()],
            None => names.iter().map(|name| ClaimPath::parse(name)).collect(),
        };
        match said {
            Some(said) if some_are_in_none || !said.is_empty() => Ok(Self::over(paths, said)),
            _ => {
                let claim = (*names.first().unwrap_or(&"")).to_owned();
                Err(ProviderError::TenantsUnsaid { name: settings.name.clone(), claim, some_are_in_none })
            }
        }
    }

    fn over(paths: Vec<ClaimPath>, said: &[String]) -> Self {
        if said.is_empty() {
            Self::Outside(paths)
        } else {
            Self::Among(paths, said.iter().cloned().collect())
        }
    }

    /// Every exact `iss` that leads to this provider.
    pub(super) fn issuers(&self, settings: &Settings) -> Result<Vec<Issuer>, ProviderError> {
        let own = settings.issuer.as_str();
        let texts: Vec<String> = match self {
            Self::InIssuer(_, tenants) => tenants.iter().map(|id| own.replace(EVERY_TENANT, id)).collect(),
            _ => [Some(own), settings.preset.shape().other_spelling]
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
        };
        let issuer = |text: &String| {
            Issuer::new(text.as_str()).map_err(|_| ProviderError::Address(text.chars().take(120).collect()))
        };
        texts.iter().map(issuer).collect()
    }

    pub(super) fn check(&self, settings: &Settings, token: &Token<'_>) -> Result<Belongs, TokenError> {
        let said = |paths: &[ClaimPath]| -> Vec<Option<String>> {
            let values = paths.iter().filter_map(|path| path.find(&token.claims));
            values.map(|value| value.as_str().map(str::to_owned)).collect()
        };
        let tenant = match self {
            Self::Issuer => None,
            Self::Outside(paths) if said(paths).is_empty() => None,
            Self::Outside(_) => return Err(TokenError::Tenant),
            // Where two claims name a tenant, both must name an allowed one, and the same.
            Self::Among(paths, allowed) => {
                let said: Option<BTreeSet<String>> = said(paths).into_iter().collect();
                let only = said.filter(|said| said.len() == 1).and_then(|said| said.into_iter().next());
                Some(only.filter(|tenant| allowed.contains(tenant)).ok_or(TokenError::Tenant)?)
            }
            Self::InIssuer(claim, allowed) => {
                let tenant = token.claims.get(claim).and_then(Json::as_str).ok_or(TokenError::Tenant)?;
                let expected = settings.issuer.as_str().replace(EVERY_TENANT, tenant);
                if !allowed.contains(tenant) || token.issuer() != Some(expected.as_str()) {
                    return Err(TokenError::Tenant);
                }
                let issuer = Issuer::new(expected).map_err(|_| TokenError::Tenant)?;
                return Ok(Belongs { issuer, tenant: Some(tenant.to_owned()) });
            }
        };
        Ok(Belongs { issuer: settings.issuer.clone(), tenant })
    }

    /// A key of a set for every tenant says for whom it signs. Entra ID's v1 sets may say so in the words of v2.
    pub(super) fn key_may_sign(
        &self,
        settings: &Settings,
        key_issuer: Option<&str>,
        token: &Token<'_>,
    ) -> bool {
        let Self::InIssuer(claim, _) = self else { return true };
        let Some(key_issuer) = key_issuer else { return !settings.issuer.as_str().contains(EVERY_TENANT) };
        let Some(tenant) = token.claims.get(claim).and_then(Json::as_str) else { return false };
        let said = key_issuer.replace(EVERY_TENANT, tenant);
        let first = settings.issuer.as_str().starts_with("https://sts.windows.net/");
        token.issuer() == Some(said.as_str())
            || (first && said == format!("https://login.microsoftonline.com/{tenant}/v2.0"))
    }
}

/// The directory that the issuer names; where it names every one, those that the config names.
fn in_issuer(settings: &Settings, claim: &'static str) -> Result<TenantRule, ProviderError> {
    if settings.tenant_claim.is_some() {
        let wanted = "remove `tenant_claim`: a directory is always in `tid`";
        return Err(impossible(settings, "tenant_claim", wanted));
    }
    let said: BTreeSet<String> = settings.provider_tenants.iter().flatten().cloned().collect();
    if let Some(bad) = said.iter().find(|tenant| !is_guid(tenant)) {
        return Err(impossible(settings, bad, "write the directory (tenant) id: a GUID in lower case"));
    }
    if settings.issuer.as_str().contains(EVERY_TENANT) {
        if said.is_empty() {
            let (name, claim) = (settings.name.clone(), claim.to_owned());
            return Err(ProviderError::TenantsUnsaid { name, claim, some_are_in_none: false });
        }
        return Ok(TenantRule::InIssuer(claim, said));
    }
    let own: BTreeSet<String> =
        settings.issuer.as_str().split('/').filter(|part| is_guid(part)).map(str::to_owned).collect();
    match said.difference(&own).next() {
        Some(other) => {
            let wanted =
                "it is not the directory in `issuer`; for several write `{tenantid}` in its place there";
            Err(impossible(settings, other, wanted))
        }
        None => Ok(TenantRule::InIssuer(claim, own)),
    }
}

fn impossible(settings: &Settings, tenant: &str, wanted: &'static str) -> ProviderError {
    let tenant = tenant.chars().take(120).collect();
    ProviderError::TenantImpossible { name: settings.name.clone(), tenant, wanted }
}
