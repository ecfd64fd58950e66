use super::*;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

#[test]
fn b1_a_learned_address_is_on_the_same_host_or_public() {
    let named = url("https://idp.example/.well-known/openid-configuration");
    let local = url("http://127.0.0.1:9000/doc");
    let fetcher = Fetcher::new([&named, &local]).unwrap();
    let may = |address: &str, from: Option<&Url>| fetcher.client_for(&url(address), from).is_ok();
    assert!(may("https://idp.example/jwks", Some(&named)));
    assert!(may("https://keys.example/jwks", Some(&named)));
    assert!(may("http://127.0.0.1:9000/jwks", Some(&local)));
    for bad in [
        "https://10.0.0.1/jwks",
        "https://127.0.0.1/jwks",
        "https://169.254.169.254/latest",
        "http://idp.example/jwks",
        "http://127.0.0.1:9000/jwks",
        "https://user:pass@idp.example/jwks",
        "file:///etc/passwd",
    ] {
        assert!(!may(bad, Some(&named)), "{bad}");
    }
}

#[test]
fn b1_even_a_named_address_is_never_a_metadata_service() {
    let metadata = url("https://169.254.169.254/jwks");
    let plain = url("http://10.0.0.1/jwks");
    let fetcher = Fetcher::new([&metadata, &plain]).unwrap();
    assert!(fetcher.client_for(&metadata, None).is_err());
    assert!(fetcher.client_for(&plain, None).is_err(), "plain http is for this machine");
}

#[test]
fn plain_http_to_the_server_stays_inside() {
    for (address, zone, allowed) in [
        ("http://10.0.0.1/", Zone::Inside, true),
        ("http://127.0.0.1/", Zone::Inside, true),
        ("http://93.184.216.34/", Zone::Inside, false),
        ("https://93.184.216.34/", Zone::Named, true),
        ("https://169.254.169.254/", Zone::Named, false),
    ] {
        assert_eq!(literal_is_allowed(&url(address), zone).is_ok(), allowed, "{address}");
    }
}
