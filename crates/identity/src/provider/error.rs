//! What can be wrong with a provider's configuration or its discovery document, and the mend.

use super::{Preset, ProviderName};
use deputy_core::Issuer;

/// What is wrong with a provider or its discovery document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Not a name.
    #[error("`{0}` is not a provider name: use 1 to 32 of a-z, 0-9 and -")]
    Name(String),
    /// Not an address.
    #[error("`{0}` is not an http(s) address without user, password and fragment")]
    Address(String),
    /// No algorithm, or no kind of token.
    #[error("provider `{0}` has an empty list of {1}")]
    Empty(ProviderName, &'static str),
    /// The skew is over [`MAX_SKEW`].
    #[error("provider `{0}` has a skew over 60 s")]
    Skew(ProviderName),
    /// An issuer that is not of the product that the preset names.
    #[error("`{issuer}` is not an issuer of `{preset}`")]
    Issuer {
        /// Which product.
        preset: &'static str,
        /// What was configured.
        issuer: Issuer,
    },
    /// The address of the keys does not follow from the issuer.
    #[error("provider `{0}` does not say where its keys are, and its issuer does not tell")]
    Keys(ProviderName),
    /// The product has tenants, and the config does not say which of them are let in (A12).
    #[error(
        "provider `{name}` has tenants of its own (claim `{claim}`), and `provider_tenants` does not say which"
    )]
    TenantsUnsaid {
        /// Which provider.
        name: ProviderName,
        /// The claim that names them.
        claim: String,
        /// Whether it has people who are in none.
        some_are_in_none: bool,
    },
    /// A tenant that cannot be one of this provider's.
    #[error("`{tenant}` cannot be a tenant of provider `{name}`")]
    TenantImpossible {
        /// Which provider.
        name: ProviderName,
        /// What was configured, shortened to 120 characters.
        tenant: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// `provider_tenants` without the claim that names them, or the claim without them.
    #[error("provider `{name}` has `{said}` without `{missing}`")]
    TenantHalfSaid {
        /// Which provider.
        name: ProviderName,
        /// The key that is there.
        said: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// Two providers with one issuer: whose token would it be?
    #[error("issuer `{0}` is configured twice")]
    IssuerTwice(Issuer),
    /// Two providers with one name.
    #[error("provider `{0}` is configured twice")]
    NameTwice(ProviderName),
    /// Not a discovery document.
    #[error("the discovery document of provider `{0}` is not a JSON object with `issuer` and `jwks_uri`")]
    NotDiscovery(ProviderName),
    /// A discovery document without an address that is needed.
    #[error("the discovery document of provider `{name}` has no `{member}`")]
    DiscoveryLacks {
        /// Which provider.
        name: ProviderName,
        /// What it lacks.
        member: &'static str,
    },
    /// The operating system has no randomness to give.
    #[error("no randomness to be had")]
    Randomness,
    /// A discovery document of somebody else (B2).
    #[error("the discovery document of provider `{name}` is for issuer `{found}`, not `{configured}`")]
    OtherIssuer {
        /// Which provider.
        name: ProviderName,
        /// What the document says, shortened to 120 characters.
        found: String,
        /// What the config says.
        configured: Issuer,
    },
}

impl ProviderError {
    /// What to write in the config instead, where that can be said.
    #[must_use]
    pub fn mend(&self) -> Option<String> {
        Some(match self {
            Self::Issuer { preset, issuer } => {
                if let Some(mend) = usual_mistake(preset, issuer.as_str()) {
                    return Some(mend);
                }
                let forms = Preset::named(preset).map(Preset::issuer_forms).unwrap_or_default();
                format!("copy `issuer` from the `iss` of a token; it looks like `{}`", forms.join("` or `"))
            }
            Self::Keys(_) => "write where its key set is, as `jwks_uri`".to_owned(),
            Self::TenantsUnsaid { claim, some_are_in_none: false, .. } => {
                format!("write `provider_tenants = [\"…\"]`: the `{claim}` of the people to let in")
            }
            Self::TenantsUnsaid { claim, .. } => format!(
                "write `provider_tenants = [\"…\"]`: the `{claim}` of the people to let in, or `provider_tenants = []` \
                 for people who are in none"
            ),
            Self::TenantImpossible { wanted, .. } => (*wanted).to_owned(),
            Self::TenantHalfSaid { said, missing, .. } => format!("add `{missing}`, or remove `{said}`"),
            _ => return None,
        })
    }
}

/// What people usually write instead of an issuer of this product.
fn usual_mistake(preset: &str, issuer: &str) -> Option<String> {
    let entra_for_all = ["/common", "/organizations", "/consumers"].iter().any(|word| issuer.contains(word));
    let slash = issuer.ends_with('/');
    Some(match preset {
        "auth0" if !slash => format!("write the slash at the end: `issuer = \"{issuer}/\"`"),
        "entra" if entra_for_all => {
            "write your directory's id (a GUID) in the place of that word, \
             `https://login.microsoftonline.com/GUID/v2.0`; for several directories write `{tenantid}` there and list them in \
             `provider_tenants`"
                .to_owned()
        }
        "keycloak" if !issuer.contains("/realms/") => {
            format!("write the realm's issuer: `issuer = \"{}/realms/REALM\"`", issuer.trim_end_matches('/'))
        }
        "logto" if !issuer.ends_with("/oidc") => {
            format!("write `issuer = \"{}/oidc\"`", issuer.trim_end_matches('/'))
        }
        "okta" | "keycloak" | "cognito" | "google" | "clerk" | "scalekit" | "better-auth" | "workos" | "logto"
            if slash =>
        {
            format!("remove the slash at the end: `issuer = \"{}\"`", issuer.trim_end_matches('/'))
        }
        _ => return None,
    })
}
