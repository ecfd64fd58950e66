//! Real keys of every algorithm for tests: they sign as an identity provider would.

use crate::jws::Algorithm;
use crate::keys::{Begun, Fetched, KeyRing};
use crate::provider::{Provider, ProviderName};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{Issuer, TenantId, Timestamp};
use serde_json::{Value, json};
use std::sync::OnceLock;

pub(crate) const ISSUER: &str = "https://idp.acme.example";
pub(crate) const HUB: &str = "https://hub.acme.example/mcp";
/// A moment in November 2026.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A provider's signing key.
pub(crate) struct TestKey {
    pair: Pair,
    pub(crate) algorithm: Algorithm,
}

impl TestKey {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let ec = |signing| Pair::Ec(EcdsaKeyPair::generate(signing).unwrap());
        let pair = match algorithm {
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => ec(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            _ => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        };
        Self { pair, algorithm }
    }

    /// The public JWK without `kid` and `alg`.
    pub(crate) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                // RFC 8017 A.1.1 of 2048 bits and e = 65537: the modulus starts after 9 bytes of framing.
                let modulus = &pair.public_key().as_ref()[9..265];
                json!({ "kty": "RSA", "n": encode(modulus), "e": "AQAB" })
            }
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match x.len() {
                    32 => "P-256",
                    48 => "P-384",
                    _ => "P-521",
                };
                json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
            }
            Pair::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key()) }),
        }
    }

    /// The public JWK under a name.
    pub(crate) fn named(&self, key_id: &str) -> Value {
        let mut jwk = self.jwk();
        jwk["kid"] = json!(key_id);
        jwk
    }

    pub(crate) fn sign_raw(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let encoding = match self.algorithm {
                    Algorithm::Rs256 => &RSA_PKCS1_SHA256,
                    Algorithm::Rs384 => &RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    Algorithm::Ps384 => &RSA_PSS_SHA384,
                    _ => &RSA_PSS_SHA512,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", encode(signature))
    }

    /// A token with this `typ` and `kid`.
    pub(crate) fn sign(&self, media_type: Option<&str>, key_id: Option<&str>, claims: &Value) -> String {
        let mut header = json!({ "alg": self.algorithm.name() });
        if let Some(media_type) = media_type {
            header["typ"] = json!(media_type);
        }
        if let Some(key_id) = key_id {
            header["kid"] = json!(key_id);
        }
        self.sign_raw(&header.to_string(), &claims.to_string())
    }
}

/// One RSA key for all tests that need any: drawing one is slow.
pub(crate) fn rsa() -> &'static TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::new(Algorithm::Rs256))
}

/// Claims that pass at the hub's door.
pub(crate) fn good_claims() -> Value {
    let now = NOW.seconds();
    json!({ "iss": ISSUER, "sub": "alice", "aud": HUB, "client_id": "desk", "iat": now, "exp": now + 300, "jti": "j1" })
}

pub(crate) fn name(value: &str) -> ProviderName {
    ProviderName::new(value).unwrap()
}

pub(crate) fn provider(issuer: &str) -> Provider {
    Provider::oidc(name("acme"), TenantId::single(), Issuer::new(issuer).unwrap()).unwrap()
}

pub(crate) fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

pub(crate) fn fetched(keys: &[Value]) -> Fetched {
    Fetched { set: set(keys), jwks_uri: format!("{ISSUER}/jwks"), max_age: None }
}

/// A ring that has just loaded these keys.
pub(crate) fn ring(keys: &[Value], now: Timestamp) -> KeyRing {
    let ring = KeyRing::new();
    let refresh = ring.begin_scheduled(now).unwrap();
    ring.complete(refresh, Some(fetched(keys)), now).unwrap().unwrap();
    ring
}

/// Forces a refresh that brings these keys, as the hub does for an unknown one.
pub(crate) fn force(ring: &KeyRing, keys: &[Value], now: Timestamp) -> bool {
    let Begun::Fetch(refresh) = ring.begin_forced(now) else { return false };
    ring.complete(refresh, Some(fetched(keys)), now).unwrap();
    true
}
