//! What applications say about themselves: believed as far as it cannot hurt.

use super::*;
use crate::authorization::ApplicationType;
use crate::fixtures::rsa;
use proptest::prelude::*;
use serde_json::{Value, json};

const ADDRESS: &str = "https://desk.example/oauth/client.json";

fn good() -> Value {
    json!({ "client_id": ADDRESS, "client_name": "Desk", "redirect_uris": ["https://desk.example/cb"],
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"] })
}

fn changed(member: &str, value: Value) -> Value {
    let mut document = good();
    document[member] = value;
    document
}

fn read(document: &Value) -> Result<ClientDocument, MetadataError> {
    DocumentAddress::parse(ADDRESS).unwrap().read(document.to_string().as_bytes())
}

fn registered(document: &Value) -> Result<ClientMetadata, MetadataError> {
    read_registration(document.to_string().as_bytes())
}

#[test]
fn cimd_an_address_is_https_with_a_path_in_its_normal_form() {
    for good in [ADDRESS, "https://desk.example:8443/c", "https://desk.example/c?v=1"] {
        assert_eq!(DocumentAddress::parse(good).unwrap().client().0, good);
    }
    for bad in [
        "http://desk.example/c",
        "https://desk.example",
        "https://desk.example/",
        "https://desk.example/c#f",
        "https://desk.example/c#",
        "https://a@desk.example/c",
        "https://a:b@desk.example/c",
        "https://desk.example/a/../c",
        "https://desk.example/./c",
        "https://desk.example/%2e%2e/c",
        "https://desk.example/a/%2E/c",
        "https://DESK.example/c",
        "https://desk.example:443/c",
        "https:/desk.example/c",
        " https://desk.example/c",
        "desk",
        "",
    ] {
        assert!(DocumentAddress::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn cimd_the_document_is_of_its_own_address_byte_for_byte() {
    let document = read(&good()).unwrap();
    assert_eq!((document.client.0.as_str(), document.metadata.name.as_deref()), (ADDRESS, Some("Desk")));
    assert_eq!(document.known().redirect_uris, ["https://desk.example/cb"]);
    for bad in [json!("https://desk.example/oauth/client.json/"), json!("desk"), json!(null)] {
        assert_eq!(read(&changed("client_id", bad)).unwrap_err(), MetadataError::Invalid("client_id"));
    }
}

#[test]
fn cimd_there_is_no_shared_secret() {
    for (member, value) in [("client_secret", json!("s")), ("client_secret_expires_at", json!(0))] {
        assert!(matches!(read(&changed(member, value)).unwrap_err(), MetadataError::Invalid(_)));
    }
    for bad in ["client_secret_basic", "client_secret_post", "client_secret_jwt", "tls_client_auth", ""] {
        let error = read(&changed("token_endpoint_auth_method", json!(bad))).unwrap_err();
        assert_eq!(error, MetadataError::Invalid("token_endpoint_auth_method"), "{bad}");
    }
}

#[test]
fn a_client_with_keys_says_where_they_are_in_one_way() {
    let mut keyed = changed("token_endpoint_auth_method", json!("private_key_jwt"));
    assert_eq!(read(&keyed).unwrap_err(), MetadataError::Invalid("jwks"));
    keyed["jwks_uri"] = json!("https://desk.example/jwks");
    assert!(matches!(read(&keyed).unwrap().metadata.keys, KeysOf::At(_)));
    keyed["jwks"] = json!({ "keys": [rsa().named("r")] });
    assert_eq!(read(&keyed).unwrap_err(), MetadataError::Invalid("jwks"));
    keyed.as_object_mut().unwrap().remove("jwks_uri");
    let KeysOf::Set(set) = read(&keyed).unwrap().metadata.keys else { panic!("no set") };
    assert_eq!(crate::keys::KeySet::parse(set.as_bytes()).unwrap().len(), 1);
    keyed["jwks"] = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] });
    assert!(matches!(read(&keyed).unwrap_err(), MetadataError::Keys(_)));
    let mut plain = changed("token_endpoint_auth_method", json!("private_key_jwt"));
    plain["jwks_uri"] = json!("http://desk.example/jwks");
    assert_eq!(read(&plain).unwrap_err(), MetadataError::Invalid("jwks_uri"));
}

#[test]
fn a_document_is_bounded() {
    assert_eq!(
        read(&changed("x", json!("x".repeat(MAX_METADATA_BYTES)))).unwrap_err(),
        MetadataError::TooLong
    );
    let many: Vec<_> = (0..21).map(|n| format!("https://desk.example/{n}")).collect();
    assert_eq!(
        read(&changed("redirect_uris", json!(many))).unwrap_err(),
        MetadataError::Invalid("redirect_uris")
    );
    let name = read(&changed("client_name", json!("n".repeat(200)))).unwrap().metadata.name;
    assert_eq!(name.map(|name| name.len()), Some(80));
    let twice = good().to_string().replacen('{', &format!("{{\"client_id\":\"{ADDRESS}\","), 1);
    let address = DocumentAddress::parse(ADDRESS).unwrap();
    assert_eq!(address.read(twice.as_bytes()).unwrap_err(), MetadataError::NotJson);
}

#[test]
fn a_name_hides_nothing_and_a_logo_is_https_or_left_out() {
    let name = read(&changed("client_name", json!("De\u{202e}sk\n"))).unwrap().metadata.name.unwrap();
    assert!(!name.contains(['\u{202e}', '\n']), "{name:?}");
    assert!(read(&changed("logo_uri", json!("https://desk.example/l.png"))).unwrap().metadata.logo.is_some());
    for bad in ["javascript:alert(1)", "http://desk.example/l.png", "data:image/png,x"] {
        assert!(read(&changed("logo_uri", json!(bad))).unwrap().metadata.logo.is_none(), "{bad}");
    }
}

#[test]
fn rfc_7591_the_kind_of_application_is_honoured() {
    let mut native = changed("redirect_uris", json!(["http://127.0.0.1/cb", "com.example.desk:/cb"]));
    assert_eq!(registered(&native).unwrap().application, ApplicationType::Native, "it can be nothing else");
    native["application_type"] = json!("native");
    assert_eq!(
        registered(&native).unwrap().known(Client("x".to_owned())).application,
        ApplicationType::Native
    );
    native["application_type"] = json!("web");
    let error = registered(&native).unwrap_err();
    assert_eq!(error.error_code(), crate::authorization::ErrorCode::InvalidRedirectUri);
    assert_eq!(registered(&good()).unwrap().application, ApplicationType::Web);
    let odd = registered(&changed("application_type", json!("both"))).unwrap_err();
    assert_eq!(odd.error_code(), crate::authorization::ErrorCode::InvalidClientMetadata);
}

#[test]
fn rfc_7591_what_a_browser_runs_is_not_registered() {
    for bad in ["javascript:alert(1)", "data:text/html,x", "file:///x", "https://desk.example/#f"] {
        let mut document = changed("redirect_uris", json!(["https://desk.example/cb", bad]));
        document["application_type"] = json!("native");
        assert!(matches!(registered(&document).unwrap_err(), MetadataError::Redirect(_)), "{bad}");
    }
    for bad in [json!([]), json!("https://desk.example/cb"), json!([7]), json!(null)] {
        assert!(registered(&changed("redirect_uris", bad)).is_err());
    }
}

#[test]
fn a_client_that_wants_another_flow_is_refused() {
    for (member, value) in [("grant_types", json!(["implicit"])), ("response_types", json!(["token"]))] {
        assert_eq!(registered(&changed(member, value)).unwrap_err(), MetadataError::Invalid(member));
    }
}

proptest! {
    #[test]
    fn no_value_makes_the_reader_panic(
        member in "client_id|redirect_uris|client_name|logo_uri|jwks|jwks_uri|scope|grant_types|application_type",
        value in prop_oneof![
            Just(json!(null)), any::<i64>().prop_map(|n| json!(n)), ".{0,90}".prop_map(|s| json!(s)),
            prop::collection::vec(".{0,20}", 0..4).prop_map(|v| json!(v)), Just(json!({ "keys": [{}] })),
        ],
        text in ".{0,60}",
    ) {
        let _ = read(&changed(&member, value.clone()));
        let _ = registered(&changed(&member, value));
        prop_assert!(read_registration(text.as_bytes()).is_err());
        if let Some(address) = DocumentAddress::parse(&text) {
            prop_assert_eq!(address.client().0, text);
        }
    }
}
