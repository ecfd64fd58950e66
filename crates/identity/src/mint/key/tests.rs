//! Signing keys of every form that operators have.

use super::*;
use crate::jws::{KeyId, Unverified};
use crate::keys::KeySet;
use crate::mint::jwks;

const PEMS: [&str; 3] = [
    include_str!("../../../fixtures/keys/ec.pem"),
    include_str!("../../../fixtures/keys/ed.pem"),
    include_str!("../../../fixtures/keys/rsa.pem"),
];
const JWKS: [&str; 3] = [
    include_str!("../../../fixtures/keys/ec.jwk"),
    include_str!("../../../fixtures/keys/ed.jwk"),
    include_str!("../../../fixtures/keys/rsa.jwk"),
];

fn pem(text: &str) -> Result<SigningKey, MintError> {
    SigningKey::from_pem(&Secret::new(text.to_owned()))
}

fn jwk(text: &str) -> Result<SigningKey, MintError> {
    SigningKey::from_jwk(&Secret::new(text.to_owned()))
}

#[test]
fn d10_es256_eddsa_and_rs256_sign_from_pem_and_from_jwk_alike() {
    let algorithms = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
    for ((from_pem, from_jwk), algorithm) in PEMS.iter().zip(JWKS).zip(algorithms) {
        let (one, other) = (pem(from_pem).unwrap(), jwk(from_jwk).unwrap());
        assert_eq!(one.algorithm(), algorithm);
        let set = KeySet::parse(jwks([&one]).to_string().as_bytes()).unwrap();
        let token = other.named(one.id()).sign("JWT", &json!({ "a": 1 })).unwrap();
        let read = Unverified::parse(&token).unwrap();
        let key = set.find(KeyId::new(one.id()).as_ref(), algorithm).unwrap();
        assert!(key.verifies(algorithm, read.signed, &read.signature), "{algorithm}");
    }
}

#[test]
fn the_public_half_has_no_private_member() {
    for key in JWKS.map(|text| jwk(text).unwrap()) {
        let public = key.public_jwk();
        for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(public.get(member).is_none(), "{member}");
        }
        assert_eq!(public["kid"], key.id());
        assert_eq!(public["alg"], key.algorithm().name());
    }
}

/// RFC 7638 section 3.1.
#[test]
fn the_id_of_a_key_is_its_thumbprint_unless_it_has_another() {
    assert_eq!(jwk(JWKS[2]).unwrap().id(), "rsa-1");
    let key = pem(PEMS[1]).unwrap();
    let x = key.public_jwk()["x"].as_str().unwrap();
    let required = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
    assert_eq!(key.id(), URL_SAFE_NO_PAD.encode(Digest::of_bytes(required.as_bytes()).as_bytes()));
}

#[test]
fn what_is_no_private_key_is_refused() {
    for bad in ["", "-----BEGIN PRIVATE KEY-----", &PEMS[2].replace("PRIVATE", "RSA PRIVATE"), &PEMS[0][..90]]
    {
        assert_eq!(pem(bad).err(), Some(MintError::NotAKey));
    }
    let public = pem(PEMS[0]).unwrap().public_jwk().to_string();
    let other = JWKS[2].replace("RS256", "ES256");
    let twice = JWKS[1].replacen('{', "{\"kty\":\"OKP\",", 1);
    for bad in ["", "{}", public.as_str(), other.as_str(), twice.as_str()] {
        assert_eq!(jwk(bad).err(), Some(MintError::NotAKey), "{bad}");
    }
}
