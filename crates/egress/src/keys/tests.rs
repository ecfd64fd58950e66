//! B1 and B2: from a configured provider to its key set.

use super::*;
use crate::stranger::{Script, Stranger, client, send};
use deputy_core::{Issuer, TenantId};
use deputy_identity::provider::{Preset, ProviderName};

fn provider(issuer: &str) -> Provider {
    let name = ProviderName::new("acme").unwrap();
    Provider::oidc(name, TenantId::single(), Issuer::new(issuer).unwrap()).unwrap()
}

fn fetcher() -> KeyFetcher {
    KeyFetcher::new(client(&["idp.test"], Script::new(&[&["127.0.0.1"]])))
}

/// A provider whose discovery document has this `issuer` and `jwks_uri`; `{here}` is its own origin.
fn idp(issuer: &'static str, jwks_uri: &'static str) -> Stranger {
    Stranger::new(move |request, stream| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let here = format!("http://{host}");
        let body = if request.starts_with("GET /.well-known/openid-configuration ") {
            format!(r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}"}}"#).replace("{here}", &here)
        } else {
            r#"{"keys":[]}"#.to_owned()
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/jwk-set+json\r\nconnection: close\r\n";
        let cache = "cache-control: public, max-age=120\r\n";
        send(stream, &format!("{head}{cache}content-length: {}\r\n\r\n{body}", body.len()));
    })
}

#[tokio::test]
async fn b1_discovery_leads_to_the_set() {
    let idp = idp("{here}", "{here}/jwks");
    let issuer = format!("http://idp.test:{}", idp.port);
    let fetched = fetcher().fetch(&provider(&issuer)).await.unwrap();
    assert_eq!(fetched.set, br#"{"keys":[]}"#);
    assert_eq!(fetched.jwks_uri, format!("{issuer}/jwks"));
    assert_eq!(fetched.max_age, Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn b1_a_configured_set_needs_no_discovery() {
    let idp = idp("{here}", "{here}/jwks");
    let name = ProviderName::new("acme").unwrap();
    let issuer = Issuer::new("https://elsewhere.example").unwrap();
    let mut settings = Preset::OIDC.settings(name, TenantId::single(), issuer).unwrap();
    settings.keys_at = KeysAt::Set(idp.url("http", "idp.test", "/keys"));
    assert!(fetcher().fetch(&Provider::new(settings).unwrap()).await.is_ok());
    assert_eq!(idp.requests().len(), 1);
}

#[tokio::test]
async fn b2_discovery_of_another_issuer_is_not_believed() {
    let idp = idp("https://evil.example", "{here}/jwks");
    let error = fetcher().fetch(&provider(&format!("http://idp.test:{}", idp.port))).await.unwrap_err();
    assert!(matches!(error, FetchError::Unusable { .. }), "{error}");
    assert_eq!(idp.requests().len(), 1);
}

#[tokio::test]
async fn r6_a_jwks_uri_that_points_inside_is_not_followed() {
    for inside in ["http://169.254.169.254/keys", "https://10.0.0.1/keys", "http://ledger.test/keys"] {
        let idp = idp("{here}", inside);
        let error = fetcher().fetch(&provider(&format!("http://idp.test:{}", idp.port))).await.unwrap_err();
        assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn b1_a_set_over_256_kib_is_not_read() {
    let stranger = Stranger::saying("", &" ".repeat(MAX_SET_BYTES + 1));
    let error = fetcher().fetch(&provider(&format!("http://idp.test:{}", stranger.port))).await.unwrap_err();
    assert!(matches!(error, FetchError::Unusable { .. }), "{error}");
}

#[tokio::test]
async fn b5_a_provider_that_is_down_is_an_error_and_not_a_wait() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = fetcher().fetch(&provider(&format!("http://idp.test:{port}"))).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
}

#[test]
fn b5_max_age_is_read_from_cache_control() {
    let age = |field: &'static str| {
        let mut answer = Answer { headers: http::HeaderMap::new(), body: bytes::Bytes::new() };
        answer.headers.insert(CACHE_CONTROL, field.parse().unwrap());
        max_age(&answer)
    };
    let seconds = |count| Some(Duration::from_secs(count));
    assert_eq!(age("public, max-age=600"), seconds(600));
    assert_eq!(age("Max-Age=\"5\""), seconds(5));
    assert_eq!(age("no-store, max-age=600"), seconds(0));
    assert_eq!(age("s-maxage=9"), None);
    assert_eq!(age("max-age=99999999999999999999999"), None);
    assert_eq!(age("max-age=-1"), None);
}
