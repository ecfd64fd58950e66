//! The answer of a token endpoint (RFC 6749 section 5.1, RFC 8693 section 2.2.1), read strictly and bounded.

use crate::claims::read::words;
use crate::members::{Json, Members};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::Secret;
use serde_json::{Map, Value};
use std::time::Duration;

/// Longest answer that is read at all.
pub const MAX_RESPONSE_BYTES: usize = 128 * 1024;
/// Longest single token in it.
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// An answer may claim more, but nobody relies on a token for longer than a year.
const MAX_LIFETIME: Duration = Duration::from_secs(366 * 86_400);

/// What a token is to be used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// `Bearer`, in any case (RFC 6750).
    Bearer,
    /// `N_A`: not an access token (RFC 8693 section 2.2.1).
    NotApplicable,
}

/// Why an answer is of no use. It says which member, never what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Longer than [`MAX_RESPONSE_BYTES`].
    #[error("the answer is longer than 128 KiB")]
    TooLong,
    /// Not one JSON object without duplicates.
    #[error("the answer is not a JSON object without duplicates")]
    NotJson,
    /// A member is missing, of another type than it should be, or says something that we do not take.
    #[error("member `{0}` of the answer is missing or invalid")]
    Member(&'static str),
}

impl ResponseError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "response_too_long",
            Self::NotJson => "response_not_json",
            Self::Member(_) => "response_member",
        }
    }
}

/// A good answer of a token endpoint.
pub struct TokenResponse {
    /// `access_token`, whatever it is.
    pub access_token: Secret<String>,
    /// `token_type`.
    pub token_type: TokenType,
    /// `expires_in`.
    pub expires_in: Option<Duration>,
    /// `scope`; none: as it was asked for.
    pub scopes: Option<Vec<String>>,
    /// `refresh_token`.
    pub refresh_token: Option<Secret<String>>,
    /// `id_token`, unverified.
    pub id_token: Option<Secret<String>>,
    /// `issued_token_type`.
    pub issued_token_type: Option<String>,
}

impl TokenResponse {
    /// Reads the body of a 200. A token that is bound to a key is none for the hub, which could not prove that it has the
    /// key (D12): `token_type` `DPoP`, or `cnf` beside the token (RFC 9201 section 3.2) or in it (RFC 7800).
    ///
    /// # Errors
    /// Names the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, ResponseError> {
        let members = object(bytes)?;
        let token_type = match text(&members, "token_type")? {
            Some(word) if word.eq_ignore_ascii_case("bearer") => TokenType::Bearer,
            Some("N_A") => TokenType::NotApplicable,
            _ => return Err(ResponseError::Member("token_type")),
        };
        let access_token = token(&members, "access_token")?.ok_or(ResponseError::Member("access_token"))?;
        if members.get("cnf").is_some() || is_bound(access_token.expose()) {
            return Err(ResponseError::Member("cnf"));
        }
        Ok(Self {
            access_token,
            token_type,
            expires_in: seconds(&members, "expires_in")?,
            scopes: text(&members, "scope")?.map(words),
            refresh_token: token(&members, "refresh_token")?,
            id_token: token(&members, "id_token")?,
            issued_token_type: text(&members, "issued_token_type")?.map(str::to_owned),
        })
    }
}

/// The members of a bounded answer.
pub(crate) fn object(bytes: &[u8]) -> Result<Members<'_>, ResponseError> {
    if bytes.len() > MAX_RESPONSE_BYTES {
        return Err(ResponseError::TooLong);
    }
    Members::parse(bytes).ok_or(ResponseError::NotJson)
}

/// A member that is a string if it is there. `null` is as if it were not.
pub(crate) fn text<'a>(
    members: &'a Members<'_>,
    name: &'static str,
) -> Result<Option<&'a str>, ResponseError> {
    match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(ResponseError::Member(name)),
    }
}

/// A member that is a whole number of seconds if it is there.
pub(crate) fn seconds(members: &Members<'_>, name: &'static str) -> Result<Option<Duration>, ResponseError> {
    match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => {
            let seconds = value.as_u64().ok_or(ResponseError::Member(name))?;
            Ok(Some(Duration::from_secs(seconds).min(MAX_LIFETIME)))
        }
    }
}

/// Whether a token says itself that it is bound to a key. What is no JWT says nothing.
fn is_bound(token: &str) -> bool {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    serde_json::from_slice::<Map<String, Value>>(&claims).is_ok_and(|claims| claims.contains_key("cnf"))
}

fn token(members: &Members<'_>, name: &'static str) -> Result<Option<Secret<String>>, ResponseError> {
    let Some(token) = text(members, name)? else { return Ok(None) };
    let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = (1..=MAX_TOKEN_BYTES).contains(&token.len()) && visible;
    if fits { Ok(Some(Secret::new(token.to_owned()))) } else { Err(ResponseError::Member(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> Option<ResponseError> {
        TokenResponse::parse(text.as_bytes()).err()
    }

    #[test]
    fn a_good_answer_is_read_whole() {
        let text = r#"{"access_token":"a","token_type":"bearer","expires_in":300,"scope":"x y",
            "refresh_token":"r","id_token":"i","issued_token_type":"urn:t","other":[1]}"#;
        let read = TokenResponse::parse(text.as_bytes()).unwrap();
        assert_eq!((read.access_token.expose().as_str(), read.token_type), ("a", TokenType::Bearer));
        assert_eq!(read.expires_in, Some(Duration::from_secs(300)));
        assert_eq!(read.scopes, Some(vec!["x".to_owned(), "y".to_owned()]));
        assert!(read.refresh_token.is_some() && read.id_token.is_some());
    }

    #[test]
    fn what_is_not_a_token_answer_is_refused_by_name() {
        assert_eq!(error("[]"), Some(ResponseError::NotJson));
        assert_eq!(error(&" ".repeat(MAX_RESPONSE_BYTES + 1)), Some(ResponseError::TooLong));
        let twice = r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#;
        assert_eq!(error(twice), Some(ResponseError::NotJson));
        for (text, member) in [
            (r#"{"token_type":"Bearer"}"#, "access_token"),
            (r#"{"access_token":"a"}"#, "token_type"),
            (r#"{"access_token":"a","token_type":"DPoP"}"#, "token_type"),
            (r#"{"access_token":"a","token_type":"n_a"}"#, "token_type"),
            (r#"{"access_token":"a b","token_type":"Bearer"}"#, "access_token"),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#, "expires_in"),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":"300"}"#, "expires_in"),
            (r#"{"access_token":"a","token_type":"Bearer","scope":["x"]}"#, "scope"),
        ] {
            assert_eq!(error(text), Some(ResponseError::Member(member)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = TokenResponse::parse(&bytes);
        }
    }
}
