//! A1, A3, A5, A6, A7: what is read as a token at all.

use super::*;
use proptest::prelude::*;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn with_header(header: &str) -> String {
    format!("{}.{}.{}", encode(header), encode("{}"), encode("sig"))
}

fn with_claims(claims: &str) -> String {
    format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode(claims), encode("sig"))
}

fn refused(token: &str) -> bool {
    matches!(Unverified::parse(token), Err(TokenError::Malformed(_)))
}

#[test]
fn a1_only_three_non_empty_base64url_parts_are_a_token() {
    let good = with_header(r#"{"alg":"RS256"}"#);
    assert!(Unverified::parse(&good).is_ok());
    for bad in [
        String::new(),
        "..".to_owned(),
        "a.b".to_owned(),
        format!("{good}."),
        format!("{good}.x.y"),
        format!("{good}="),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\n"),
        good.replace('.', ". "),
        format!("{{\"payload\":\"{good}\"}}"),
        good.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap(),
        format!("{}+", good),
        format!("é{good}"),
    ] {
        assert!(refused(&bad), "{bad}");
    }
}

#[test]
fn a1_sizes_are_limited() {
    let pad = |length: usize| format!(r#"{{"alg":"RS256","x":"{}"}}"#, "a".repeat(length));
    assert!(Unverified::parse(&with_header(&pad(2900))).is_ok());
    assert!(refused(&with_header(&pad(3100))));
    assert!(refused(&format!("{}.{}", with_header(r#"{"alg":"RS256"}"#), "a".repeat(MAX_TOKEN_BYTES))));
    assert!(refused(&with_claims(&format!(r#"{{"x":"{}"}}"#, "a".repeat(MAX_TOKEN_BYTES)))));
}

#[test]
fn a1_base64_with_stray_bits_is_not_a_second_spelling_of_one_token() {
    let good = format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode("{}"), "AA");
    assert!(Unverified::parse(&good).is_ok());
    assert!(refused(&format!("{}B", good.strip_suffix('A').unwrap())));
}

#[test]
fn a3_only_asymmetric_algorithms_have_a_name() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
        assert!(Unverified::parse(&with_header(&format!(r#"{{"alg":"{algorithm}"}}"#))).is_ok());
    }
    for bad in
        ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "rs256", "RS1", "ES256K", "", "dir"]
    {
        let token = with_header(&format!(r#"{{"alg":"{bad}"}}"#));
        assert_eq!(Unverified::parse(&token).err(), Some(TokenError::Algorithm), "{bad}");
    }
    for bad in [r#"{}"#, r#"{"alg":null}"#, r#"{"alg":["RS256"]}"#, r#"{"alg":1}"#] {
        assert_eq!(Unverified::parse(&with_header(bad)).err(), Some(TokenError::Algorithm), "{bad}");
    }
}

#[test]
fn a3_both_names_of_ed25519_are_one_algorithm() {
    assert_eq!(Algorithm::named("Ed25519"), Algorithm::named("EdDSA"));
}

#[test]
fn a5_a_kid_is_a_short_string_and_prints_as_a_hash() {
    let kid = |kid: &str| with_header(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#));
    assert!(Unverified::parse(&kid(&format!("\"{}\"", "k".repeat(256)))).is_ok());
    assert!(refused(&kid(&format!("\"{}\"", "k".repeat(257)))));
    assert!(refused(&kid("1")));
    assert!(refused(&kid("null")));
    let token = kid(r#""../../etc/passwd\u0000' OR 1=1""#);
    let key = Unverified::parse(&token).unwrap().key_id.unwrap();
    assert!(!format!("{key:?}").contains("passwd"));
}

#[test]
fn a5_keys_and_addresses_in_the_header_are_ignored() {
    let token = with_header(
        r#"{"alg":"RS256","jwk":{"kty":"oct"},"jku":"https://evil.example","x5u":"file:///","x5c":["x"]}"#,
    );
    assert!(Unverified::parse(&token).is_ok());
}

#[test]
fn a6_crit_zip_and_unencoded_payloads_are_refused() {
    for extension in [r#""crit":["exp"]"#, r#""crit":[]"#, r#""zip":"DEF""#, r#""b64":false"#, r#""b64":0"#] {
        assert!(refused(&with_header(&format!(r#"{{"alg":"RS256",{extension}}}"#))), "{extension}");
    }
    assert!(Unverified::parse(&with_header(r#"{"alg":"RS256","b64":true}"#)).is_ok());
}

#[test]
fn a7_a_member_twice_is_refused_in_header_and_claims_at_any_depth() {
    assert!(refused(&with_header(r#"{"alg":"RS256","alg":"RS256"}"#)));
    assert!(refused(&with_header(r#"{"alg":"RS256","x":{"a":1,"a":1}}"#)));
    assert!(refused(&with_claims(r#"{"sub":"a","sub":"b"}"#)));
    assert!(refused(&with_claims(r#"{"act":{"act":{"sub":"a","\u0073ub":"b"}}}"#)));
    assert!(refused(&with_claims("[]")));
    assert!(refused(&with_claims("\"x\"")));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = Unverified::parse(&text);
    }

    #[test]
    fn no_header_and_no_claims_make_the_reader_panic(header in prop::collection::vec(any::<u8>(), 1..80), claims in ".{0,80}") {
        let _ = Unverified::parse(&format!("{}.{}.{}", encode(header), encode(&claims), encode("s")));
        let _ = Unverified::parse(&with_claims(&claims));
    }
}

#[test]
fn a_claim_is_quoted_for_people_and_never_at_length() {
    let claims = serde_json::json!({ "aud": ["x"], "long": "y".repeat(500) }).to_string();
    let token = format!("{}.{}.AA", encode(r#"{"alg":"RS256"}"#), encode(claims));
    let token = Unverified::parse(&token).unwrap();
    assert_eq!(token.quote("aud").as_deref(), Some(r#"["x"]"#));
    assert_eq!(token.quote("long").map(|text| text.len()), Some(200));
    assert_eq!(token.quote("none"), None);
}
