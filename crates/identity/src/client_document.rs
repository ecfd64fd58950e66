//! What an application says about itself: the document behind a client id that is an address (CIMD,
//! draft-ietf-oauth-client-id-metadata-document), and dynamic registration (RFC 7591). Believed as far as it cannot hurt:
//! where answers may go, and by which key it proves who it is. A name and a logo are what a stranger calls itself.

mod metadata;

pub use metadata::{ClientMetadata, KeysOf, MAX_METADATA_BYTES, MetadataError};

use crate::authorization::{ErrorCode, KnownClient};
use deputy_core::Client;
use url::Url;

const MAX_ADDRESS_BYTES: usize = 512;

/// A client id that is the address of a document: https, with a path, in its normal form, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentAddress(Url);

impl DocumentAddress {
    /// None if the client id is no such address: no https, no path, a fragment, a user, dot segments (section 2). Whether
    /// it may be called is egress's to say.
    #[must_use]
    pub fn parse(client_id: &str) -> Option<Self> {
        let url = Url::parse(client_id).ok().filter(|_| client_id.len() <= MAX_ADDRESS_BYTES)?;
        // What is not in its normal form (dot segments, upper case, a port that goes without saying) could be read as two.
        let plain = url.as_str() == client_id && url.fragment().is_none() && url.username().is_empty();
        let right = plain && url.password().is_none() && url.scheme() == "https" && url.path() != "/";
        let encoded_dots = url.path().to_ascii_lowercase().contains("%2e");
        (right && url.has_host() && !encoded_dots).then_some(Self(url))
    }

    /// Where the document is.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// The client id, as it was.
    #[must_use]
    pub fn client(&self) -> Client {
        Client(self.0.as_str().to_owned())
    }

    /// Reads the document that was found there. Its `client_id` is the address, byte for byte.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn read(&self, bytes: &[u8]) -> Result<ClientDocument, MetadataError> {
        let (client, metadata) = metadata::read(bytes)?;
        if client.as_deref() != Some(self.0.as_str()) {
            return Err(MetadataError::Invalid("client_id"));
        }
        Ok(ClientDocument { client: self.client(), metadata })
    }
}

/// A client that says of itself who it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientDocument {
    /// Its id: the address of the document.
    pub client: Client,
    /// What it says.
    pub metadata: ClientMetadata,
}

impl ClientDocument {
    /// What an authorization request is checked against.
    #[must_use]
    pub fn known(&self) -> KnownClient {
        self.metadata.known(self.client.clone())
    }
}

/// Reads a registration request (RFC 7591 section 3.1). What it says is accepted as it is or refused, never changed.
///
/// # Errors
/// Names what is wrong; [`MetadataError::error_code`] is what the client reads.
pub fn read_registration(bytes: &[u8]) -> Result<ClientMetadata, MetadataError> {
    metadata::read(bytes).map(|(_, metadata)| metadata)
}

impl MetadataError {
    /// The error that a registration is answered with (RFC 7591 section 3.2.2).
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::Redirect(_) => ErrorCode::InvalidRedirectUri,
            _ => ErrorCode::InvalidClientMetadata,
        }
    }
}

#[cfg(test)]
mod tests;
