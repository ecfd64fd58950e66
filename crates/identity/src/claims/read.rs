//! Single claims as every kind of token has them: texts, lists, times (A8).

use crate::error::TokenError;
use crate::members::{Json, Members};
use deputy_core::{Issuer, Subject, Timestamp};
use std::time::Duration;

/// Largest `NumericDate` that every JSON reader keeps exactly.
const MAX_SECONDS: u64 = 1 << 53;
/// Longest `jti`, `sid` and the like, in bytes.
const MAX_ID_BYTES: usize = 255;

/// A claim that must be a string if it is there.
pub(crate) fn optional_text<'a>(
    claims: &'a Members<'_>,
    name: &'static str,
) -> Result<Option<&'a str>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::Claim(name)),
    }
}

/// A claim that must be there, as a string.
pub(crate) fn text<'a>(claims: &'a Members<'_>, name: &'static str) -> Result<&'a str, TokenError> {
    optional_text(claims, name)?.ok_or(TokenError::Claim(name))
}

/// A claim that must be a string of 1 to 255 bytes without control characters, if it is there.
pub(crate) fn optional_id(claims: &Members<'_>, name: &'static str) -> Result<Option<String>, TokenError> {
    let Some(id) = optional_text(claims, name)? else { return Ok(None) };
    let fits = (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    if fits { Ok(Some(id.to_owned())) } else { Err(TokenError::Claim(name)) }
}

/// A claim that must be there, as a string of 1 to 255 bytes without control characters.
pub(crate) fn id(claims: &Members<'_>, name: &'static str) -> Result<String, TokenError> {
    optional_id(claims, name)?.ok_or(TokenError::Claim(name))
}

/// The `iss`.
pub(crate) fn issuer(claims: &Members<'_>) -> Result<Issuer, TokenError> {
    Issuer::new(text(claims, "iss")?).map_err(|_| TokenError::Claim("iss"))
}

/// The `sub`.
pub(crate) fn subject(claims: &Members<'_>) -> Result<Subject, TokenError> {
    Subject::new(text(claims, "sub")?).map_err(|_| TokenError::Claim("sub"))
}

/// A claim that is a string, or an array of exactly one.
pub(crate) fn only<'a>(claims: &'a Members<'_>, name: &'static str) -> Result<&'a str, TokenError> {
    let only = match claims.get(name) {
        Some(Json::Text(text)) => Some(text.as_ref()),
        Some(Json::List(items)) => match items.as_slice() {
            [only] => only.as_str(),
            _ => None,
        },
        _ => None,
    };
    only.filter(|text| !text.is_empty()).ok_or(TokenError::Claim(name))
}

/// Words between spaces.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A list of strings and nothing else.
pub(crate) fn strings(value: &Json<'_>) -> Option<Vec<String>> {
    value.as_list()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A `NumericDate` in whole seconds that is not negative, if it is there.
pub(crate) fn seconds(claims: &Members<'_>, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_u64() {
        Some(seconds) if seconds <= MAX_SECONDS => Ok(Some(Timestamp::from_seconds(seconds))),
        _ => Err(TokenError::Claim(name)),
    }
}

/// By how much clocks may differ, and how long a token may live.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// The skew.
    pub(crate) skew: Duration,
    /// The longest `exp - iat`.
    pub(crate) max_lifetime: Duration,
}

/// From when to when.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// `exp`.
    pub(crate) expires_at: Timestamp,
    /// `iat`.
    pub(crate) issued_at: Option<Timestamp>,
}

impl Limits {
    /// A8: whole seconds, a small skew, a bounded life.
    pub(crate) fn check(self, claims: &Members<'_>, now: Timestamp) -> Result<Times, TokenError> {
        let expires_at = seconds(claims, "exp")?.ok_or(TokenError::Claim("exp"))?;
        let issued_at = seconds(claims, "iat")?;
        let not_before = seconds(claims, "nbf")?;
        if now >= expires_at.plus(self.skew) {
            return Err(TokenError::Expired { expired_at: expires_at });
        }
        for valid_from in [issued_at, not_before].into_iter().flatten() {
            if valid_from > now.plus(self.skew) {
                return Err(TokenError::NotYetValid { valid_from });
            }
        }
        // Without an `iat` the rest of its life stands for the whole.
        if expires_at.since(issued_at.unwrap_or(now)) > self.max_lifetime {
            return Err(TokenError::LifetimeTooLong);
        }
        Ok(Times { expires_at, issued_at })
    }
}
