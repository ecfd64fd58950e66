//! Which redirect addresses may be registered, and which are the same.

use super::*;

#[test]
fn a_web_application_registers_https_alone() {
    assert!(check_redirect_uri("https://desk.example/cb", ApplicationType::Web).is_ok());
    for bad in ["http://desk.example/cb", "http://127.0.0.1/cb", "https://localhost/cb", "com.example:/cb"] {
        assert!(check_redirect_uri(bad, ApplicationType::Web).is_err(), "{bad}");
    }
}

#[test]
fn a_native_application_registers_its_own_machine_or_a_scheme_of_its_own() {
    for good in [
        "http://127.0.0.1/cb",
        "http://[::1]:1/cb",
        "http://localhost/cb",
        "com.example.desk:/cb",
        "cursor://x/y",
    ] {
        assert!(check_redirect_uri(good, ApplicationType::Native).is_ok(), "{good}");
    }
    for bad in
        ["http://desk.example/cb", "http://127.0.0.1.evil.example/cb", "http://localhost.evil.example/"]
    {
        assert!(check_redirect_uri(bad, ApplicationType::Native).is_err(), "{bad}");
    }
}

#[test]
fn no_application_registers_what_a_browser_runs() {
    for bad in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://x.example/1",
        "about:blank",
        "https://desk.example/#f",
        "https://a@desk.example/",
        "https://*.desk.example/cb",
        "https://desk.example\\@evil.example/",
        "https://desk.example/\u{e9}",
        "/relative",
        "",
    ] {
        for application in [ApplicationType::Web, ApplicationType::Native] {
            assert!(check_redirect_uri(bad, application).is_err(), "{bad}");
        }
    }
}

#[test]
fn rfc_8252_only_the_port_of_a_native_loopback_address_may_differ() {
    let native = |registered, asked| is_same_redirect(registered, asked, ApplicationType::Native);
    assert!(native("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"));
    assert!(native("http://[::1]:80/cb?x", "http://[::1]:8080/cb?x"));
    assert!(native("http://localhost:3000", "http://localhost:4000"));
    for (registered, asked) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
        ("http://127.0.0.1/cb", "http://localhost/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://localhost/cb", "http://localhost:1:2/cb"),
        ("http://desk.example/cb", "http://desk.example:1/cb"),
        ("https://desk.example/cb", "https://desk.example:1/cb"),
    ] {
        assert!(!native(registered, asked), "{asked}");
    }
    assert!(!is_same_redirect("http://127.0.0.1/cb", "http://127.0.0.1:1/cb", ApplicationType::Web));
}

proptest! {
    #[test]
    fn an_address_is_the_same_as_itself_and_as_no_other_host(host in "[a-z.]{1,20}", port in 1_u16..) {
        let one = format!("http://{host}/cb");
        let other = format!("http://{host}:{port}/cb");
        prop_assert!(is_same_redirect(&one, &one, ApplicationType::Web));
        prop_assert_eq!(is_same_redirect(&one, &other, ApplicationType::Native), host == "localhost");
    }
}
