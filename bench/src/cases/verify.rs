//! `verify`: a token at the door against the bare signature check over the same bytes.

use crate::issuer::{Algorithm, Issuer, now_seconds};
use crate::numbers::Samples;
use crate::report::Row;
use crate::{Result, fail};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::{TenantId, Timestamp};
use deputy_identity::{Audiences, Expectations, Fetched, KeyRing, Provider, ProviderName, Verifier};
use std::hint::black_box;
use std::sync::Arc;

const ROUNDS: usize = 40_000;
const AUDIENCE: &str = "https://hub.acme.example/mcp";
/// What the door may add to the signature check.
const GOAL_US: f64 = 5.0;

pub(super) fn run() -> Result<Vec<Row>> {
    let issuer = Issuer::new("https://idp.acme.example".to_owned())?;
    [Algorithm::Rs256, Algorithm::Es256].into_iter().map(|algorithm| one(&issuer, algorithm)).collect()
}

fn one(issuer: &Issuer, algorithm: Algorithm) -> Result<Row> {
    let token = issuer.access_token(algorithm, "alice", AUDIENCE)?;
    let now = Timestamp::from_seconds(now_seconds());
    let verifier = verifier(issuer, now)?;
    let expectations = Expectations::access_token(Audiences::one(AUDIENCE)?);
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let key = ParsedPublicKey::new(of(algorithm), issuer.public_key(algorithm))?;
    verifier.verify(&token, &expectations, now)?;
    key.verify_sig(signed.as_bytes(), &signature)?;

    let (mut bare, mut whole) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let good = bare.time(|| key.verify_sig(black_box(signed.as_bytes()), black_box(&signature)).is_ok());
        let let_in = whole.time(|| verifier.verify(black_box(&token), &expectations, now).is_ok());
        if !good || !let_in {
            return fail("a good token was refused");
        }
    }
    let (bare, whole) = (bare.sorted(), whole.sorted());
    let over = whole.p50_us() - bare.p50_us();
    Ok(Row::of("verify")
        .with("class", algorithm.name())
        .with("token_bytes", token.len())
        .percentiles(&whole)
        .number("bare_us", bare.p50_us())
        .number("bare_p99_us", bare.p99_us())
        .number("over_us", over)
        .goal("over_us at most 5", (over <= GOAL_US).into()))
}

/// The bare signature check at the median, in microseconds.
pub(super) fn bare_us(issuer: &Issuer, algorithm: Algorithm, times: usize) -> Result<f64> {
    let token = issuer.access_token(algorithm, "alice", AUDIENCE)?;
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let key = ParsedPublicKey::new(of(algorithm), issuer.public_key(algorithm))?;
    let mut samples = Samples::default();
    for _ in 0..times {
        if samples.time(|| key.verify_sig(black_box(signed.as_bytes()), black_box(&signature))).is_err() {
            return fail("a good signature was refused");
        }
    }
    Ok(samples.sorted().p50_us())
}

fn of(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
    }
}

fn verifier(issuer: &Issuer, now: Timestamp) -> Result<Verifier> {
    let provider = Provider::oidc(ProviderName::new("acme")?, TenantId::single(), issuer.url.parse()?)?;
    let ring = KeyRing::new();
    let Some(refresh) = ring.begin_scheduled(now) else { return fail("no fetch is due") };
    let set = issuer.key_set().to_string().into_bytes();
    let fetched = Fetched { set, jwks_uri: format!("{}/keys", issuer.url), max_age: None };
    ring.complete(refresh, Some(fetched), now)?.ok_or("the keys were not taken")?;
    Ok(Verifier::new([(Arc::new(provider), Arc::new(ring))])?)
}
