//! Where requests go.

use super::*;
use deputy_protocol::openapi::{Method, Options};
use serde_json::json;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn of(server: Option<&str>, configured: Option<&str>, at: Option<&str>) -> Result<String, String> {
    let mut document = json!({"openapi": "3.1.0", "paths": {"/a": {"get": {}}}});
    if let Some(server) = server {
        document["servers"] = json!([{"url": server}]);
    }
    let document = Document::parse(document.to_string().as_bytes(), &Options::default()).unwrap();
    let (configured, at) = (configured.map(url), at.map(url));
    base(&document, configured.as_ref(), at.as_ref()).map(|url| url.to_string())
}

#[test]
fn r6_a_server_counts_only_where_the_config_points() {
    let api = Some("https://api.acme.example");
    let spec = Some("https://api.acme.example/docs/openapi.json");
    let v1 = Ok("https://api.acme.example/v1".to_owned());
    assert_eq!(of(Some("https://api.acme.example/v1"), api, None), v1);
    assert_eq!(of(Some("https://api.acme.example/v1?x=1#y"), None, spec), v1);
    assert_eq!(of(Some("/v1"), None, spec), v1);
    assert_eq!(of(Some("../v1"), None, spec), v1);
    assert_eq!(of(Some("https://evil.example/v1"), Some("https://api.acme.example/v1"), None), v1);
    let root = Ok("https://api.acme.example/".to_owned());
    for elsewhere in [
        "https://evil.example/v1",
        "http://api.acme.example/v1",
        "https://api.acme.example:8443/v1",
        "//evil.example",
        "https://u:p@api.acme.example/v1",
    ] {
        assert_eq!(of(Some(elsewhere), api, None), root, "{elsewhere}");
        let error = of(Some(elsewhere), None, spec).unwrap_err();
        assert!(error.contains("base_url"), "{error}");
    }
    assert_eq!(of(None, None, spec), root);
    assert!(of(Some("https://api.acme.example"), None, None).unwrap_err().contains("base_url"));
}

fn request(path: &str, query: Option<&str>) -> Request {
    Request {
        method: Method::Get,
        path: path.to_owned(),
        query: query.map(ToOwned::to_owned),
        headers: Vec::new(),
        body: None,
    }
}

#[test]
fn r7_an_address_is_exactly_base_path_and_query_or_none() {
    let base = url("https://api.acme.example:8443/v1/");
    let address = |path: &str, query| address(&base, &request(path, query)).map(|url| url.to_string());
    assert_eq!(
        address("/a%2Fb/c", Some("d=e%26f")).unwrap(),
        "https://api.acme.example:8443/v1/a%2Fb/c?d=e%26f"
    );
    for moved in
        ["/../x", "/a/%2e%2e/x", "/a/./b", "/a\\b", "/a?b", "/a#b", "@evil.example/", "/a b", "/a\nb"]
    {
        assert!(address(moved, None).is_err(), "{moved}");
    }
    assert!(address("/a", Some("b#c")).is_err());
}
