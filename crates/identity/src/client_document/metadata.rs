//! Client metadata (RFC 7591 section 2), bounded and without shared secrets.

use crate::authorization::{
    ApplicationType, KnownClient, RedirectError, check_redirect_uri, guess_application,
};
use crate::keys::{KeySet, KeySetError};
use crate::members::{Json, Members};
use deputy_core::Client;
use url::Url;

/// Longest document that is read at all; 5 KiB is what the draft recommends to stay below.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;
const MAX_REDIRECTS: usize = 20;
const MAX_NAME_CHARS: usize = 80;
const MAX_SCOPES: usize = 64;
/// What would make the document a place where a secret is.
const SECRETS: [&str; 2] = ["client_secret", "client_secret_expires_at"];

/// What is wrong with what a client says about itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Longer than [`MAX_METADATA_BYTES`].
    #[error("the client's metadata is longer than 16 KiB")]
    TooLong,
    /// Not one JSON object without duplicates.
    #[error("the client's metadata is not a JSON object without duplicates")]
    NotJson,
    /// A member is missing, or says what is not allowed.
    #[error("member `{0}` of the client's metadata is missing or invalid")]
    Invalid(&'static str),
    /// A redirect address that may not be registered.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// `jwks` has no usable key.
    #[error("`jwks` of the client's metadata: {0}")]
    Keys(#[from] KeySetError),
}

impl MetadataError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "client_too_long",
            Self::NotJson => "client_not_json",
            Self::Invalid(_) => "client_member",
            Self::Redirect(_) => "client_redirect",
            Self::Keys(_) => "client_keys",
        }
    }
}

/// By what a client that nobody registered by hand proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysOf {
    /// By nothing (`none`): PKCE and the redirect address have to do.
    Nobody,
    /// `private_key_jwt`, with this JWK Set, checked to be readable.
    Set(String),
    /// `private_key_jwt`, with the JWK Set at this address. Whether it may be called is egress's to say.
    At(Url),
}

/// What a client says about itself, as far as we take it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientMetadata {
    /// Where its answers may go; at least one.
    pub redirect_uris: Vec<String>,
    /// What it calls itself: to be shown as a stranger's words, at most 80 characters.
    pub name: Option<String>,
    /// Its logo, if that is at an https address; any other is left out.
    pub logo: Option<Url>,
    /// What kind of application it is.
    pub application: ApplicationType,
    /// By what it proves who it is.
    pub keys: KeysOf,
    /// The scopes that it may ask for; none: it does not say.
    pub scopes: Option<Vec<String>>,
}

impl ClientMetadata {
    /// What an authorization request of this client is checked against.
    #[must_use]
    pub fn known(&self, id: Client) -> KnownClient {
        KnownClient { id, redirect_uris: self.redirect_uris.clone(), application: self.application }
    }

    /// `token_endpoint_auth_method`.
    #[must_use]
    pub const fn authentication_method(&self) -> &'static str {
        match self.keys {
            KeysOf::Nobody => "none",
            KeysOf::Set(_) | KeysOf::At(_) => "private_key_jwt",
        }
    }
}

/// Reads the metadata, and the `client_id` if it says one.
pub(super) fn read(bytes: &[u8]) -> Result<(Option<String>, ClientMetadata), MetadataError> {
    if bytes.len() > MAX_METADATA_BYTES {
        return Err(MetadataError::TooLong);
    }
    let members = Members::parse(bytes).ok_or(MetadataError::NotJson)?;
    if let Some(name) = SECRETS.into_iter().find(|name| members.contains_key(name)) {
        return Err(MetadataError::Invalid(name));
    }
    flow(&members)?;
    let redirect_uris = list(&members, "redirect_uris")?.unwrap_or_default();
    if !(1..=MAX_REDIRECTS).contains(&redirect_uris.len()) {
        return Err(MetadataError::Invalid("redirect_uris"));
    }
    let application = match text(&members, "application_type")? {
        Some("web") => ApplicationType::Web,
        Some("native") => ApplicationType::Native,
        None => guess_application(&redirect_uris),
        Some(_) => return Err(MetadataError::Invalid("application_type")),
    };
    for uri in &redirect_uris {
        check_redirect_uri(uri, application)?;
    }
    let scopes = text(&members, "scope")?.map(crate::claims::read::words);
    if scopes.as_ref().is_some_and(|scopes| scopes.len() > MAX_SCOPES) {
        return Err(MetadataError::Invalid("scope"));
    }
    let metadata = ClientMetadata {
        redirect_uris,
        name: text(&members, "client_name")?.and_then(shown),
        logo: text(&members, "logo_uri")?.and_then(https),
        application,
        keys: keys(&members)?,
        scopes,
    };
    Ok((text(&members, "client_id")?.map(str::to_owned), metadata))
}

/// What flow it wants: the code, if it says so at all.
fn flow(members: &Members<'_>) -> Result<(), MetadataError> {
    for (name, needed) in [("grant_types", "authorization_code"), ("response_types", "code")] {
        let wanted = list(members, name)?;
        if wanted.is_some_and(|wanted| !wanted.iter().any(|own| own == needed)) {
            return Err(MetadataError::Invalid(name));
        }
    }
    Ok(())
}

/// Absent is `none`: RFC 7591 means a shared secret by it, and here there is none to be had.
fn keys(members: &Members<'_>) -> Result<KeysOf, MetadataError> {
    let method = text(members, "token_endpoint_auth_method")?;
    match (method, members.get("jwks"), text(members, "jwks_uri")?) {
        (None | Some("none"), _, _) => Ok(KeysOf::Nobody),
        (Some("private_key_jwt"), Some(set), None) => {
            let set = set.to_value().to_string();
            KeySet::parse(set.as_bytes())?;
            Ok(KeysOf::Set(set))
        }
        (Some("private_key_jwt"), None, Some(address)) => {
            https(address).map(KeysOf::At).ok_or(MetadataError::Invalid("jwks_uri"))
        }
        (Some("private_key_jwt"), ..) => Err(MetadataError::Invalid("jwks")),
        _ => Err(MetadataError::Invalid("token_endpoint_auth_method")),
    }
}

fn text<'a>(members: &'a Members<'_>, name: &'static str) -> Result<Option<&'a str>, MetadataError> {
    match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(MetadataError::Invalid(name)),
    }
}

fn list(members: &Members<'_>, name: &'static str) -> Result<Option<Vec<String>>, MetadataError> {
    match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => crate::claims::read::strings(value).map(Some).ok_or(MetadataError::Invalid(name)),
    }
}

fn https(text: &str) -> Option<Url> {
    let url = crate::provider::address(text).ok()?;
    (url.scheme() == "https" && text.len() <= 2048).then_some(url)
}

/// A name that hides nothing: no control characters, bounded.
fn shown(name: &str) -> Option<String> {
    let mut clean = name.to_owned();
    deputy_core::text::clean_string(&mut clean);
    let one_line = clean.chars().filter(|letter| !letter.is_control()).collect::<String>();
    let short: String = one_line.trim().chars().take(MAX_NAME_CHARS).collect();
    (!short.is_empty()).then_some(short)
}
