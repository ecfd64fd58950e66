//! One JSON Web Key (RFC 7517, 7518 section 6, 8037): usable, or skipped (A4).

use crate::jws::{Algorithm, KeyId};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::Digest;
use deputy_core::canonical::parse_strict;
use serde_json::{Map, Value};

const RSA_ALGORITHMS: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

/// Members that only a private or symmetric key has: whoever published one has lost it.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// One public key, parsed once, that serves the algorithms its type, curve and `alg` allow and no other.
pub struct Key {
    id: Option<KeyId>,
    issuer: Option<String>,
    material: Digest,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// Reads a JWK; none if it is of no use for checking signatures.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let Ok(Value::Object(jwk)) = parse_strict(bytes) else { return None };
        if !is_for_verifying(&jwk) {
            return None;
        }
        let id = match jwk.get("kid") {
            None => None,
            Some(value) => Some(KeyId::new(value.as_str()?)?),
        };
        let issuer = match jwk.get("issuer") {
            None => None,
            Some(value) => Some(value.as_str()?.to_owned()),
        };
        let only = match jwk.get("alg") {
            None => None,
            Some(value) => Some(Algorithm::named(value.as_str()?)?),
        };
        let mut verifiers = match text(&jwk, "kty")? {
            "RSA" => rsa(&jwk)?,
            "EC" => elliptic(&jwk)?,
            "OKP" => edwards(&jwk)?,
            _ => return None,
        };
        verifiers.retain(|(algorithm, _)| only.is_none_or(|only| only == *algorithm));
        let material = Digest::of_bytes(verifiers.first()?.1.as_ref());
        Some(Self { id, issuer, material, verifiers })
    }

    /// Its `kid`.
    #[must_use]
    pub const fn id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    /// For whom it signs, where the set says so (Entra ID).
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whether it may check signatures of this algorithm. The key decides, not the token (A3).
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithms().any(|own| own == algorithm)
    }

    /// What it serves.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether this is the same key under the same name.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id && self.issuer == other.issuer && self.material == other.material
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifiers.iter().find(|(own, _)| *own == algorithm);
        verifier.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("material", &self.material).finish_non_exhaustive()
    }
}

fn is_for_verifying(jwk: &Map<String, Value>) -> bool {
    let for_signatures = jwk.get("use").is_none_or(|value| value == "sig");
    let operations = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => false,
    };
    let public = !PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member));
    for_signatures && operations && public
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    jwk.get(member)?.as_str()
}

fn bytes(jwk: &Map<String, Value>, member: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, member)?).ok()
}

fn rsa(jwk: &Map<String, Value>) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
    let size_bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let small_exponent = e.len() > 4 || e == [1];
    if !(2048..=8192).contains(&size_bits) || !odd(n) || !odd(e) || small_exponent {
        return None;
    }
    let parse = |(algorithm, parameters): (Algorithm, &'static RsaParameters)| {
        Some((algorithm, RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).ok()?))
    };
    RSA_ALGORITHMS.into_iter().map(parse).collect()
}

/// RFC 7518 wants none, but says that some libraries write one (section 6.3.1.1).
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The curve decides the algorithm; coordinates have the curve's full length (RFC 7518 section 6.2.1).
fn elliptic(jwk: &Map<String, Value>) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    let (algorithm, verification, length) = match text(jwk, "crv")? {
        "P-256" => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, 32),
        "P-384" => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, 48),
        "P-521" => (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED, 66),
        _ => return None,
    };
    if x.len() != length || y.len() != length {
        return None;
    }
    let point = [&[4_u8][..], &x, &y].concat();
    Some(vec![(algorithm, ParsedPublicKey::new(verification, point).ok()?)])
}

fn edwards(jwk: &Map<String, Value>) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
    let x = bytes(jwk, "x")?;
    if text(jwk, "crv")? != "Ed25519" || x.len() != 32 || has_small_order(&x) {
        return None;
    }
    Some(vec![(Algorithm::EdDsa, ParsedPublicKey::new(&ED25519, x).ok()?)])
}

/// The encodings of points of small order on edwards25519, sign bit aside: under such a "key" a signature over any
/// message can be made by anybody.
fn has_small_order(x: &[u8]) -> bool {
    const MIDDLE: [u8; 30] = [0xff; 30];
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let (Some((first, rest)), Some(last)) = (x.split_first(), x.last().map(|last| last & 0x7f)) else {
        return true;
    };
    let middle = rest.get(..30).unwrap_or_default();
    let near_zero = *first <= 1 && middle.iter().all(|byte| *byte == 0) && last == 0;
    let near_prime = *first >= 0xec && middle == MIDDLE && last == 0x7f;
    let order_8 = ORDER_8.iter().any(|point| point.get(..31) == x.get(..31) && point.last() == Some(&last));
    near_zero || near_prime || order_8
}
