//! Why a token was refused. The reason is for the audit log; the sender always reads [`TokenError::PUBLIC`] (A13).

use crate::provider::ProviderName;
use deputy_core::{Digest, Timestamp};

/// Why a token was refused. No variant carries the token, or a string out of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a compact JWS as A1, A5, A6 and A7 want it.
    #[error("not a compact signed token: {0}")]
    Malformed(&'static str),
    /// The `iss` is none of the configured issuers, byte for byte (A2).
    #[error("the issuer is not configured here")]
    UnknownIssuer,
    /// The door does not take tokens of this provider.
    #[error("provider `{0}` is not accepted here")]
    ProviderNotAccepted(ProviderName),
    /// The algorithm is unknown, or not one of this provider's (A3).
    #[error("the signature algorithm is not allowed for this issuer")]
    Algorithm,
    /// The key is not known: fetch the provider's set, then call [`crate::Verifier::verify_again`] once (B3).
    #[error("provider `{0}` has no such key yet")]
    KeysNeeded(ProviderName),
    /// The provider's keys are not to be had: answer 503, not 401 (A13, B5).
    #[error("the keys of provider `{0}` are unavailable")]
    KeysUnavailable(ProviderName),
    /// The provider has no such key.
    #[error("provider `{provider}` has no key with id hash `{key:?}`")]
    UnknownKey {
        /// Whose.
        provider: ProviderName,
        /// Hash of the `kid`, none if the header had none (A5: never raw in logs).
        key: Option<Digest>,
    },
    /// The signature does not fit.
    #[error("the signature does not verify")]
    Signature,
    /// A claim is missing or has a wrong type or value.
    #[error("claim `{0}` is missing or invalid")]
    Claim(&'static str),
    /// Its time is over.
    #[error("token expired at {expired_at}")]
    Expired {
        /// The `exp`.
        expired_at: Timestamp,
    },
    /// Its `nbf` or `iat` lies ahead.
    #[error("token is not valid before {valid_from}")]
    NotYetValid {
        /// The `nbf` or `iat`.
        valid_from: Timestamp,
    },
    /// `exp - iat` is over the maximum (A8).
    #[error("token lives longer than allowed")]
    LifetimeTooLong,
    /// Meant for somebody else (A9).
    #[error("token is for another audience")]
    Audience,
    /// Of a tenant of the provider that is not let in, or of none (A12).
    #[error("token is of another tenant of the provider")]
    Tenant,
    /// Signed with a key that is for another issuer (A12).
    #[error("the signing key is for another issuer")]
    KeyIssuer,
    /// Another kind of token than this door takes (A10).
    #[error("token is of another kind")]
    Kind,
    /// Bound to a key whose possession was not proven (A15).
    #[error("token needs a proof of possession")]
    ProofOfPossession,
}

impl TokenError {
    /// What the sender reads, whatever the reason (A13).
    pub const PUBLIC: &'static str = "the token is missing, expired, or not for this resource";

    /// The stable word for it, for the audit log and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "token_malformed",
            Self::UnknownIssuer => "token_issuer_unknown",
            Self::ProviderNotAccepted(_) => "token_provider_not_accepted",
            Self::Algorithm => "token_algorithm",
            Self::KeysNeeded(_) => "token_keys_needed",
            Self::KeysUnavailable(_) => "token_keys_unavailable",
            Self::UnknownKey { .. } => "token_key_unknown",
            Self::Signature => "token_signature",
            Self::Claim(_) => "token_claim",
            Self::Expired { .. } => "token_expired",
            Self::NotYetValid { .. } => "token_not_yet_valid",
            Self::LifetimeTooLong => "token_lifetime",
            Self::Audience => "token_audience",
            Self::Tenant => "token_tenant",
            Self::KeyIssuer => "token_key_issuer",
            Self::Kind => "token_kind",
            Self::ProofOfPossession => "token_proof_required",
        }
    }

    /// Whether the fault lies with the provider's reachability and not with the token: 503 instead of 401.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_))
    }
}
