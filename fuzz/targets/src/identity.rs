//! Strings that claim to be identities: tokens, key sets, discovery documents, sealed strings, tickets.

use crate::{first_line, text};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deputy_core::canonical::parse_strict;
use deputy_core::{Secret, TenantId, Timestamp};
use deputy_identity::jws::{MAX_TOKEN_BYTES, Unverified};
use deputy_identity::keys::{KeyRing, KeySet, MAX_SET_BYTES, MAX_SET_KEYS};
use deputy_identity::seal::Sealer;
use deputy_identity::secret_hash::ticket_digest;
use deputy_identity::{
    Algorithm, Audiences, Claims, Expectations, Fetched, Provider, ProviderName, Verifier,
};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

pub(crate) const ISSUER: &str = "https://idp.acme.example";
pub(crate) const HUB: &str = "https://hub.acme.example/mcp";
/// A moment in November 2026.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

/// A key that every run has, so that signed seeds stay signed.
static PAIR: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"));

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let ring = KeyRing::new();
    let refresh = ring.begin_scheduled(NOW).expect("due");
    let set = json!({"keys": [public_key()]}).to_string();
    let fetched = Fetched { set: set.into_bytes(), jwks_uri: format!("{ISSUER}/jwks"), max_age: None };
    ring.complete(refresh, Some(fetched), NOW).expect("a good set");
    Verifier::new([(Arc::new(provider()), Arc::new(ring))]).expect("one provider")
});

pub(crate) fn public_key() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": URL_SAFE_NO_PAD.encode(PAIR.public_key())})
}

pub(crate) fn provider() -> Provider {
    let name = ProviderName::new("acme").expect("name");
    let mut settings = Provider::oidc(name, TenantId::single(), ISSUER.parse().expect("issuer"))
        .expect("provider")
        .settings()
        .clone();
    settings.algorithms.insert(Algorithm::EdDsa);
    Provider::new(settings).expect("provider")
}

fn verify(token: &str) -> Option<Claims> {
    let expectations = Expectations::access_token(Audiences::one(HUB).expect("audience"));
    let first = VERIFIER.verify(token, &expectations, NOW);
    let again = VERIFIER.verify_again(token, &expectations, NOW);
    assert_eq!(first.is_ok(), again.is_ok(), "a second look is no other look");
    let claims: Claims = (*first.ok()?).clone();
    Some(claims)
}

