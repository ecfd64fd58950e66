//! Private keys with which Deputy signs: its own, and those by which it proves to an authorization server which client
//! it is.

use super::MintError;
use crate::jws::Algorithm;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use deputy_core::canonical::parse_strict;
use deputy_core::{Digest, Secret};
use serde::Serialize;
use serde_json::{Value, json};

/// Longest PEM text or JWK that is read at all; RSA of 8192 bits needs less than half.
const MAX_KEY_BYTES: usize = 16 * 1024;
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

enum Pair {
    Elliptic(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A private key with which Deputy signs ES256, EdDSA or RS256. Its id is its RFC 7638 thumbprint, unless it was given
/// another.
pub struct SigningKey {
    pair: Pair,
    id: String,
    jwk: Value,
}

impl SigningKey {
    /// Draws a new ES256 key: PKCS#8, for the vault or a file only the hub reads.
    ///
    /// # Errors
    /// [`MintError::Signing`].
    pub fn generate() -> Result<Secret<Vec<u8>>, MintError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(Secret::new(document.map_err(|_| MintError::Signing)?.as_ref().to_vec()))
    }

    /// Loads PKCS#8 (RFC 5208, DER): what [`SigningKey::generate`] drew, or another key that signs ES256, EdDSA, RS256.
    ///
    /// # Errors
    /// [`MintError::NotAKey`].
    pub fn from_pkcs8(pkcs8: &Secret<Vec<u8>>) -> Result<Self, MintError> {
        let bytes = pkcs8.expose();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes) {
            return Self::new(Pair::Elliptic(pair));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes) {
            return Self::new(Pair::Edwards(pair));
        }
        RsaKeyPair::from_pkcs8(bytes)
            .map_err(|_| MintError::NotAKey)
            .and_then(|pair| Self::new(Pair::Rsa(pair)))
    }

    /// Loads PKCS#8 as PEM (RFC 7468 section 10), `BEGIN PRIVATE KEY`.
    ///
    /// # Errors
    /// [`MintError::NotAKey`].
    pub fn from_pem(pem: &Secret<String>) -> Result<Self, MintError> {
        let text = pem.expose();
        if text.len() > MAX_KEY_BYTES {
            return Err(MintError::NotAKey);
        }
        let (_, rest) = text.split_once(PEM_BEGIN).ok_or(MintError::NotAKey)?;
        let (body, _) = rest.split_once(PEM_END).ok_or(MintError::NotAKey)?;
        let mut body = body.as_bytes().to_vec();
        body.retain(|byte| !byte.is_ascii_whitespace());
        let body = Secret::new(body);
        let der = STANDARD.decode(body.expose()).map_err(|_| MintError::NotAKey)?;
        Self::from_pkcs8(&Secret::new(der))
    }

    /// Loads a private JWK (RFC 7517, 7518 section 6, 8037). Its `kid` becomes the key's id; an `alg` must be the one
    /// that the key signs with.
    ///
    /// # Errors
    /// [`MintError::NotAKey`].
    pub fn from_jwk(jwk: &Secret<String>) -> Result<Self, MintError> {
        if jwk.expose().len() > MAX_KEY_BYTES {
            return Err(MintError::NotAKey);
        }
        let jwk = PrivateJwk(parse_strict(jwk.expose().as_bytes()).map_err(|_| MintError::NotAKey)?);
        let pair = match (jwk.text("kty"), jwk.text("crv")) {
            (Some("EC"), Some("P-256")) => jwk.elliptic(),
            (Some("OKP"), Some("Ed25519")) => jwk.edwards(),
            (Some("RSA"), None) => jwk.rsa(),
            _ => None,
        };
        let key = Self::new(pair.ok_or(MintError::NotAKey)?)?;
        if jwk.text("alg").is_some_and(|alg| Algorithm::named(alg) != Some(key.algorithm())) {
            return Err(MintError::NotAKey);
        }
        Ok(match jwk.text("kid") {
            Some(id) => key.named(id),
            None => key,
        })
    }

    /// The same under the `kid` by which the other side knows it.
    #[must_use]
    pub fn named(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        if let Some(jwk) = self.jwk.as_object_mut() {
            jwk.insert("kid".to_owned(), json!(id));
        }
        self
    }

