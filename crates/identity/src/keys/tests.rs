//! A4: what of a JWK Set is used.

use super::*;
use crate::fixtures::{TestKey, encode, rsa, set};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn usable(jwk: &Value) -> bool {
    Key::parse(jwk.to_string().as_bytes()).is_some()
}

fn id(text: &str) -> KeyId {
    KeyId::new(text).unwrap()
}

#[test]
fn a4_a_bad_key_never_spoils_the_set() {
    let good = rsa().named("good");
    let bad = [
        json!({ "kty": "oct", "k": "AAAA", "kid": "sym" }),
        json!({ "kty": "RSA", "kid": "empty" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AA" }),
        json!({ "kty": 7 }),
        json!({}),
        json!(null),
        json!([]),
        json!("x"),
    ];
    let keys: Vec<Value> = bad.iter().cloned().chain([good]).collect();
    let set = KeySet::parse(&set(&keys)).unwrap();
    assert_eq!(set.len(), 1);
    assert!(set.find(Some(&id("good")), Algorithm::Rs256).is_some());
}

#[test]
fn a4_a_key_with_a_member_twice_spoils_only_itself() {
    let good = rsa().named("good").to_string();
    let twice = good.replacen("\"kty\":\"RSA\"", "\"kty\":\"RSA\",\"kid\":\"a\"", 1);
    let text = format!("{{\"keys\":[{twice},{good}]}}");
    assert_eq!(KeySet::parse(text.as_bytes()).unwrap().len(), 1);
}

#[test]
fn a4_keys_for_other_uses_are_skipped() {
    let jwk = rsa().jwk();
    assert!(usable(&jwk));
    assert!(usable(&with(jwk.clone(), "use", json!("sig"))));
    assert!(usable(&with(jwk.clone(), "key_ops", json!(["verify", "sign"]))));
    for (member, value) in [
        ("use", json!("enc")),
        ("use", json!(null)),
        ("use", json!(["sig"])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("HS256")),
        ("alg", json!("none")),
        ("alg", json!("ES256")),
        ("alg", json!(5)),
        ("kid", json!(5)),
        ("kid", json!("k".repeat(257))),
    ] {
        assert!(!usable(&with(jwk.clone(), member, value.clone())), "{member} {value}");
    }
}

#[test]
fn a4_a_key_that_publishes_a_private_member_is_skipped() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(!usable(&with(rsa().jwk(), member, json!("AQAB"))), "{member}");
    }
}

#[test]
fn a4_rsa_sizes_and_exponents_are_bounded() {
    let size = |bytes: usize| {
        let mut n = vec![0xff_u8; bytes];
        n[0] = 0x80;
        with(rsa().jwk(), "n", json!(encode(n)))
    };
    assert!(usable(&size(256)));
    assert!(usable(&size(1024)));
    assert!(!usable(&size(128)));
    assert!(!usable(&size(255)));
    assert!(!usable(&size(1025)));
    let short = with(rsa().jwk(), "n", json!(encode([&[0x7f_u8][..], &[0xff; 255]].concat())));
    assert!(!usable(&short), "2047 bits");
    let even = with(rsa().jwk(), "n", json!(encode([&[0xff_u8; 255][..], &[0xfe]].concat())));
    assert!(!usable(&even));
    let exponent = |bytes: &[u8]| with(rsa().jwk(), "e", json!(encode(bytes)));
    assert!(usable(&exponent(&[3])));
    for bad in [&[][..], &[0], &[1], &[2], &[4], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert!(!usable(&exponent(bad)), "{bad:?}");
    }
}

#[test]
fn a4_wrong_curves_and_points_are_skipped() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let jwk = TestKey::new(algorithm).jwk();
        assert!(usable(&jwk), "{algorithm}");
        let curve = if algorithm == Algorithm::Es256 { "P-384" } else { "P-256" };
        assert!(!usable(&with(jwk.clone(), "crv", json!(curve))));
        assert!(!usable(&with(jwk.clone(), "crv", json!("secp256k1"))));
        assert!(!usable(&with(jwk.clone(), "y", jwk["x"].clone())), "not on the curve");
        assert!(!usable(&with(jwk.clone(), "x", json!("AA"))));
        assert!(!usable(&with(jwk, "alg", json!("EdDSA"))));
    }
    let edwards = TestKey::new(Algorithm::EdDsa).jwk();
    assert!(usable(&edwards));
    assert!(usable(&with(edwards.clone(), "alg", json!("Ed25519"))));
    assert!(!usable(&with(edwards.clone(), "crv", json!("X25519"))));
    assert!(!usable(&with(edwards.clone(), "crv", json!("Ed448"))));
    for small in [[0_u8; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        assert!(!usable(&with(edwards.clone(), "x", json!(encode(small)))));
    }
    let mut prime = [0xff_u8; 32];
    (prime[0], prime[31]) = (0xec, 0x7f);
    assert!(!usable(&with(edwards, "x", json!(encode(prime)))));
}

