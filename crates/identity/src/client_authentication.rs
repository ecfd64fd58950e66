//! How Deputy, as a client, proves to an authorization server which client it is: signed assertion first, then secret,
//! then none (D10; RFC 6749 section 2.3, RFC 7523 section 2.2).

use crate::client_assertion::{self, ASSERTION_TYPE, AssertionAudience};
use crate::form::Form;
use crate::mint::{MintError, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deputy_core::{Client, Issuer, Secret, Timestamp};
use std::sync::Arc;
use url::form_urlencoded;

/// By what a client is known.
pub enum ClientAuthentication {
    /// A signed assertion, fresh for each request.
    PrivateKeyJwt {
        /// The key whose public half the server knows.
        key: Arc<SigningKey>,
        /// For whom the assertion is.
        audience: AssertionAudience,
    },
    /// A secret in the `Authorization` header, form-encoded first (RFC 6749 section 2.3.1).
    SecretBasic(Secret<String>),
    /// A secret in the form.
    SecretPost(Secret<String>),
    /// Nothing: a public client, or one whose id is the address of its document (CIMD).
    None,
}

/// What a request to a token endpoint carries so that the server knows the client.
pub struct ClientProof {
    /// The value of the `Authorization` header.
    pub authorization: Option<Secret<String>>,
    /// What belongs in the form.
    pub fields: Form,
}

impl ClientAuthentication {
    /// Its registered name (`token_endpoint_auth_method`).
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::PrivateKeyJwt { .. } => "private_key_jwt",
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::None => "none",
        }
    }

    /// The proof for one request to the server of this issuer.
    ///
    /// # Errors
    /// The assertion cannot be signed.
    pub fn prove(&self, client: &Client, issuer: &Issuer, now: Timestamp) -> Result<ClientProof, MintError> {
        let named = || Form::new().with("client_id", client.0.as_str());
        Ok(match self {
            Self::PrivateKeyJwt { key, audience } => {
                let assertion = client_assertion::sign(client, issuer, audience, key, now)?;
                let fields = Form::new()
                    .with("client_assertion_type", ASSERTION_TYPE)
                    .with("client_assertion", assertion.expose().as_str());
                ClientProof { authorization: None, fields }
            }
            Self::SecretBasic(secret) => {
                ClientProof { authorization: Some(basic(client, secret)), fields: Form::new() }
            }
            Self::SecretPost(secret) => {
                let fields = named().with("client_secret", secret.expose().as_str());
                ClientProof { authorization: None, fields }
            }
            Self::None => ClientProof { authorization: None, fields: named() },
        })
    }
}

fn basic(client: &Client, secret: &Secret<String>) -> Secret<String> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let encoded = Secret::new(encode(secret.expose()));
    let pair = Secret::new(format!("{}:{}", encode(&client.0), encoded.expose()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())))
}

/// What a client brought in a Basic `Authorization` header: its id and its secret (RFC 6749 section 2.3.1).
#[must_use]
pub fn read_basic(header: &str) -> Option<(Client, Secret<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > 4096 {
        return None;
    }
    let pair = Secret::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (client, secret) = pair.expose().split_once(':')?;
    let client = decoded(client)?;
    Some((Client(client), Secret::new(decoded(secret)?)))
}

/// One form-encoded text. `&` and `=` would have been encoded.
fn decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    let decoded = pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default();
    (!decoded.contains('\u{fffd}')).then_some(decoded)
}

#[cfg(test)]
mod tests;
