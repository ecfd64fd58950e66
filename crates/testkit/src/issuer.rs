//! An identity provider in memory: a key, a key set, and any token one likes.

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_hub::ports::{FetchError, KeySource};
use deputy_identity::keys::Fetched;
use deputy_identity::provider::Provider;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Signs ES256 as `https://idp.example`.
pub struct TestIssuer {
    pair: EcdsaKeyPair,
    down: AtomicBool,
    fetches: AtomicUsize,
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl TestIssuer {
    /// Its `iss`.
    pub const ISSUER: &'static str = "https://idp.example";

    /// With a fresh key.
    #[must_use]
    pub fn new() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        Self { pair, down: AtomicBool::new(false), fetches: AtomicUsize::new(0) }
    }

    /// Its key set cannot be fetched any more, or can again.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// How often its key set was asked for.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A token with exactly these claims and this `typ`.
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": "k1" });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Its key set.
    #[must_use]
    pub fn set(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        }] })
    }
}

#[async_trait]
impl KeySource for TestIssuer {
    async fn fetch(&self, provider: &Provider) -> Result<Fetched, FetchError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            let why = "connection refused".to_owned();
            return Err(FetchError::Unreachable { url: provider.issuer().to_string(), why });
        }
        Ok(Fetched {
            set: self.set().to_string().into_bytes(),
            jwks_uri: format!("{}/jwks", Self::ISSUER),
            max_age: None,
        })
    }
}
