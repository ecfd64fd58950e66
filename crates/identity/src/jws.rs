//! Compact JWS (RFC 7515), read strictly: what is not exactly one signed token is refused before any key is looked up.

use crate::error::TokenError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::Digest;
use deputy_core::canonical::parse_strict;
use serde_json::{Map, Value};

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
pub struct Unverified<'a> {
    pub(crate) algorithm: Algorithm,
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
        let (header, payload, signature) = split(token)?;
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(TokenError::Malformed("parts"))?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(TokenError::Malformed("the header is too long"));
        }
        let header = object(header, "the header is not base64url of a JSON object without duplicates")?;
        refuse_extensions(&header)?;
        Ok(Self {
            algorithm: algorithm(&header)?,
            key_id: key_id(&header)?,
            media_type: media_type(&header)?,
            claims: object(payload, "the claims are not base64url of a JSON object without duplicates")?,
            signed: signed.as_bytes(),
            signature: decode(signature).ok_or(TokenError::Malformed("the signature is not base64url"))?,
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

fn object(part: &str, otherwise: &'static str) -> Result<Map<String, Value>, TokenError> {
    let bytes = decode(part).ok_or(TokenError::Malformed(otherwise))?;
    match parse_strict(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(TokenError::Malformed(otherwise)),
    }
}

/// A6: an extension that we would have to understand is one that we refuse.
fn refuse_extensions(header: &Map<String, Value>) -> Result<(), TokenError> {
    let b64 = header.get("b64").is_none_or(|value| value == &Value::Bool(true));
    if header.contains_key("crit") || header.contains_key("zip") || !b64 {
        return Err(TokenError::Malformed("the header has `crit`, `zip` or `b64`"));
    }
    Ok(())
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, TokenError> {
    header.get("alg").and_then(Value::as_str).and_then(Algorithm::named).ok_or(TokenError::Algorithm)
}

fn key_id(header: &Map<String, Value>) -> Result<Option<KeyId>, TokenError> {
    let Some(value) = header.get("kid") else { return Ok(None) };
    let key_id = value.as_str().and_then(KeyId::new);
    key_id.map(Some).ok_or(TokenError::Malformed("`kid` is not a string of at most 256 bytes"))
}

/// In lower case and without `application/` (RFC 7515 section 4.1.9).
fn media_type(header: &Map<String, Value>) -> Result<Option<String>, TokenError> {
    let Some(value) = header.get("typ") else { return Ok(None) };
    let value = value.as_str().ok_or(TokenError::Malformed("`typ` is not a string"))?.to_ascii_lowercase();
    Ok(Some(value.strip_prefix("application/").unwrap_or(&value).to_owned()))
}

#[cfg(test)]
mod tests;
