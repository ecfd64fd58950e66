//! Why somebody is not signed in.

use crate::access::AccessError;
use deputy_identity::login::CallbackError;

/// Why somebody is not signed in. What people read is [`LoginFault::words`]; the rest is for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginFault {
    /// People do not sign in through this provider.
    #[error("nobody signs in through `{0}`")]
    Provider(String),
    /// There are several providers, and none was chosen.
    #[error("there are several identity providers")]
    Choose,
    /// The provider's documents or endpoints cannot be had now.
    #[error("the identity provider `{provider}` cannot be used now: {why}")]
    Unavailable {
        /// Which.
        provider: String,
        /// What happened.
        why: String,
    },
    /// This browser did not begin a sign-in, or it took too long.
    #[error("this browser did not begin a sign-in, or it took too long")]
    NotBegun,
    /// What the browser brought back.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// The provider refused the code or the renewal.
    #[error("the identity provider refused: `{0}`")]
    Refused(String),
    /// The ID token is not one of this sign-in.
    #[error("the identity provider's ID token was not accepted")]
    Token,
    /// It cannot be kept.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Our own fault.
    #[error("signing in failed: {0}")]
    Internal(&'static str),
}

impl LoginFault {
    /// Whether another try may go better.
    #[must_use]
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Access(AccessError::Store(_)))
    }

    /// For people, without a word of what a stranger may have written.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Provider(_) | Self::Choose => "Choose how you want to sign in.",
            Self::Unavailable { .. } => "The identity provider cannot be reached now. Try again in a minute.",
            Self::NotBegun | Self::Callback(CallbackError::State) => {
                "This sign-in was not begun in this browser, or it took too long. Begin again."
            }
            Self::Callback(CallbackError::Refused(_)) | Self::Refused(_) => {
                "The identity provider did not sign you in."
            }
            Self::Callback(_) | Self::Token => {
                "The identity provider's answer was not accepted. Tell your administrator."
            }
            Self::Access(_) => "You cannot be signed in now. Try again in a minute.",
            Self::Internal(_) => "Signing in failed. Try again.",
        }
    }
}
