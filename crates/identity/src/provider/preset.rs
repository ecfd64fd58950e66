//! What each identity provider's product is known to do, as data: one small file per product in this directory, and
//! here what the data means.
//!
//! A preset narrows what `oidc` checks, or swaps one check for another of the same strength where the vendor's tokens
//! have no place for it (a `client_id` for an `aud`). What an operator may change is copied into [`Settings`]; the rest
//! is read from the [`Shape`] at each token.

mod auth0;
mod better_auth;
mod clerk;
mod cognito;
mod entra;
mod firebase;
mod google;
mod keycloak;
mod logto;
mod oidc;
mod okta;
mod pattern;
mod scalekit;
mod workos;

use super::{AccessTokenType, KeysAt, ProviderError, ProviderName, Settings, address};
use crate::claims::{ClaimPath, TokenKind};
use crate::client_assertion::AssertionAudience;
use crate::jws::Algorithm;
use deputy_core::{Issuer, TenantId};
use std::time::Duration;

const ALL: [&Shape; 13] = [
    &oidc::SHAPE,
    &okta::SHAPE,
    &auth0::SHAPE,
    &entra::SHAPE,
    &google::SHAPE,
    &cognito::SHAPE,
    &keycloak::SHAPE,
    &workos::SHAPE,
    &clerk::SHAPE,
    &scalekit::SHAPE,
    &better_auth::SHAPE,
    &logto::SHAPE,
    &firebase::SHAPE,
];

