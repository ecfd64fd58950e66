//! A secret that stands where none belongs is refused, and never repeated.

use super::*;

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    assert_eq!(
        changed(
            r#"issuer = "https://idp.acme.example""#,
            r#"issuer = "https://idp.acme.example"
client = { id = "deputy", secret = "hunter2" }"#
        ),
        r#"deputy.toml:9:36: `identity_provider.client.secret` is text, not a table
  mend: write `secret = { file = "idp.secret" }`"#
    );
}

#[test]
fn a_secret_is_in_one_place() {
    assert_eq!(
        changed(
            r#"issuer = "https://idp.acme.example""#,
            r#"issuer = "https://idp.acme.example"
client = { id = "deputy", secret = {} }"#
        ),
        r#"deputy.toml:9:36: `secret` has neither `file` nor `env`
  mend: write `secret = { file = "idp.secret" }` or `secret = { env = "DEPUTY_IDP_SECRET" }`"#
    );
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for address in [
        "http://user:hunter2@idp.acme.example",
        "https://hunter2@idp:x",
        "hunter2@idp",
        "https:\\\\a:hunter2@b",
    ] {
        let said = changed("https://idp.acme.example", address);
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.contains("has a user name or password in it"), "{said}");
    }
}

#[test]
fn an_at_sign_in_a_path_is_no_password() {
    let uri = "https://keys.acme.example/jwk/token@system.acme.example";
    let text = GOOD.replace("name = \"acme\"", &format!("name = \"acme\"\njwks_uri = \"{uri}\""));
    assert!(Settings::parse(&text, Path::new("deputy.toml")).is_ok());
}

#[test]
fn a_secret_is_read_from_its_file_without_the_line_end() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("idp.secret");
    std::fs::write(&path, "hunter2\n").expect("written");
    let secret = SecretSource::File(path.clone()).read().ok();
    assert_eq!(secret.map(|secret| secret.expose().clone()).as_deref(), Some("hunter2"));
    std::fs::write(&path, "\n").expect("written");
    assert!(matches!(SecretSource::File(path).read(), Err(SecretError::Empty(_))));
}
