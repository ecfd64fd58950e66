//! The lane `google_sts`: Google Cloud's Security Token Service turns another identity provider's token into one for
//! services behind Google Cloud IAM (workforce identity federation). Without client authentication.

use super::{ACCESS_TOKEN, Access, ExchangeError, ID_TOKEN, TOKEN_EXCHANGE};
use crate::form::Form;
use deputy_core::Secret;
use serde_json::json;
use url::form_urlencoded;

/// The kinds of token that are exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An ID token.
    IdToken,
    /// An access token that is a JWT.
    Jwt,
}

/// What is asked, for one pool.
#[derive(Debug, Clone)]
pub struct GoogleSts {
    /// `//iam.googleapis.com/locations/global/workforcePools/{pool}/providers/{provider}`.
    pub audience: String,
    /// Such as `https://www.googleapis.com/auth/cloud-platform`.
    pub scopes: Vec<String>,
    /// The project that is billed, where the pool needs one.
    pub user_project: Option<String>,
}

impl GoogleSts {
    /// The form.
    #[must_use]
    pub fn form(&self, kind: Subject, subject_token: &Secret<String>) -> Form {
        let kind = match kind {
            Subject::IdToken => ID_TOKEN,
            Subject::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        };
        // Read as JSON that was URL-encoded once more than the form encodes it.
        let encode = |text: String| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let options =
            self.user_project.as_ref().map(|project| encode(json!({ "userProject": project }).to_string()));
        Form::new()
            .with("grant_type", TOKEN_EXCHANGE)
            .with("audience", self.audience.as_str())
            .with("requested_token_type", ACCESS_TOKEN)
            .with_some("scope", Some(&self.scopes.join(" ")))
            .with("subject_token", subject_token.expose().as_str())
            .with("subject_token_type", kind)
            .with_some("options", options.as_deref())
    }

    /// The body of a 200.
    ///
    /// # Errors
    /// [`ExchangeError::Unusable`] names the member.
    pub fn read(&self, body: &[u8]) -> Result<Access, ExchangeError> {
        Access::read(body, Some(ACCESS_TOKEN))?.within(&self.scopes)
    }
}