/// An identity provider's product: the starting values of [`Settings`], and what cannot be configured.
#[derive(Clone, Copy)]
pub struct Preset(&'static Shape);

/// The facts about one product.
pub(crate) struct Shape {
    /// Its name in the config.
    pub(crate) name: &'static str,
    /// What its issuers look like, and where the keys are then. None: anything will do.
    pub(crate) issuers: &'static [IssuerForm],
    /// Another spelling of `iss` for the same provider and the same people.
    pub(crate) other_spelling: Option<&'static str>,
    /// What it signs with unless somebody chose otherwise (A3).
    pub(crate) algorithms: &'static [Algorithm],
    /// How its access tokens say that they are (A10).
    pub(crate) access_token_type: AccessTokenType,
    /// The kinds of token of its that can be checked at all.
    pub(crate) kinds: &'static [TokenKind],
    /// Where groups or roles are.
    pub(crate) groups: &'static str,
    /// Where its tenants are.
    pub(crate) tenants: Tenants,
    /// Where the audience of an access token is.
    pub(crate) audience: AudienceAt,
    /// Where the user's identifier is.
    pub(crate) subject: SubjectAt,
    /// What its access tokens always say, and so must say (A10).
    pub(crate) access_token_says: &'static [Says],
    /// What its ID tokens always say, and so must say (A10).
    pub(crate) id_token_says: &'static [Says],
    /// What the token of a person never says.
    pub(crate) person_never_says: &'static [(&'static str, &'static str)],
    /// Whether a relying party can send people to it (OpenID Connect).
    pub(crate) signs_people_in: bool,
    /// For whom a client assertion is, made of the issuer, where that is not the issuer itself.
    pub(crate) assertion_for: Option<fn(&str) -> String>,
    /// The `sub` of a token behind which there is a client and nobody else (RFC 9068 section 2.2).
    pub(crate) machine: &'static str,
}

/// A claim that must be there: with one of these values, or as any string or list if there are none.
pub(crate) type Says = (&'static str, &'static [&'static str]);

/// One form of a product's issuers.
pub(crate) struct IssuerForm {
    /// With `{host}`, `{label}`, `{segment}` or `{guid}` where it varies.
    pub(crate) pattern: &'static str,
    /// Where the keys are then.
    pub(crate) keys: Keys,
}

/// Where keys are: templates with `{iss}` (without a slash at the end) and `{1}` (what varied last in the issuer).
pub(crate) enum Keys {
    /// Where this discovery document says.
    Discovery(&'static str),
    /// Here.
    Set(&'static str),
    /// The issuer does not tell, so the config must.
    Unknown,
}

/// Where a product's own tenants are.
pub(crate) enum Tenants {
    /// The issuer is the tenant.
    Issuer,
    /// In the issuer, and again in this claim (A12).
    IssuerAnd(&'static str),
    /// In these claims, for those who are in one.
    Some(&'static [&'static str]),
    /// In these claims, always.
    Always(&'static [&'static str]),
    /// In these claims: always where the issuer begins so, for there it is shared with strangers; elsewhere for those who
    /// are in one.
    AlwaysAt(&'static str, &'static [&'static str]),
}

/// Where the audience of an access token is (A9).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AudienceAt {
    /// In `aud`.
    Aud,
    /// In `aud`; where there is none, and no `typ` that promises one (RFC 9068), in this claim.
    AudElse(&'static str),
}

/// Where the user's identifier is.
pub(crate) struct SubjectAt {
    /// In access tokens.
    pub(crate) access_token: &'static str,
    /// In ID tokens.
    pub(crate) id_token: &'static str,
    /// Whether it is unique only within the provider's tenant, which is then put before it.
    pub(crate) within_tenant: bool,
}

/// `sub`, unique at the issuer.
pub(crate) const SUB: SubjectAt = SubjectAt { access_token: "sub", id_token: "sub", within_tenant: false };
pub(crate) const BOTH_KINDS: &[TokenKind] = &[TokenKind::AccessToken, TokenKind::IdToken];
const OPENID: &str = "{iss}/.well-known/openid-configuration";

impl Preset {
    /// Anything that follows OpenID Connect and RFC 9068.
    pub const OIDC: Self = Self(&oidc::SHAPE);

    /// The names of all of them.
    pub const NAMES: [&'static str; ALL.len()] = {
        let mut names = [""; ALL.len()];
        let mut index = 0;
        while index < ALL.len() {
            #[expect(clippy::indexing_slicing, reason = "checked when this is compiled")]
            {
                names[index] = ALL[index].name;
            }
            index += 1;
        }
        names
    };

    /// By its name in the config.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|shape| shape.name == name).map(Self)
    }

    /// Its name in the config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether the product issues tokens of this kind that can be checked.
    #[must_use]
    pub fn issues(self, kind: TokenKind) -> bool {
        self.0.kinds.contains(&kind)
    }

    /// Whether people can sign in at the hub through it.
    #[must_use]
    pub const fn signs_people_in(self) -> bool {
        self.0.signs_people_in
    }

    /// For whom the hub's client assertions are at the provider with this issuer (RFC 7523 section 3).
    #[must_use]
    pub fn assertion_audience(self, issuer: &Issuer) -> AssertionAudience {
        match self.0.assertion_for {
            Some(of) => AssertionAudience::Pinned(of(issuer.as_str())),
            None => AssertionAudience::Issuer,
        }
    }

    pub(crate) const fn shape(self) -> &'static Shape {
        self.0
    }

    /// What its issuers look like, for people.
    #[must_use]
    pub fn issuer_forms(self) -> Vec<&'static str> {
        self.0.issuers.iter().map(|form| form.pattern).collect()
    }

    /// The starting values for an issuer, which the config may then change.
    ///
    /// # Errors
    /// As [`Preset::settings_at`].
    pub fn settings(
        self,
        name: ProviderName,
        tenant: TenantId,
        issuer: Issuer,
    ) -> Result<Settings, ProviderError> {
        self.settings_at(name, tenant, issuer, None)
    }

    /// The same, with the keys where the config says.
    ///
    /// # Errors
    /// The issuer is not one of this product, or no address of keys can be made of it and none is said.
    pub fn settings_at(
        self,
        name: ProviderName,
        tenant: TenantId,
        issuer: Issuer,
        keys_at: Option<KeysAt>,
    ) -> Result<Settings, ProviderError> {
        let known = self.keys_of(&issuer)?;
        let keys_at = match keys_at {
            Some(said) => said,
            None => known.unwrap_or_else(|| Err(ProviderError::Keys(name.clone())))?,
        };
        Ok(Settings {
            preset: self,
            name,
            tenant,
            issuer,
            keys_at,
            algorithms: self.0.algorithms.iter().copied().collect(),
            access_token_type: self.0.access_token_type,
            kinds: self.0.kinds.to_vec(),
            groups: ClaimPath::parse(self.0.groups),
            provider_tenants: None,
            tenant_claim: None,
            skew: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(24 * 3600),
        })
    }

    /// Checks the form of the issuer; none if the form does not tell where the keys are.
    fn keys_of(self, issuer: &Issuer) -> Result<Option<Result<KeysAt, ProviderError>>, ProviderError> {
        let text = issuer.as_str();
        let forms = self.0.issuers.iter();
        let found = forms
            .filter_map(|form| pattern::varying(form.pattern, text).map(|varying| (form, varying)))
            .next();
        let Some((form, varying)) = found else {
            let preset = self.0.name;
            return match self.0.issuers {
                [] => Ok(Some(fill(OPENID, text, "").map(KeysAt::Discovery))),
                _ => Err(ProviderError::Issuer { preset, issuer: issuer.clone() }),
            };
        };
        Ok(match form.keys {
            Keys::Discovery(template) => Some(fill(template, text, varying).map(KeysAt::Discovery)),
            Keys::Set(template) => Some(fill(template, text, varying).map(KeysAt::Set)),
            Keys::Unknown => None,
        })
    }
}

fn fill(template: &str, issuer: &str, varying: &str) -> Result<url::Url, ProviderError> {
    let every_tenant = varying == pattern::EVERY_TENANT;
    let varying = if every_tenant { "organizations" } else { varying };
    address(&template.replace("{iss}", issuer.trim_end_matches('/')).replace("{1}", varying))
}

impl std::fmt::Debug for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl PartialEq for Preset {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Preset {}

pub(super) use pattern::{EVERY_TENANT, is_guid};

#[cfg(test)]
mod tests;
