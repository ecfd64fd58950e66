//! Each check on a good and on a bad world.

use super::*;
use crate::cli::web::Answer;
use async_trait::async_trait;
use deputy_core::{Issuer, Secret, TenantId};
use deputy_hub::ports::FetchError;
use deputy_identity::keys::Fetched;
use deputy_identity::{Provider, ProviderName};
use std::path::Path;

struct Canned(Result<Fetched, FetchError>);

#[async_trait]
impl KeySource for Canned {
    async fn fetch(&self, _: &Provider) -> Result<Fetched, FetchError> {
        self.0.clone()
    }
}

async fn reach(canned: Result<&str, FetchError>) -> Finding {
    let name = ProviderName::new("acme").expect("name");
    let issuer = Issuer::new("https://idp.acme.example").expect("issuer");
    let provider = Provider::oidc(name, TenantId::single(), issuer).expect("provider");
    let canned = canned.map(|set| Fetched {
        set: set.as_bytes().to_vec(),
        jwks_uri: "https://idp.acme.example/jwks".to_owned(),
        max_age: None,
    });
    provider::reach(&Canned(canned), &provider).await
}

#[tokio::test]
async fn a_provider_with_a_usable_key_is_good() {
    let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let finding = reach(Ok(set)).await;
    assert_eq!(
        finding,
        Finding::good(
            "identity provider `acme` (https://idp.acme.example): 1 usable key(s) at https://idp.acme.example/jwks, for EdDSA"
        )
    );
}

#[tokio::test]
async fn a4_a_provider_without_a_usable_key_is_told_so() {
    let finding = reach(Ok(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#)).await;
    assert_eq!(finding.mark, Mark::Bad);
    assert!(finding.text.contains("no usable key"), "{}", finding.text);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_named_with_the_mend() {
    let why = "connection\u{1b} refused".to_owned();
    let error = FetchError::Unreachable { url: "https://idp.acme.example/".to_owned(), why };
    let finding = reach(Err(error)).await;
    assert_eq!(finding.mark, Mark::Bad);
    assert!(finding.text.contains("connection\\u{1b} refused"), "{}", finding.text);
    assert!(finding.mend.is_some_and(|mend| mend.contains("`issuer`")));
}

/// Whoever answers under the public address.
struct Somebody(&'static str);

impl Web for Somebody {
    async fn send(
        &self,
        url: &Url,
        _: Option<&Url>,
        _: Request<'_>,
        _: Option<&Secret<String>>,
    ) -> Result<Answer, String> {
        assert_eq!(url.as_str(), "https://hub.acme.example/.well-known/oauth-protected-resource/mcp");
        Ok(Answer { status: 200, body: self.0.as_bytes().to_vec() })
    }
}

#[tokio::test]
async fn an_address_in_use_is_good_only_if_this_hub_uses_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("address");
    let text = format!(
        "hub = {{ listen = '{address}', public_url = 'https://hub.acme.example', data_dir = 'data' }}\n\
         [[identity_provider]]\nname = 'acme'\nissuer = 'https://idp.acme.example'"
    );
    let hub = Settings::parse(&text, Path::new("deputy.toml")).expect("settings").hub;
    let ours = listen(&hub, &Somebody(r#"{"resource":"https://hub.acme.example/mcp"}"#)).await;
    assert_eq!(ours.mark, Mark::Good, "{}", ours.text);
    for other in [r#"{"resource":"https://other.example/mcp"}"#, "<html>", "{}"] {
        let finding = listen(&hub, &Somebody(other)).await;
        assert_eq!(finding.mark, Mark::Bad);
        assert!(finding.mend.is_some_and(|mend| mend.contains("`listen`")));
    }
    drop(taken);
    assert!(listen(&hub, &Somebody("")).await.text.ends_with("is free"));
}

#[test]
fn a_data_directory_that_is_not_there_yet_is_not_made_by_looking() {
    let folder = tempfile::tempdir().expect("folder");
    let missing = folder.path().join("a/b");
    let finding = place::data_dir(&missing);
    assert!(finding.text.contains("will be made"), "{}", finding.text);
    assert!(!folder.path().join("a").exists());
    assert!(place::data_dir(folder.path()).text.contains("can be written"));
}

#[test]
fn a_file_in_the_place_of_the_data_directory_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("data");
    std::fs::write(&file, "").expect("written");
    assert_eq!(place::data_dir(&file).mark, Mark::Bad);
    assert_eq!(place::data_dir(&file.join("below")).mark, Mark::Bad);
}

#[test]
fn a_secret_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("idp.secret");
    std::fs::write(&path, "hunter2").expect("written");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
    mode(0o644);
    assert!(place::others_can_read(&path));
    mode(0o640);
    assert!(!place::others_can_read(&path));
}
