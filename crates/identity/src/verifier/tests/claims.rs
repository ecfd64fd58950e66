//! A8, A9, A10, A11, A15, A16: what the claims must say.

use super::*;

#[test]
fn a8_exp_is_required_and_times_are_whole_seconds_that_are_not_negative() {
    assert_eq!(at_hub(&without("exp")).unwrap_err(), TokenError::Claim("exp"));
    for claim in ["exp", "nbf", "iat"] {
        for bad in
            [json!(-1), json!(1.0), json!(1.5), json!("1795300000"), json!(null), json!([1]), json!(u64::MAX)]
        {
            let error = at_hub(&changed(claim, bad.clone())).unwrap_err();
            assert_eq!(error, TokenError::Claim(claim), "{claim} {bad}");
        }
    }
    let exponent = good_claims().to_string().replace(&(NOW.seconds() + 300).to_string(), "1.7953003e9");
    let header = r#"{"alg":"RS256","typ":"at+jwt","kid":"r"}"#;
    let error = verifier().verify(&rsa().sign_raw(header, &exponent), &hub(), NOW).unwrap_err();
    assert_eq!(error, TokenError::Claim("exp"));
    assert_eq!(at_hub(&changed("exp", json!(1_u64 << 53))).unwrap_err(), TokenError::LifetimeTooLong);
    assert_eq!(at_hub(&changed("exp", json!((1_u64 << 53) + 1))).unwrap_err(), TokenError::Claim("exp"));
}

#[test]
fn a8_a_token_is_refused_from_the_very_second_it_expires_plus_skew() {
    let verifier = verifier();
    let token = token(&good_claims());
    let at = |seconds: u64| verifier.verify(&token, &hub(), NOW.plus(Duration::from_secs(seconds)));
    assert!(at(329).is_ok());
    let expired_at = NOW.plus(Duration::from_secs(300));
    assert_eq!(at(330).unwrap_err(), TokenError::Expired { expired_at });
    let strict = verifier_of(|s| s.skew = Duration::ZERO, &[rsa().named("r")]);
    assert!(strict.verify(&token, &hub(), expired_at).is_err());
}

#[test]
fn a8_what_begins_in_the_future_is_refused() {
    let now = NOW.seconds();
    for claim in ["iat", "nbf"] {
        assert!(at_hub(&changed(claim, json!(now + 30))).is_ok());
        let valid_from = Timestamp::from_seconds(now + 31);
        assert_eq!(
            at_hub(&changed(claim, json!(now + 31))).unwrap_err(),
            TokenError::NotYetValid { valid_from },
            "{claim}"
        );
    }
}

#[test]
fn a8_a_token_that_lives_over_24_hours_is_refused() {
    let life = |seconds: u64| at_hub(&changed("exp", json!(NOW.seconds() + seconds)));
    assert!(life(86_400).is_ok());
    assert_eq!(life(86_401).unwrap_err(), TokenError::LifetimeTooLong);
    let mut old = changed("iat", json!(NOW.seconds() - 86_400));
    old["exp"] = json!(NOW.seconds() + 1);
    assert_eq!(at_hub(&old).unwrap_err(), TokenError::LifetimeTooLong);
}

#[test]
fn a8_a_token_that_must_say_when_it_was_issued_says_it() {
    assert_eq!(at_hub(&without("iat")).unwrap_err(), TokenError::Claim("iat"));
    let untyped = rsa().sign(None, Some("r"), &without("iat"));
    assert_eq!(lenient().verify(&untyped, &hub(), NOW).unwrap().issued_at, None);
    let mut endless = without("iat");
    endless["exp"] = json!(NOW.seconds() + 86_401);
    let error = lenient().verify(&rsa().sign(None, Some("r"), &endless), &hub(), NOW).unwrap_err();
    assert_eq!(error, TokenError::LifetimeTooLong);
}

#[test]
fn a9_the_audience_is_an_exact_member() {
    for good in [json!(HUB), json!([HUB]), json!(["x", HUB])] {
        assert!(at_hub(&changed("aud", good)).is_ok());
    }
    for bad in
        ["https://hub.acme.example", "https://hub.acme.example/mcp/", "https://hub.acme.example/mcp.evil", ""]
    {
        assert_eq!(at_hub(&changed("aud", json!(bad))).unwrap_err(), TokenError::Audience, "{bad}");
    }
    for bad in [json!(null), json!(7), json!([]), json!([HUB, 7]), json!({ "a": HUB }), json!([[HUB]])] {
        assert_eq!(at_hub(&changed("aud", bad.clone())).unwrap_err(), TokenError::Claim("aud"), "{bad}");
    }
    assert_eq!(at_hub(&without("aud")).unwrap_err(), TokenError::Claim("aud"));
}

#[test]
fn a9_there_are_no_expectations_without_an_audience() {
    assert!(Audiences::new(vec![]).is_err());
    assert!(Audiences::one("").is_err());
    assert!(Audiences::new(vec![HUB.to_owned(), String::new()]).is_err());
}