pub(crate) fn sign(header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = PAIR.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token as it comes. Only what the key signed is let in, whatever is written around it; what is no string of three parts
/// is not even looked into.
pub(crate) fn token(data: &[u8]) {
    let Some(token) = text(data) else { return };
    match Unverified::parse(token) {
        Ok(parsed) => {
            assert!(token.len() <= MAX_TOKEN_BYTES && token.split('.').count() == 3);
            assert!(parsed.quote("sub").is_none_or(|quote| quote.chars().count() <= 200));
        }
        Err(_) => assert!(verify(token).is_none()),
    }
    if verify(token).is_some() {
        // Ed25519 signs one text in one way: signing it again tells whether it was signed.
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let ours = URL_SAFE_NO_PAD.encode(PAIR.sign(signed.as_bytes()));
        assert_eq!(signature, ours, "a signature that nobody made");
    }
}

/// A header, and on the next lines claims, both truly signed. Who is let in is whom the claims name, for this door, in time,
/// by the one algorithm (A3, A8, A9, A11).
pub(crate) fn claims(data: &[u8]) {
    let (header, body) = first_line(data);
    let Some(claims) = verify(&sign(header, body)) else { return };
    let header = parse_strict(header).expect("JSON");
    assert!(matches!(header["alg"].as_str(), Some("EdDSA" | "Ed25519")), "{header}");
    assert!(header.get("crit").is_none() && header.get("zip").is_none());
    let said = parse_strict(body).expect("JSON without a member twice");
    assert_eq!(said["iss"], ISSUER);
    assert_eq!(said["sub"].as_str(), Some(claims.user.subject.as_str()));
    assert_eq!(claims.user.issuer.as_str(), ISSUER);
    let for_us = |audience: &Value| audience == HUB;
    assert!(for_us(&said["aud"]) || said["aud"].as_array().is_some_and(|all| all.iter().any(for_us)));
    assert!(said.get("cnf").is_none(), "a bound token came without its proof");
    let limit = NOW.plus(std::time::Duration::from_secs(2 * 86_400));
    assert!(claims.expires_at > NOW.minus(std::time::Duration::from_secs(120)) && claims.expires_at < limit);
}

/// A key set. It is bounded, what it has serves something, and no private key is taken for a public one.
pub(crate) fn keys(data: &[u8]) {
    let Ok(set) = KeySet::parse(data) else { return };
    assert!(data.len() <= MAX_SET_BYTES && (1..=MAX_SET_KEYS).contains(&set.len()) && !set.is_empty());
    let served: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(|one| set.serves(*one)).collect();
    assert!(!served.is_empty(), "a usable set serves something");
    for algorithm in Algorithm::ALL {
        if let Some(key) = set.find(None, algorithm) {
            assert!(key.serves(algorithm) && served.contains(&algorithm));
        }
    }
    let text = text(data).expect("JSON is text");
    assert!(text.contains("RSA") || text.contains("EC") || text.contains("OKP") || text.contains('\\'));
}

/// A discovery document. It is believed only if it is our issuer's, and what it names is a plain web address.
pub(crate) fn discovery(data: &[u8]) {
    let Ok(found) = provider().read_discovery(data) else { return };
    let said = parse_strict(data).expect("JSON");
    assert_eq!(said["issuer"], ISSUER);
    let signing = [found.authorization_endpoint, found.token_endpoint, found.end_session_endpoint];
    let others = signing.into_iter().chain([found.revocation_endpoint, found.introspection_endpoint]);
    for url in others.flatten().chain([found.jwks_uri]) {
        assert!(matches!(url.scheme(), "https" | "http") && url.has_host());
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    }
}

/// A sealed string, a ticket. Nothing opens that was not sealed, and what is taken for a ticket has a ticket's shape.
pub(crate) fn sealed(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let sealer = Sealer::new(&Secret::new([7; 32]));
    let open = |purpose: &str, binding: &[u8], now| sealer.open(purpose, &[binding], text, now);
    if let Ok(payload) = open("more", b"alice", NOW) {
        assert_eq!((text, payload.as_slice()), (SEALED, &b"a continuation"[..]), "it was never sealed");
    }
    for (purpose, binding) in [("state", &b"alice"[..]), ("more", b"bob"), ("", b"")] {
        assert!(open(purpose, binding, NOW).is_err(), "it opens for something else");
    }
    assert!(open("more", b"alice", Timestamp::from_millis(u64::MAX)).is_err(), "it opens for ever");
    if ticket_digest(text).is_some() {
        assert!(text.len() == 54 && text.starts_with("dep_ticket_") && text.is_ascii());
    }
}

/// The one string that was sealed, for `more` and `alice`, until the year 2100; also a seed.
const SEALED: &str = include_str!("../../corpus/sealed/sealed");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_sealed_string_opens() {
        let sealer = Sealer::new(&Secret::new([7; 32]));
        let again =
            sealer.seal("more", &[b"alice"], b"a continuation", Timestamp::from_seconds(4_102_444_800));
        let opened = sealer.open("more", &[b"alice"], SEALED, NOW);
        assert_eq!(
            opened.as_deref(),
            Ok(&b"a continuation"[..]),
            "seal it again: {}",
            again.expect("sealed")
        );
    }

    #[test]
    fn the_first_seed_of_claims_and_the_signed_token_are_let_in() {
        let seed = include_bytes!("../../corpus/claims/good");
        let (header, body) = first_line(seed);
        let token = sign(header, body);
        assert!(verify(&token).is_some());
        assert_eq!(token, include_str!("../../corpus/token/good"), "the signed seed of `token`");
    }
}
