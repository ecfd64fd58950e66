//! Redirect addresses: which may be registered (OpenID Connect Registration 2, RFC 8252), and which of those an
//! application asked for. Compared as bytes; only a native application's port on its own machine may differ.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

const MAX_REDIRECT_BYTES: usize = 2048;
/// Schemes by which a browser runs or reads something itself, or that are somebody else's protocol.
const FORBIDDEN_SCHEMES: [&str; 20] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "filesystem",
    "view-source",
    "ws",
    "wss",
    "ftp",
    "mailto",
    "tel",
    "sms",
    "chrome",
    "intent",
    "jar",
    "ldap",
    "ssh",
    "urn",
];

/// What kind of application a client is (`application_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// It runs on a server: redirects go to https alone.
    Web,
    /// It runs on the person's own machine: loopback, a private-use scheme, or https that it claimed.
    Native,
}

/// Why a redirect address may not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{uri}` may not be a redirect address: {rule}")]
pub struct RedirectError {
    /// The culprit, shortened to 120 characters.
    pub uri: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// Whether a client of this kind may register this address.
///
/// # Errors
/// Names the address and the rule.
pub fn check_redirect_uri(uri: &str, application: ApplicationType) -> Result<(), RedirectError> {
    let wrong = |rule| Err(RedirectError { uri: uri.chars().take(120).collect(), rule });
    if uri.len() > MAX_REDIRECT_BYTES || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("use at most 2048 visible ASCII characters");
    }
    let Ok(url) = Url::parse(uri) else { return wrong("it is not an absolute URI") };
    if uri.contains('#') || !url.username().is_empty() || url.password().is_some() {
        return wrong("it must not have a fragment or a user");
    }
    if uri.contains('\\') || uri.contains('*') {
        return wrong("it must not have a backslash or a wildcard");
    }
    match (url.scheme(), application) {
        ("https", ApplicationType::Native) => Ok(()),
        ("https", ApplicationType::Web) if !is_loopback(&url) => Ok(()),
        ("https" | "http", ApplicationType::Web) => {
            wrong("a web application uses https, not to this machine")
        }
        ("http", ApplicationType::Native) if is_loopback(&url) => Ok(()),
        ("http", ApplicationType::Native) => wrong("http is for 127.0.0.1, [::1] and localhost alone"),
        (scheme, _) if FORBIDDEN_SCHEMES.contains(&scheme) => wrong("its scheme is never allowed"),
        (_, ApplicationType::Web) => wrong("a web application uses https"),
        (_, ApplicationType::Native) => Ok(()),
    }
}

/// Which kind an application is that does not say: one on a person's machine if one of its addresses can be nothing else.
pub(crate) fn guess_application(uris: &[String]) -> ApplicationType {
    let web = |uri: &String| Url::parse(uri).is_ok_and(|url| url.scheme() == "https");
    if uris.iter().all(web) { ApplicationType::Web } else { ApplicationType::Native }
}

/// Whether the address that was asked for is the one that was registered: byte for byte, but for the port of a native
/// application's loopback address (RFC 8252 section 7.3).
#[must_use]
pub fn is_same_redirect(registered: &str, asked: &str, application: ApplicationType) -> bool {
    if registered == asked {
        return true;
    }
    let parts = (without_loopback_port(registered), without_loopback_port(asked));
    application == ApplicationType::Native && matches!(parts, (Some(one), Some(other)) if one == other)
}

/// Host and what follows the port of an address on this machine, over http; none for any other.
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let rest = rest.strip_prefix(host)?;
    let Some(port_on) = rest.strip_prefix(':') else {
        return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
    };
    let digits = port_on.bytes().take_while(u8::is_ascii_digit).count();
    let (port, rest) = port_on.split_at_checked(digits)?;
    let port: u16 = port.parse().ok()?;
    (port > 0 && (rest.is_empty() || rest.starts_with(['/', '?']))).then_some((host, rest))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
