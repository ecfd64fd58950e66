//! A small identity provider: discovery and keys over HTTP on loopback, and any token that is wanted.

use crate::Result;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What it signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSA of 2048 bits.
    Rs256,
    /// The curve P-256.
    Es256,
}

impl Algorithm {
    /// Its registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// The provider.
pub(crate) struct Issuer {
    /// Its `iss`.
    pub(crate) url: String,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
}

impl Issuer {
    /// With fresh keys.
    pub(crate) fn new(url: String) -> Result<Self> {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self { url, rsa, ec })
    }

    /// The public key as `aws-lc-rs` takes it: PKCS#1 for RSA, a point for EC.
    pub(crate) fn public_key(&self, algorithm: Algorithm) -> &[u8] {
        match algorithm {
            Algorithm::Rs256 => self.rsa.public_key().as_ref(),
            Algorithm::Es256 => self.ec.public_key().as_ref(),
        }
    }

    /// The JWK Set.
    pub(crate) fn key_set(&self) -> Value {
        // RFC 8017 A.1.1 of 2048 bits and e = 65537: the modulus stands between 9 bytes of framing and the exponent.
        let modulus = self.public_key(Algorithm::Rs256).get(9..265).unwrap_or_default();
        let (x, y) = self.public_key(Algorithm::Es256).get(1..).unwrap_or_default().split_at(32);
        json!({ "keys": [
            { "kty": "RSA", "kid": "RS256", "alg": "RS256", "use": "sig", "n": encode(modulus), "e": "AQAB" },
            { "kty": "EC", "kid": "ES256", "alg": "ES256", "use": "sig", "crv": "P-256", "x": encode(x), "y": encode(y) },
        ] })
    }

    /// An access token (RFC 9068) such as providers issue: some 20 claims, 8 groups.
    pub(crate) fn access_token(&self, algorithm: Algorithm, subject: &str, audience: &str) -> Result<String> {
        let now = now_seconds();
        let groups: Vec<String> = (0..8).map(|group| format!("Sales Region {group}")).collect();
        let claims = json!({
            "iss": self.url, "sub": subject, "aud": audience, "client_id": "desk-agent", "iat": now, "nbf": now,
            "exp": now + 12 * 3600, "auth_time": now, "jti": format!("{subject}-{now}-0e6b8ff4b2"), "acr": "1", "amr": ["pwd", "otp"],
            "scope": "openid profile email tools.read tools.write", "groups": groups, "sid": "b2f5f1c0-9df7-4a43-8c0e-a0b2f5f1c09d",
            "email": format!("{subject}@acme.example"), "email_verified": true, "name": "Alice Adler",
            "preferred_username": subject, "locale": "en-GB", "zoneinfo": "Europe/Berlin",
        });
        self.sign(algorithm, &claims)
    }

    fn sign(&self, algorithm: Algorithm, claims: &Value) -> Result<String> {
        let header = json!({ "alg": algorithm.name(), "typ": "at+jwt", "kid": algorithm.name() });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match algorithm {
            Algorithm::Es256 => self.ec.sign(&random, signed.as_bytes())?.as_ref().to_vec(),
            Algorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)?;
                signature
            }
        };
        Ok(format!("{signed}.{}", encode(signature)))
    }

    /// Answers discovery and keys until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut visits = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let own = Arc::clone(&self);
            visits.spawn(async move {
                let _ = own.answer(stream).await;
            });
            while visits.try_join_next().is_some() {}
        }
    }

    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut asked = vec![0; 8192];
        let read = stream.read(&mut asked).await?;
        let keys = asked.get(..read).unwrap_or_default().starts_with(b"GET /keys ");
        let body = if keys { self.key_set() } else { self.discovery() }.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
        stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        stream.shutdown().await
    }

    fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.url);
        json!({
            "issuer": self.url, "jwks_uri": at("/keys"), "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
        })
    }
}

/// Seconds since 1970.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
