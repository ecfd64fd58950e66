//! What a client brings to the token endpoint (RFC 6749 sections 4.1.3 and 6, RFC 7523 section 2.1): a grant, and a proof
//! of which client it is.

use super::ErrorCode;
use crate::claims::read::words;
use crate::client_assertion::ASSERTION_TYPE;
use crate::client_authentication::read_basic;
use crate::form::Parameters;
use deputy_core::{Client, Secret};

/// The grant type of an assertion.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What is to become an access token.
pub enum TokenRequest {
    /// A code that the client was sent.
    AuthorizationCode {
        /// The code.
        code: Secret<String>,
        /// The address to which it was sent, to be compared with the one of the authorization request.
        redirect_uri: String,
        /// To be held against the challenge.
        verifier: Secret<String>,
        /// A narrower choice of resources; empty: as granted.
        resources: Vec<String>,
    },
    /// A refresh token.
    RefreshToken {
        /// The token.
        token: Secret<String>,
        /// A narrower choice of scopes; none: as granted.
        scopes: Option<Vec<String>>,
        /// A narrower choice of resources; empty: as granted.
        resources: Vec<String>,
    },
    /// An assertion, as an ID-JAG is one.
    JwtBearer {
        /// The assertion.
        assertion: Secret<String>,
        /// A narrower choice of scopes; none: those of the assertion.
        scopes: Option<Vec<String>>,
        /// What it repeats of the assertion's `resource`; empty: nothing.
        resources: Vec<String>,
    },
}

/// How the client says who it is. Nothing of it was checked.
pub enum PresentedClient {
    /// By a signed assertion, for [`crate::client_assertion::verify`].
    Assertion {
        /// The `client_id` beside it: if it is there it must be the assertion's.
        client: Option<Client>,
        /// The assertion.
        assertion: Secret<String>,
    },
    /// By a secret, in header or form.
    Secret {
        /// Who it claims to be.
        client: Client,
        /// The secret.
        secret: Secret<String>,
    },
    /// By its id alone.
    Public(Client),
}

/// Why a token request was not read: the code for the client.
pub type TokenRequestError = ErrorCode;

impl TokenRequest {
    /// Reads the form, and the `Authorization` header if there was one.
    ///
    /// # Errors
    /// The code to answer with.
    pub fn read(
        form: &[u8],
        authorization: Option<&str>,
    ) -> Result<(Self, PresentedClient), TokenRequestError> {
        let form = Parameters::parse(form).map_err(|_| ErrorCode::InvalidRequest)?;
        let client = presented(&form, authorization)?;
        let secret = |name| form.one(name).map(|text| Secret::new(text.to_owned()));
        let needed = |name| secret(name).ok_or(ErrorCode::InvalidRequest);
        let scopes = form.one("scope").map(words);
        let resources: Vec<String> = form.all("resource").map(str::to_owned).collect();
        let request = match form.one("grant_type") {
            Some("authorization_code") => Self::AuthorizationCode {
                code: needed("code")?,
                redirect_uri: form.one("redirect_uri").ok_or(ErrorCode::InvalidRequest)?.to_owned(),
                verifier: needed("code_verifier")?,
                resources,
            },
            Some("refresh_token") => {
                Self::RefreshToken { token: needed("refresh_token")?, scopes, resources }
            }
            Some(JWT_BEARER) => Self::JwtBearer { assertion: needed("assertion")?, scopes, resources },
            Some(_) => return Err(ErrorCode::UnsupportedGrantType),
            None => return Err(ErrorCode::InvalidRequest),
        };
        Ok((request, client))
    }
}

/// One way of saying who it is, never two (RFC 6749 section 2.3).
fn presented(form: &Parameters, authorization: Option<&str>) -> Result<PresentedClient, ErrorCode> {
    let client = form.one("client_id").map(|id| Client(id.to_owned()));
    let text = |name| form.one(name).map(|text| Secret::new(text.to_owned()));
    let asserted = (form.one("client_assertion_type"), text("client_assertion"));
    match (authorization, asserted, text("client_secret")) {
        (Some(header), (None, None), None) => {
            let (named, secret) = read_basic(header).ok_or(ErrorCode::InvalidClient)?;
            if client.is_some_and(|client| client != named) {
                return Err(ErrorCode::InvalidRequest);
            }
            Ok(PresentedClient::Secret { client: named, secret })
        }
        (None, (Some(ASSERTION_TYPE), Some(assertion)), None) => {
            Ok(PresentedClient::Assertion { client, assertion })
        }
        (None, (None, None), Some(secret)) => {
            let client = client.ok_or(ErrorCode::InvalidClient)?;
            Ok(PresentedClient::Secret { client, secret })
        }
        (None, (None, None), None) => client.map(PresentedClient::Public).ok_or(ErrorCode::InvalidClient),
        _ => Err(ErrorCode::InvalidRequest),
    }
}