    /// Its `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Elliptic(_) => Algorithm::Es256,
            Pair::Edwards(_) => Algorithm::EdDsa,
            Pair::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// Its public half as a JWK.
    #[must_use]
    pub const fn public_jwk(&self) -> &Value {
        &self.jwk
    }

    fn new(pair: Pair) -> Result<Self, MintError> {
        let required = pair.public().ok_or(MintError::NotAKey)?;
        let thumbprint = Digest::of_json(&required).map_err(|_| MintError::NotAKey)?;
        let id = URL_SAFE_NO_PAD.encode(thumbprint.as_bytes());
        let mut key = Self { pair, id: id.clone(), jwk: required };
        let algorithm = key.algorithm().name();
        if let Some(jwk) = key.jwk.as_object_mut() {
            for (member, value) in [("alg", algorithm), ("use", "sig"), ("kid", &id)] {
                jwk.insert(member.to_owned(), json!(value));
            }
        }
        Ok(key)
    }

    pub(crate) fn sign<T: Serialize>(&self, media_type: &str, claims: &T) -> Result<String, MintError> {
        let encode = |value: Vec<u8>| URL_SAFE_NO_PAD.encode(value);
        let header = json!({ "alg": self.algorithm().name(), "typ": media_type, "kid": self.id }).to_string();
        let claims = serde_json::to_vec(claims).map_err(|_| MintError::Signing)?;
        let signed = format!("{}.{}", encode(header.into_bytes()), encode(claims));
        let signature = self.pair.sign(signed.as_bytes()).ok_or(MintError::Signing)?;
        Ok(format!("{signed}.{}", encode(signature)))
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Elliptic(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Self::Edwards(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }

    /// The members that a thumbprint is made of (RFC 7638 section 3.2).
    fn public(&self) -> Option<Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(match self {
            Self::Elliptic(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (encode(point.get(1..33)?), encode(point.get(33..65)?));
                json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y })
            }
            Self::Edwards(pair) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref()) })
            }
            Self::Rsa(pair) => {
                let (n, e) = rsa_public(pair.public_key().as_ref())?;
                json!({ "e": encode(&e), "kty": "RSA", "n": encode(&n) })
            }
        })
    }
}

/// Modulus and exponent out of an `RSAPublicKey` in DER (RFC 8017 appendix A.1.1): a sequence of two integers.
fn rsa_public(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (body, after) = der_value(der, 0x30)?;
    let (n, rest) = der_value(body, 0x02)?;
    let (e, end) = der_value(rest, 0x02)?;
    let plain = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
    (after.is_empty() && end.is_empty()).then(|| (plain(n), plain(e)))
}

/// One value of this tag, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if *first == tag { rest.split_at_checked(length) } else { None }
}

/// Wiped when it is dropped, as far as the texts in it go.
struct PrivateJwk(Value);

impl PrivateJwk {
    fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    fn bytes(&self, member: &str) -> Option<Secret<Vec<u8>>> {
        URL_SAFE_NO_PAD.decode(self.text(member)?).ok().map(Secret::new)
    }

    fn elliptic(&self) -> Option<Pair> {
        let (d, x, y) = (self.bytes("d")?, self.bytes("x")?, self.bytes("y")?);
        let point = [&[4_u8][..], x.expose(), y.expose()].concat();
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(signing, d.expose(), &point).ok().map(Pair::Elliptic)
    }

    fn edwards(&self) -> Option<Pair> {
        let (d, x) = (self.bytes("d")?, self.bytes("x")?);
        Ed25519KeyPair::from_seed_and_public_key(d.expose(), x.expose()).ok().map(Pair::Edwards)
    }

    fn rsa(&self) -> Option<Pair> {
        let part = |member| self.bytes(member);
        let (n, e, d) = (part("n")?, part("e")?, part("d")?);
        let (p, q) = (part("p")?, part("q")?);
        let (first, second, inverse) = (part("dp")?, part("dq")?, part("qi")?);
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: n.expose().as_slice(), e: e.expose().as_slice() },
            d: d.expose().as_slice(),
            p: p.expose().as_slice(),
            q: q.expose().as_slice(),
            dP: first.expose().as_slice(),
            dQ: second.expose().as_slice(),
            qInv: inverse.expose().as_slice(),
        };
        RsaKeyPair::from_components(&components).ok().map(Pair::Rsa)
    }
}

impl Drop for PrivateJwk {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        for value in self.0.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

#[cfg(test)]
mod tests;
