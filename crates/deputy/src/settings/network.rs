//! Addresses of the configuration: exact origins, https except on this machine.

use deputy_core::Origin;
use std::fmt;
use url::{Host, Url};

/// What is wrong with an address, and the mend.
pub(super) type Wrong = (String, String);

/// The origin under which the hub is reached. Never ends in a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Origin);

/// Why a text is not the public address of a hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}\n  mend: {mend}")]
pub struct AddressError {
    /// What is wrong, with the culprit in backticks.
    pub message: String,
    /// What to do about it.
    pub mend: String,
}

impl PublicUrl {
    /// Checks a text that did not come from the configuration.
    ///
    /// # Errors
    /// Names the culprit and the mend.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        public_url(text).map_err(|(message, mend)| AddressError { message, mend })
    }

    /// As an origin.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.0
    }

    /// As text, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The address of a path on the hub; `path` begins with a slash. `join("/mcp")` is the audience of tokens for agents.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A hub's public address.
pub(super) fn public_url(text: &str) -> Result<PublicUrl, Wrong> {
    origin(text).map(PublicUrl)
}

/// An exact origin (RFC 6454 section 6.2): what the browser sends, character for character.
pub(super) fn origin(text: &str) -> Result<Origin, Wrong> {
    if text.contains('*') {
        return Err((
            format!("`{text}` has a wildcard"),
            "name each origin by itself; there are no wildcards".to_owned(),
        ));
    }
    let url = web_address(text)?;
    let exact = url.origin().ascii_serialization();
    if exact != text {
        return Err((
            format!("`{text}` is not an origin as browsers write it"),
            format!("write `{exact}`: scheme, host and port if it is not the usual one, nothing after it"),
        ));
    }
    Origin::new(text)
        .map_err(|error| (error.to_string(), "write scheme://host or scheme://host:port".to_owned()))
}

/// An address on the web that did not come from the configuration: https, or http on this machine.
///
/// # Errors
/// Names the culprit and the mend.
pub fn address(text: &str) -> Result<Url, AddressError> {
    web_address(text).map_err(|(message, mend)| AddressError { message, mend })
}

/// An address on the web: https, or http on this machine; no credentials in it, no fragment.
pub(super) fn web_address(text: &str) -> Result<Url, Wrong> {
    address_where(text, is_loopback)
}

/// The same, with another word about where plain http may go.
fn address_where(text: &str, plain: impl FnOnce(&Url) -> bool) -> Result<Url, Wrong> {
    let wrong = |problem: &str| {
        (format!("`{text}` {problem}"), "write https://host, for example `https://acme.example`".to_owned())
    };
    // Checked before anything is quoted: what stands before the `@` may be a password.
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest).split(['/', '?', '#', '\\']).next();
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err(("the address has a user name or password in it".to_owned(), "remove it".to_owned()));
    }
    let url = Url::parse(text).map_err(|error| wrong(&format!("is not an address: {error}")))?;
    match url.scheme() {
        "https" => {}
        "http" if plain(&url) => {}
        "http" => {
            let secure = text.replacen("http:", "https:", 1);
            return Err((
                format!("`{text}` is http on another machine"),
                format!("write `{secure}`; http is for localhost, *.localhost and loopback addresses only"),
            ));
        }
        _ => return Err(wrong("is neither https nor http")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("the address has a user name or password in it".to_owned(), "remove it".to_owned()));
    }
    if url.fragment().is_some() {
        return Err(wrong("has a fragment (`#`)"));
    }
    Ok(url)
}

/// The address of a collector: as any other, but for plain http, which may go to other machines, too. Whether those are
/// inside turns out when they are reached.
pub(super) fn collector_address(text: &str) -> Result<Url, Wrong> {
    let url = address_where(text, |_| true)?;
    let path = url.path().trim_end_matches('/');
    if url.query().is_some() || path.ends_with("/v1/traces") {
        let mend =
            text.split('?').next().unwrap_or_default().trim_end_matches('/').trim_end_matches("/v1/traces");
        return Err((
            format!("`{text}` is not the address of a collector alone"),
            format!("write `otlp_endpoint = \"{mend}\"`; `/v1/traces` is added to it"),
        ));
    }
    Ok(url)
}

/// The address of a server on the inside: plain http may go to other machines there, but what is public has to be https.
pub(super) fn inside_address(text: &str) -> Result<Url, Wrong> {
    address_where(text, |_| true)
}

/// Whether a name can only mean this machine (RFC 6761 section 6.3).
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
