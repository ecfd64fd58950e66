//! Tokens for a user at somebody else's resource, from the organisation's own identity provider: the forms that are sent
//! and the answers that are believed, pure (identity reference sections 3 and 4, list D).
//!
//! One file per lane. A lane is configured per connection; a denial in one never leads to another. Client authentication
//! ([`crate::client_authentication`]) is added to each form by the caller. Every token is a `Secret`, and an ID-JAG is
//! used up by its one use (D6).

mod access;
pub mod client_credentials;
pub mod entra_obo;
mod error;
pub mod google_sts;
pub mod id_jag;
pub mod token_exchange;
pub mod user_oauth;

pub use access::{Access, Granted};
pub use error::{ExchangeError, read_error};

/// The grant type of RFC 8693.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The token type of an access token.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The token type of an ID token.
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// The token type of a refresh token.
pub const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

#[cfg(test)]
mod tests;
