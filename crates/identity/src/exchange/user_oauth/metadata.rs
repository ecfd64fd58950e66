//! What an authorization server says of itself (RFC 8414, OpenID Connect Discovery 1.0), and a resource of its authorization
//! servers (RFC 9728): read as far as it is needed, and believed as far as it agrees with what is pinned.

use deputy_core::Issuer;
use serde::Deserialize;
use url::Url;

/// Entries of a list that are read.
const MOST: usize = 100;

/// An authorization server's metadata.
#[derive(Debug, Clone, Deserialize)]
pub struct ServerMetadata {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    client_id_metadata_document_supported: bool,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl ServerMetadata {
    /// Reads a document of the authorization server of this issuer, which it has to say byte for byte (D16); and it has to
    /// take PKCE with S256.
    ///
    /// # Errors
    /// What is wrong with it, without a word of its own.
    pub fn read(body: &[u8], issuer: &Issuer) -> Result<Self, &'static str> {
        let metadata: Self = serde_json::from_slice(body).map_err(|_| "its metadata cannot be read")?;
        if metadata.issuer != issuer.as_str() {
            return Err("its metadata names another issuer");
        }
        if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
            return Err("its metadata does not say that it takes PKCE with S256");
        }
        Ok(metadata)
    }

    /// Where a person consents.
    ///
    /// # Errors
    /// It is missing, or on another origin than the issuer.
    pub fn authorization_endpoint(&self) -> Result<Url, &'static str> {
        let wrong = "its authorization endpoint is missing, or on another origin and not pinned";
        self.on_its_origin(self.authorization_endpoint.as_deref()).ok_or(wrong)
    }

    /// Where tokens are had.
    ///
    /// # Errors
    /// It is missing, or on another origin than the issuer.
    pub fn token_endpoint(&self) -> Result<Url, &'static str> {
        let wrong = "its token endpoint is missing, or on another origin and not pinned";
        self.on_its_origin(self.token_endpoint.as_deref()).ok_or(wrong)
    }

    /// Where a client registers itself (RFC 7591).
    #[must_use]
    pub fn registration_endpoint(&self) -> Option<Url> {
        self.on_its_origin(self.registration_endpoint.as_deref())
    }

    /// Where tokens are given back (RFC 7009).
    #[must_use]
    pub fn revocation_endpoint(&self) -> Option<Url> {
        self.on_its_origin(self.revocation_endpoint.as_deref())
    }

    /// Whether it reads clients' own documents (CIMD).
    #[must_use]
    pub const fn reads_client_documents(&self) -> bool {
        self.client_id_metadata_document_supported
    }

    /// Whether its answers always say who gave them (RFC 9207).
    #[must_use]
    pub const fn names_issuer(&self) -> bool {
        self.authorization_response_iss_parameter_supported
    }

    /// Whether a client may show itself by this method. What is not said is `client_secret_basic` (RFC 8414 section 2).
    #[must_use]
    pub fn takes(&self, method: &str) -> bool {
        match &self.token_endpoint_auth_methods_supported {
            Some(methods) => methods.iter().any(|one| one == method),
            None => method == "client_secret_basic",
        }
    }

    /// Whether it says by which methods a client may show itself.
    #[must_use]
    pub const fn says_methods(&self) -> bool {
        self.token_endpoint_auth_methods_supported.is_some()
    }

    /// Whether this scope is among those that it says it knows.
    #[must_use]
    pub fn knows_scope(&self, scope: &str) -> bool {
        self.scopes_supported.iter().take(MOST).any(|one| one == scope)
    }

    fn on_its_origin(&self, said: Option<&str>) -> Option<Url> {
        let (issuer, url) = (Url::parse(&self.issuer).ok()?, Url::parse(said?).ok()?);
        (url.origin() == issuer.origin() && url.fragment().is_none()).then_some(url)
    }
}

/// What a resource says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ResourceMetadata {
    /// Its identifier.
    pub resource: Option<String>,
    /// The issuers of its authorization servers.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// The scopes that open it.
    pub scopes_supported: Option<Vec<String>>,
}

impl ResourceMetadata {
    /// Reads a document; `None`: it is none.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Another authorization server than the pinned one, where it names some and that is not among them (D1, D16).
    #[must_use]
    pub fn foreign(&self, pinned: &Issuer) -> Option<&str> {
        let named = &self.authorization_servers;
        if named.iter().any(|one| one == pinned.as_str()) {
            return None;
        }
        named.first().map(String::as_str)
    }

    /// What it calls itself, if that can be the identifier of a server at this address: the same, or a place above it.
    ///
    /// # Errors
    /// It is the identifier of something else.
    pub fn resource_of(&self, address: &Url) -> Result<Option<&str>, &'static str> {
        let Some(said) = &self.resource else { return Ok(None) };
        let wrong = "the server's own metadata is about another resource";
        let url = Url::parse(said).map_err(|_| wrong)?;
        let above = url.path().trim_end_matches('/');
        let rest = address.path().strip_prefix(above).ok_or(wrong)?;
        let is_above = url.origin() == address.origin() && (rest.is_empty() || rest.starts_with('/'));
        if is_above { Ok(Some(said)) } else { Err(wrong) }
    }

    /// The scopes that it names, a hundred at most, each a scope (RFC 6749 section 3.3).
    #[must_use]
    pub fn scopes(&self) -> Option<Vec<String>> {
        let plain = |scope: &&String| {
            (1..=256).contains(&scope.len())
                && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        let named = self.scopes_supported.as_ref()?;
        Some(named.iter().filter(plain).take(MOST).cloned().collect())
    }
}
