//! `guard.toml`: the settings of `deputy guard`, parsed once into types that cannot be wrong. Of a guard alone: it needs no
//! `deputy.toml`, for it runs without a hub.

use super::fault::{Faults, SettingsError};
use super::meaning;
use super::network::PublicUrl;
use deputy_core::Client;
use deputy_guard::Scopes;
use deputy_guard::settings::{ClientKeysAt, ServerSettings, TrustedClient, TrustedIssuer, Users};
use deputy_identity::keys::KeySet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Everything the operator decides about a guard.
#[derive(Debug, Clone)]
pub struct GuardSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Under which origin it is reached.
    pub public_url: PublicUrl,
    /// Where it keeps its key and its memory.
    pub data_dir: PathBuf,
    /// Where several guards of one origin keep them instead.
    pub shared_dir: Option<PathBuf>,
    /// Whose ID-JAGs are taken; at least one, each issuer once.
    pub issuers: Vec<TrustedIssuer>,
    /// Who may bring them; at least one, each id once.
    pub clients: Vec<GuardClient>,
    /// Which people are let in.
    pub users: Users,
    /// Where the people are listed who are let in no more.
    pub denied: PathBuf,
    /// What each scope opens.
    pub scopes: Scopes,
    /// How long an access token lives.
    pub token_lifetime: Duration,
    /// The server behind it.
    pub server: ServerSettings,
}

/// A client that may bring ID-JAGs.
#[derive(Debug, Clone)]
pub struct GuardClient {
    /// Its `client_id`.
    pub id: Client,
    /// Where its keys are.
    pub keys: GuardClientKeys,
}

/// Where the keys of a client are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuardClientKeys {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Address(Url),
    /// In the document that its id is the address of, or where that says.
    Document(Url),
}

impl GuardSettings {
    /// Reads and checks a file. Relative paths in it are relative to the file.
    ///
    /// # Errors
    /// No such file, not readable, or everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = super::text_of(path)?;
        Self::parse(&text, path).map_err(SettingsError::Faults)
    }

    /// Checks a text as if it stood in the file `path`; reads nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Faults> {
        meaning::parse_guard(text, path).map_err(|mut faults| {
            // What is said for both files names the page of the hub's.
            for fault in &mut faults.faults {
                fault.mend = fault.mend.replace("docs/reference/config.md", "docs/guide/guard.md");
            }
            faults
        })
    }

    /// As the guard wants them, the clients' key files read.
    ///
    /// # Errors
    /// A key file that cannot be read or has no usable key, with its mend.
    pub fn read(&self) -> Result<deputy_guard::Settings, String> {
        let clients: Result<Vec<_>, _> = self.clients.iter().map(GuardClient::read).collect();
        Ok(deputy_guard::Settings {
            public_url: self.public_url.origin().clone(),
            data_dir: self.data_dir.clone(),
            shared_dir: self.shared_dir.clone(),
            issuers: self.issuers.clone(),
            clients: clients?,
            users: self.users.clone(),
            denied: self.denied.clone(),
            scopes: self.scopes.clone(),
            token_lifetime: self.token_lifetime,
        })
    }
}

impl GuardClient {
    fn read(&self) -> Result<TrustedClient, String> {
        let keys_at = match &self.keys {
            GuardClientKeys::Address(url) => ClientKeysAt::Address(url.clone()),
            GuardClientKeys::Document(url) => ClientKeysAt::Document(url.clone()),
            GuardClientKeys::File(path) => {
                let shown = path.display();
                let bytes = std::fs::read(path).map_err(|error| {
                    format!("`{shown}` cannot be read: {error}\n  mend: put the client's JWK Set there")
                })?;
                let set = KeySet::parse(&bytes).map_err(|error| {
                    format!("`{shown}`: {error}\n  mend: write `{{\"keys\": [...]}}` with the client's public keys")
                })?;
                ClientKeysAt::Given(Arc::new(set))
            }
        };
        Ok(TrustedClient { id: self.id.clone(), keys_at })
    }
}