#[test]
fn a10_every_kind_at_every_door() {
    let kinds = [
        ("at+jwt", true, false),
        ("AT+JWT", true, false),
        ("application/at+jwt", true, false),
        ("JWT", false, true),
        ("oauth-id-jag+jwt", false, false),
        ("logout+jwt", false, false),
        ("secevent+jwt", false, false),
        ("dpop+jwt", false, false),
        ("client-authentication+jwt", false, false),
        ("token-introspection+jwt", false, false),
        ("deputy-call+jwt", false, false),
        ("application/application/at+jwt", false, false),
        ("", false, false),
    ];
    for (media_type, access, id) in kinds {
        let access_token = rsa().sign(Some(media_type), Some("r"), &good_claims());
        assert_eq!(verifier().verify(&access_token, &hub(), NOW).is_ok(), access, "{media_type}");
        let id_token = rsa().sign(Some(media_type), Some("r"), &id_claims());
        assert_eq!(verifier().verify(&id_token, &app(), NOW).is_ok(), id, "{media_type}");
        let both = lenient().verify(&access_token, &hub(), NOW).is_ok();
        assert_eq!(both, access || media_type == "JWT", "{media_type}");
    }
    let bare = rsa().sign(None, Some("r"), &good_claims());
    assert_eq!(verifier().verify(&bare, &hub(), NOW).unwrap_err(), TokenError::Kind);
    assert!(lenient().verify(&bare, &hub(), NOW).is_ok());
    let header = r#"{"alg":"RS256","kid":"r","typ":["at+jwt"]}"#;
    assert!(verifier().verify(&rsa().sign_raw(header, &good_claims().to_string()), &hub(), NOW).is_err());
}

#[test]
fn a10_an_id_token_is_no_access_token_and_the_other_way_round() {
    let mut id = id_claims();
    id["aud"] = json!(HUB);
    let id = |media_type| rsa().sign(media_type, Some("r"), &id);
    assert_eq!(lenient().verify(&id(None), &hub(), NOW).unwrap_err(), TokenError::Kind);
    assert_eq!(lenient().verify(&id(Some("JWT")), &hub(), NOW).unwrap_err(), TokenError::Kind);
    let mut own = changed("nonce", json!("n"));
    own["client_id"] = json!(HUB);
    assert_eq!(at_hub(&own).unwrap_err(), TokenError::Kind, "for its own client");
    let access = rsa().sign(Some("at+jwt"), Some("r"), &changed("aud", json!("crm-web")));
    assert_eq!(verifier().verify(&access, &app(), NOW).unwrap_err(), TokenError::Kind);
}

#[test]
fn a10_claims_that_tell_another_kind_are_believed() {
    for (claim, value) in [
        ("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} })),
        ("token_use", json!("id")),
        ("token_use", json!(7)),
        ("typ", json!("Refresh")),
        ("typ", json!("ID")),
        ("typ", json!("Logout")),
    ] {
        assert_eq!(at_hub(&changed(claim, value)).unwrap_err(), TokenError::Kind, "{claim}");
    }
    assert!(at_hub(&changed("typ", json!("Bearer"))).is_ok());
    let mut id = id_claims();
    id["token_use"] = json!("access");
    let token = rsa().sign(None, Some("r"), &id);
    assert_eq!(verifier().verify(&token, &app(), NOW).unwrap_err(), TokenError::Kind);
}

#[test]
fn a10_a_provider_gives_only_the_kinds_it_is_configured_for() {
    let only_id = verifier_of(|s| s.kinds = vec![TokenKind::IdToken], &[rsa().named("r")]);
    assert_eq!(only_id.verify(&token(&good_claims()), &hub(), NOW).unwrap_err(), TokenError::Kind);
}

#[test]
fn a10_an_id_token_for_several_is_taken_only_if_it_was_issued_to_this_client() {
    let mut id = id_claims();
    id["aud"] = json!(["crm-web", "other"]);
    let verify = |id: &Value| verifier().verify(&rsa().sign(None, Some("r"), id), &app(), NOW);
    assert_eq!(verify(&id).unwrap_err(), TokenError::Kind);
    id["azp"] = json!("other");
    assert_eq!(verify(&id).unwrap_err(), TokenError::Kind);
    id["azp"] = json!("crm-web");
    assert!(verify(&id).is_ok());
}

#[test]
fn a11_the_subject_is_a_string_of_1_to_255() {
    for bad in [json!(""), json!("s".repeat(256)), json!(7), json!(null), json!(["alice"]), json!("a\u{0}b")]
    {
        assert_eq!(at_hub(&changed("sub", bad)).unwrap_err(), TokenError::Claim("sub"));
    }
    assert_eq!(at_hub(&without("sub")).unwrap_err(), TokenError::Claim("sub"));
    assert!(at_hub(&changed("sub", json!("s".repeat(255)))).is_ok());
}

#[test]
fn a15_a_bound_token_is_refused_while_no_proof_is_checked() {
    for cnf in [json!({ "jkt": "x" }), json!({}), json!(null)] {
        assert_eq!(at_hub(&changed("cnf", cnf)).unwrap_err(), TokenError::ProofOfPossession);
    }
}

#[test]
fn a16_who_acts_for_the_user_is_told() {
    let act = json!({ "sub": "agent-7", "act": { "sub": "inner" } });
    assert_eq!(at_hub(&changed("act", act.clone())).unwrap().act, Some(act.clone()));
    assert_eq!(at_hub(&changed("impersonator", act.clone())).unwrap().impersonator, Some(act));
    for claim in ["act", "impersonator"] {
        assert_eq!(at_hub(&changed(claim, json!("x"))).unwrap_err(), TokenError::Claim(claim));
    }
}
