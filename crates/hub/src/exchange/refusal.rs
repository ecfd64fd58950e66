//! Why there is no token: for the agent a reason and words, for the hub what to do about it (D9).

use super::{Connection, Exchange};
use deputy_core::Reason;
use deputy_identity::exchange::ExchangeError;
use std::time::Duration;
use url::form_urlencoded;

/// How long what only an administrator can change is not asked again.
const SETTLED: Duration = Duration::from_secs(60);

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct ExchangeRefusal {
    /// For the agent.
    pub reason: Reason,
    /// What can be done; no secret, and nothing that a stranger wrote but what the next sign-in needs.
    pub words: String,
    /// The hub's own page where the person can do it.
    pub open: Option<String>,
}

impl ExchangeRefusal {
    pub(super) fn new(reason: Reason, words: impl Into<String>) -> Self {
        Self { reason, words: words.into(), open: None }
    }

    pub(super) fn unavailable(words: &str) -> Self {
        Self::new(Reason::UpstreamUnavailable, words)
    }
}

/// What went wrong.
pub(super) enum Fault {
    /// The person is not signed in, or what the provider gave for them has ended.
    SignIn,
    /// The identity provider said no.
    Provider(ExchangeError),
    /// The server's authorization server said no.
    Server(ExchangeError),
    /// Somebody did not answer.
    Unreachable,
    /// A document does not say what is pinned.
    Document(&'static str),
    /// The server names another authorization server (D1).
    Astray,
    /// The line could not be written.
    Audit,
    /// The person has not let the hub use the server in their name, or not far enough.
    Consent,
    /// What they consented to cannot be sealed or opened.
    Vault(&'static str),
    /// Our own fault.
    Internal,
}

/// For how long it is not asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Not at all.
    None,
    /// So long.
    For(Duration),
    /// Longer each time.
    Growing,
}

impl Fault {
    const fn error(&self) -> Option<&ExchangeError> {
        match self {
            Self::Provider(error) | Self::Server(error) => Some(error),
            _ => None,
        }
    }

    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::SignIn => "not_signed_in",
            Self::Provider(error) | Self::Server(error) => error.code(),
            Self::Unreachable => "unreachable",
            Self::Document(_) => "metadata",
            Self::Astray => "authorization_server_changed",
            Self::Audit => "audit_unavailable",
            Self::Consent => "consent_required",
            Self::Vault(code) => code,
            Self::Internal => "internal",
        }
    }

    pub(super) const fn hold(&self) -> Hold {
        match self {
            Self::SignIn | Self::Audit | Self::Consent => Hold::None,
            Self::Unreachable | Self::Internal | Self::Vault(_) => Hold::Growing,
            Self::Provider(ExchangeError::Temporary(_)) | Self::Server(ExchangeError::Temporary(_)) => {
                Hold::Growing
            }
            _ => Hold::For(SETTLED),
        }
    }

    pub(super) const fn disables(&self) -> bool {
        matches!(self.error(), Some(ExchangeError::InvalidClient)) || matches!(self, Self::Astray)
    }

    /// The provider refused the person, not this one connection's settings (D13).
    pub(super) const fn drops_the_person(&self) -> bool {
        matches!(
            self,
            Self::Provider(
                ExchangeError::InvalidGrant
                    | ExchangeError::AccessDenied
                    | ExchangeError::InsufficientUserAuthentication { .. }
                    | ExchangeError::InteractionRequired { .. }
            )
        )
    }

    pub(super) const fn is_for_the_operator(&self) -> bool {
        match self {
            Self::SignIn | Self::Unreachable | Self::Consent => false,
            Self::Document(_) | Self::Astray | Self::Audit | Self::Vault(_) | Self::Internal => true,
            Self::Provider(error) | Self::Server(error) => matches!(
                error,
                ExchangeError::InvalidTarget
                    | ExchangeError::UnauthorizedClient
                    | ExchangeError::InvalidScope
                    | ExchangeError::InvalidClient
                    | ExchangeError::Unknown(_)
                    | ExchangeError::Unusable(_)
                    | ExchangeError::Connection(_)
            ),
        }
    }
}

