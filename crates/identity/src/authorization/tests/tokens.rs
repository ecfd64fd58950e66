//! Token requests: one grant, one way of saying which client it is.

use super::*;

const ASSERTED: &str = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c";
const CODE: &str = "grant_type=authorization_code&code=c&redirect_uri=u&code_verifier=v";

fn read(form: &str, header: Option<&str>) -> Result<(TokenRequest, PresentedClient), ErrorCode> {
    TokenRequest::read(form.as_bytes(), header)
}

fn error(form: &str, header: Option<&str>) -> Option<ErrorCode> {
    read(form, header).err()
}

#[test]
fn every_grant_is_read_with_what_it_needs() {
    let (code, client) = read(&format!("{CODE}&client_id=x&resource=a&resource=b"), None).ok().unwrap();
    assert!(matches!(client, PresentedClient::Public(Client(id)) if id == "x"));
    let TokenRequest::AuthorizationCode { resources, .. } = code else { panic!("another grant") };
    assert_eq!(resources, ["a", "b"]);
    let (refresh, _) =
        read("grant_type=refresh_token&refresh_token=r&scope=a+b&client_id=x", None).ok().unwrap();
    let TokenRequest::RefreshToken { scopes, .. } = refresh else { panic!("another grant") };
    assert_eq!(scopes, Some(vec!["a".to_owned(), "b".to_owned()]));
    let jwt = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=j";
    let (jag, client) = read(&format!("{jwt}&{ASSERTED}"), None).ok().unwrap();
    assert!(matches!(jag, TokenRequest::JwtBearer { scopes: None, .. }));
    assert!(matches!(client, PresentedClient::Assertion { client: None, .. }));
}

#[test]
fn what_a_grant_needs_is_not_left_out() {
    for form in [
        "client_id=x",
        "grant_type=authorization_code&code=c&redirect_uri=u&client_id=x",
        "grant_type=authorization_code&code=c&code_verifier=v&client_id=x",
        "grant_type=refresh_token&client_id=x",
        "grant_type=refresh_token&refresh_token=&client_id=x",
        "grant_type=refresh_token&refresh_token=a&refresh_token=b&client_id=x",
    ] {
        assert_eq!(error(form, None), Some(ErrorCode::InvalidRequest), "{form}");
    }
    for form in ["grant_type=password&client_id=x", "grant_type=client_credentials&client_id=x"] {
        assert_eq!(error(form, None), Some(ErrorCode::UnsupportedGrantType), "{form}");
    }
    assert_eq!(error(CODE, None), Some(ErrorCode::InvalidClient));
}

#[test]
fn a_client_says_who_it_is_in_one_way() {
    let basic = Some("Basic eDp5");
    assert!(matches!(read(CODE, basic), Ok((_, PresentedClient::Secret { .. }))));
    assert!(matches!(read(&format!("{CODE}&client_id=x"), basic), Ok((_, PresentedClient::Secret { .. }))));
    for (form, header) in [
        (format!("{CODE}&client_id=other"), basic),
        (format!("{CODE}&client_id=x&client_secret=y"), basic),
        (format!("{CODE}&{ASSERTED}"), basic),
        (format!("{CODE}&{ASSERTED}&client_id=x&client_secret=y"), None),
        (format!("{CODE}&client_id=x&client_assertion=a.b.c"), None),
        (format!("{CODE}&client_id=x&client_assertion=a.b.c&client_assertion_type=saml"), None),
    ] {
        assert_eq!(error(&form, header), Some(ErrorCode::InvalidRequest), "{form}");
    }
    assert_eq!(error(CODE, Some("Bearer x")), Some(ErrorCode::InvalidClient));
}

proptest! {
    #[test]
    fn no_form_makes_the_reader_panic(form in ".{0,200}", header in prop::option::of(".{0,40}")) {
        let _ = read(&form, header.as_deref());
    }
}