#[test]
fn a4_two_usable_keys_of_one_name_and_algorithm_disable_that_name() {
    let (a, b) = (TestKey::new(Algorithm::Es256), TestKey::new(Algorithm::Es256));
    let other = TestKey::new(Algorithm::Es384);
    let set = KeySet::parse(&set(&[a.named("k"), b.named("k"), other.named("o")])).unwrap();
    assert!(set.find(Some(&id("k")), Algorithm::Es256).is_none());
    assert!(set.find(Some(&id("o")), Algorithm::Es384).is_some());
}

#[test]
fn a4_one_name_for_two_algorithms_is_fine() {
    let (a, b) = (TestKey::new(Algorithm::Es256), TestKey::new(Algorithm::EdDsa));
    let set = KeySet::parse(&set(&[a.named("k"), b.named("k")])).unwrap();
    assert!(set.find(Some(&id("k")), Algorithm::Es256).is_some());
    assert!(set.find(Some(&id("k")), Algorithm::EdDsa).is_some());
}

#[test]
fn a5_without_a_kid_there_must_be_exactly_one_candidate() {
    let (a, b) = (TestKey::new(Algorithm::Es256), TestKey::new(Algorithm::Es256));
    let one = KeySet::parse(&set(&[a.named("k"), rsa().named("r")])).unwrap();
    assert!(one.find(None, Algorithm::Es256).is_some());
    assert!(one.find(None, Algorithm::EdDsa).is_none());
    let two = KeySet::parse(&set(&[a.named("k"), b.jwk()])).unwrap();
    assert!(two.find(None, Algorithm::Es256).is_none());
}

#[test]
fn a3_a_key_serves_only_its_own_family_and_alg() {
    let key = |jwk: Value| Key::parse(jwk.to_string().as_bytes()).unwrap();
    let algorithms = |jwk: Value| key(jwk).algorithms().collect::<Vec<_>>();
    use Algorithm::*;
    assert_eq!(algorithms(rsa().jwk()), [Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]);
    assert_eq!(algorithms(with(rsa().jwk(), "alg", json!("PS384"))), [Ps384]);
    assert_eq!(algorithms(TestKey::new(Es256).jwk()), [Es256]);
    assert_eq!(algorithms(TestKey::new(EdDsa).jwk()), [EdDsa]);
}

#[test]
fn b1_a_set_is_bounded_in_bytes_and_keys() {
    let keys = |count: usize| set(&vec![rsa().jwk(); count]);
    assert_eq!(KeySet::parse(&keys(100)).unwrap().len(), 100);
    assert_eq!(KeySet::parse(&keys(101)).unwrap_err(), KeySetError::TooMany);
    let long = [set(&[rsa().jwk()]), vec![b' '; MAX_SET_BYTES]].concat();
    assert_eq!(KeySet::parse(&long).unwrap_err(), KeySetError::TooLong);
}

#[test]
fn b3_a_set_without_a_usable_key_is_an_error() {
    assert_eq!(KeySet::parse(br#"{"keys":[]}"#).unwrap_err(), KeySetError::NoUsableKey);
    for bad in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert_eq!(KeySet::parse(bad.as_bytes()).unwrap_err(), KeySetError::NotASet, "{bad}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_set_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = KeySet::parse(&bytes);
        let _ = Key::parse(&bytes);
    }

    #[test]
    fn no_jwk_makes_the_key_reader_panic(
        kty in "RSA|EC|OKP|oct|.{0,3}", crv in "P-256|P-384|P-521|Ed25519|.{0,3}",
        n in prop::collection::vec(any::<u8>(), 0..300), e in prop::collection::vec(any::<u8>(), 0..6),
        x in prop::collection::vec(any::<u8>(), 30..70), y in prop::collection::vec(any::<u8>(), 30..70),
    ) {
        let jwk = json!({ "kty": kty, "crv": crv, "n": encode(n), "e": encode(e), "x": encode(x), "y": encode(y) });
        let _ = Key::parse(jwk.to_string().as_bytes());
    }
}

/// RFC 7515 appendix A.3 and RFC 8037 appendix A.4: signatures made by others.
#[test]
fn published_signatures_verify() {
    let es256 = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
    let ed25519 =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    for (algorithm, jwk, signed, signature) in [
        (
            Algorithm::Es256,
            es256,
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            Algorithm::EdDsa,
            ed25519,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ] {
        let key = Key::parse(jwk.to_string().as_bytes()).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verifies(algorithm, signed.as_bytes(), &signature), "{algorithm}");
        assert!(!key.verifies(algorithm, format!("{signed}A").as_bytes(), &signature), "{algorithm}");
    }
}