impl Exchange {
    /// What the agent is told.
    pub(super) fn worded(&self, connection: &Connection, fault: &Fault) -> ExchangeRefusal {
        let login = format!("{}/login", self.public_url);
        let start = format!("{login}/start");
        let server = &connection.server;
        let (reason, words) = match fault {
            Fault::SignIn | Fault::Provider(ExchangeError::InvalidGrant) => (
                Reason::SessionEnded,
                format!(
                    "The user is not signed in for `{server}`. Ask them to sign in at {login}, then retry."
                ),
            ),
            Fault::Provider(error) | Fault::Server(error) => {
                of_error(error, server.as_str(), &wanted(&start, connection, error))
            }
            Fault::Unreachable => (
                Reason::UpstreamUnavailable,
                format!("The token for `{server}` cannot be had now. Retry later."),
            ),
            Fault::Document(why) => (
                Reason::UpstreamUnavailable,
                format!("The authorization server of `{server}` cannot be used: {why}. Tell the operator."),
            ),
            Fault::Astray => (
                Reason::UpstreamUnavailable,
                format!("`{server}` is sent no credential any more. Tell the operator."),
            ),
            Fault::Consent => return self.asks_consent(connection),
            Fault::Vault(_) => (
                Reason::UpstreamUnavailable,
                format!("What the user allowed at `{server}` cannot be read now. Tell the operator."),
            ),
            Fault::Audit => (Reason::AuditUnavailable, Reason::AuditUnavailable.words().to_owned()),
            Fault::Internal => (Reason::Internal, Reason::Internal.words().to_owned()),
        };
        ExchangeRefusal::new(reason, words)
    }

    /// The person has to connect the server first, at the hub's own page.
    pub(super) fn asks_consent(&self, connection: &Connection) -> ExchangeRefusal {
        let server = &connection.server;
        let page = self.connect_page(server);
        let words =
            format!("The user has to connect `{server}` first. Ask them to do so at {page}, then retry.");
        ExchangeRefusal { open: Some(page), ..ExchangeRefusal::new(Reason::ConsentRequired, words) }
    }
}

/// Where the person signs in so that what was asked for is met: the challenge is in the address, for the hub is the one
/// that sends them to the provider.
fn wanted(start: &str, connection: &Connection, error: &ExchangeError) -> String {
    let mut asked = form_urlencoded::Serializer::new(String::new());
    if let Some(provider) = connection.way.provider() {
        asked.append_pair("provider", provider.as_str());
    }
    match error {
        ExchangeError::InsufficientUserAuthentication { max_age, acr_values } => {
            if let Some(age) = max_age {
                asked.append_pair("max_age", &age.as_secs().to_string());
            }
            let ways = plain(acr_values).join(" ");
            if !ways.is_empty() {
                asked.append_pair("acr_values", &ways);
            }
        }
        ExchangeError::InteractionRequired { claims: Some(claims) } => {
            asked.append_pair("claims", claims);
        }
        _ => {}
    }
    format!("{start}?{}", asked.finish())
}

/// What a stranger wrote is shown only where it is a plain word.
fn plain(acr_values: &[String]) -> Vec<&str> {
    let plain = |acr: &&String| acr.len() <= 128 && acr.bytes().all(|b| b.is_ascii_graphic() && b != b'`');
    acr_values.iter().filter(plain).take(8).map(String::as_str).collect()
}

fn of_error(error: &ExchangeError, server: &str, login: &str) -> (Reason, String) {
    match error {
        ExchangeError::InsufficientUserAuthentication { max_age, acr_values } => {
            let mut words = format!("`{server}` wants the user to sign in again");
            if let Some(age) = max_age {
                words.push_str(&format!(", at most {} s ago", age.as_secs()));
            }
            let ways = plain(acr_values);
            if !ways.is_empty() {
                words.push_str(&format!(", by one of `{}`", ways.join("`, `")));
            }
            (Reason::StepUpRequired, format!("{words}. Ask them to do so at {login}, then retry."))
        }
        ExchangeError::InteractionRequired { .. } => (
            Reason::StepUpRequired,
            format!(
                "The identity provider wants something of the user first. Ask them to sign in again at {login}."
            ),
        ),
        ExchangeError::AccessDenied => (
            Reason::PolicyDenied,
            format!("The organisation does not let this user use `{server}`. Do not retry; tell the user."),
        ),
        ExchangeError::InvalidGrant
        | ExchangeError::InvalidTarget
        | ExchangeError::UnauthorizedClient
        | ExchangeError::InvalidScope => (
            Reason::PolicyDenied,
            format!(
                "The organisation's sign-in gives no token for `{server}`. Tell the user that an administrator has to look at it."
            ),
        ),
        ExchangeError::Temporary(_) => {
            (Reason::UpstreamUnavailable, format!("The token for `{server}` cannot be had now. Retry later."))
        }
        ExchangeError::InvalidClient
        | ExchangeError::Unknown(_)
        | ExchangeError::Unusable(_)
        | ExchangeError::Connection(_) => (
            Reason::UpstreamUnavailable,
            format!("The hub's connection to `{server}` is not in order. Tell the operator."),
        ),
    }
}
