//! Compact JWS (RFC 7515), read strictly: what is not exactly one signed token is refused before any key is looked up.

use crate::error::TokenError;
use crate::members::{Json, Members};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::Digest;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Longest token that is read at all (A1).
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Longest encoded header that is read at all (A1).
pub const MAX_HEADER_BYTES: usize = 4 * 1024;
/// Longest `kid` that can be a map key (A5).
pub const MAX_KEY_ID_BYTES: usize = 256;

/// A signature algorithm that Deputy knows. There is no symmetric one and no `none`, so neither can be asked for (A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519, under its names `EdDSA` (RFC 8037) and `Ed25519` (RFC 9864).
    EdDsa,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// By its registered name, case-sensitive.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A `kid`: only ever a map key. Printed as a hash, for a stranger chose it (A5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// If it is short enough.
    #[must_use]
    pub fn new(value: &str) -> Option<Self> {
        (value.len() <= MAX_KEY_ID_BYTES).then(|| Self(value.to_owned()))
    }

    /// Its hash, for logs.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_bytes(self.0.as_bytes())
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyId({})", self.digest())
    }
}

/// A token that is well formed and nothing more. Its claims say what a stranger wants us to believe.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "people look at the claims; the rest shows tests what was read")
)]
pub struct Unverified<'a> {
    pub(crate) key_id: Option<KeyId>,
    pub(crate) media_type: Option<String>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Reads a compact JWS. Header members `jwk`, `jku`, `x5u` and `x5c` are not even looked at (A5).
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for anything but A1, A5, A6 and A7; [`TokenError::Algorithm`] for one we do not know.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let parts = Parts::decode(token)?;
        let token = Token::read(&parts)?;
        Ok(Self {
            key_id: token.key_id,
            media_type: token.media_type.map(Cow::into_owned),
            claims: token.claims.to_map(),
            signed: parts.signed,
            signature: parts.signature.clone(),
        })
    }

    /// The `iss` as the stranger wrote it; none unless it is a string (A2).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// What a claim says, as JSON of at most 200 characters: for people who look into a refused token. No decision may
    /// rest on it.
    #[must_use]
    pub fn quote(&self, claim: &str) -> Option<String> {
        Some(self.claims.get(claim)?.to_string().chars().take(200).collect())
    }
}

/// The decoded parts of a compact JWS, for a [`Token`] to borrow from.
pub(crate) struct Parts<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    /// Takes a compact JWS apart (A1).
    pub(crate) fn decode(token: &'a str) -> Result<Self, TokenError> {
        let (header, payload, signature) = split(token)?;
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(TokenError::Malformed("parts"))?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(TokenError::Malformed("the header is too long"));
        }
        Ok(Self {
            header: decode(header).ok_or(TokenError::Malformed(NO_HEADER))?,
            payload: decode(payload).ok_or(TokenError::Malformed(NO_CLAIMS))?,
            signed: signed.as_bytes(),
            signature: decode(signature).ok_or(TokenError::Malformed("the signature is not base64url"))?,
        })
    }
}

const NO_HEADER: &str = "the header is not base64url of a JSON object without duplicates";
const NO_CLAIMS: &str = "the claims are not base64url of a JSON object without duplicates";

/// An [`Unverified`] that borrows from its [`Parts`], for [`crate::Verifier`], which reads one per call.
pub(crate) struct Token<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) media_type: Option<Cow<'a, str>>,
    /// The `typ` as it was written.
    pub(crate) typ: Option<Cow<'a, str>>,
    pub(crate) claims: Members<'a>,
    pub(crate) signed: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Token<'a> {
    /// Reads the parts (A5, A6, A7).
    pub(crate) fn read(parts: &'a Parts<'_>) -> Result<Self, TokenError> {
        let header = Members::parse(&parts.header).ok_or(TokenError::Malformed(NO_HEADER))?;
        refuse_extensions(&header)?;
        Ok(Self {
            algorithm: algorithm(&header)?,
            key_id: key_id(&header)?,
            media_type: media_type(&header)?,
            typ: match header.get("typ") {
                Some(Json::Text(typ)) => Some(typ.clone()),
                _ => None,
            },
            claims: Members::parse(&parts.payload).ok_or(TokenError::Malformed(NO_CLAIMS))?,
            signed: parts.signed,
            signature: &parts.signature,
        })
    }

    /// The `iss` as the stranger wrote it; none unless it is a string (A2).
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }
}

fn split(token: &str) -> Result<(&str, &str, &str), TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed("the token is too long"));
    }
    let mut parts = token.split('.');
    let three = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(header), Some(payload), Some(signature), None) = three else {
        return Err(TokenError::Malformed("a token has three parts"));
    };
    // What is not base64url does not decode.
    if [header, payload, signature].iter().any(|part| part.is_empty()) {
        return Err(TokenError::Malformed("a part is empty"));
    }
    Ok((header, payload, signature))
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// A6: an extension that we would have to understand is one that we refuse.
fn refuse_extensions(header: &Members<'_>) -> Result<(), TokenError> {
    let b64 = header.get("b64").is_none_or(|value| value == &Json::Bool(true));
    if header.contains_key("crit") || header.contains_key("zip") || !b64 {
        return Err(TokenError::Malformed("the header has `crit`, `zip` or `b64`"));
    }
    Ok(())
}

fn algorithm(header: &Members<'_>) -> Result<Algorithm, TokenError> {
    header.get("alg").and_then(Json::as_str).and_then(Algorithm::named).ok_or(TokenError::Algorithm)
}

fn key_id(header: &Members<'_>) -> Result<Option<KeyId>, TokenError> {
    let Some(value) = header.get("kid") else { return Ok(None) };
    let key_id = value.as_str().and_then(KeyId::new);
    key_id.map(Some).ok_or(TokenError::Malformed("`kid` is not a string of at most 256 bytes"))
}

/// In lower case and without `application/` (RFC 7515 section 4.1.9).
fn media_type<'a>(header: &Members<'a>) -> Result<Option<Cow<'a, str>>, TokenError> {
    let Some(value) = header.get("typ") else { return Ok(None) };
    let Json::Text(value) = value else { return Err(TokenError::Malformed("`typ` is not a string")) };
    Ok(Some(match value {
        Cow::Borrowed(text) if !text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Borrowed(text.strip_prefix("application/").unwrap_or(text))
        }
        text => {
            let text = text.to_ascii_lowercase();
            Cow::Owned(text.strip_prefix("application/").unwrap_or(&text).to_owned())
        }
    }))
}

#[cfg(test)]
mod tests;
