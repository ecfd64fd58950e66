//! R6 and B1, against a real server.

use super::*;
use crate::stranger::{Script, Stranger, client, send};
use std::io::Write as _;
use std::sync::atomic::Ordering;

const LIMIT: usize = 64;

async fn get(client: &HttpClient, url: &Url) -> Result<Answer, EgressError> {
    client.get(url, Ask::Configured, "application/json", LIMIT).await
}

fn local() -> Arc<Script> {
    Script::new(&[&["127.0.0.1"]])
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn is_not_allowed(result: &Result<Answer, EgressError>) -> bool {
    matches!(result, Err(EgressError::NotAllowed { .. }))
}

#[tokio::test]
async fn a_named_host_on_this_machine_answers_over_plain_http() {
    let stranger = Stranger::saying("x-a: b\r\n", "{}");
    let client = client(&["idp.test", "127.0.0.1"], local());
    for host in ["idp.test", "127.0.0.1", "IDP.test"] {
        let answer = get(&client, &stranger.url("http", host, "/a?b")).await.unwrap();
        assert_eq!((&answer.body[..], &answer.headers["x-a"]), (&b"{}"[..], &"b".parse().unwrap()));
    }
    let request = &stranger.requests()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /a?b http/1.1\r\n"));
    for never in ["authorization", "cookie", "referer", "accept-encoding"] {
        assert!(!request.contains(never), "{never}");
    }
}

#[tokio::test]
async fn r6_a_host_that_nobody_named_is_not_reached_inside() {
    let stranger = Stranger::saying("", "{}");
    for inside in ["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "100.64.0.1"] {
        let client = client(&[], Script::new(&[&[inside]]));
        assert!(is_not_allowed(&get(&client, &stranger.url("https", "evil.test", "/")).await), "{inside}");
    }
    assert_eq!(stranger.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn r6_an_address_in_the_url_is_checked_too() {
    let client = client(&["named.test"], local());
    for address in [
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::]/",
        "http://127.0.0.1/",
        "http://1.1.1.1/",
    ] {
        assert!(is_not_allowed(&get(&client, &url(address)).await), "{address}");
    }
}

#[tokio::test]
async fn r6_even_a_named_host_is_never_reached_at_link_local_or_metadata_addresses() {
    for never in ["169.254.169.254", "fe80::1", "100.100.100.200", "0.0.0.0", "fd00:ec2::254"] {
        let client = client(&["idp.test"], Script::new(&[&[never]]));
        for scheme in ["https", "http"] {
            assert!(is_not_allowed(&get(&client, &url(&format!("{scheme}://idp.test/"))).await), "{never}");
        }
    }
    let client = client(&["169.254.169.254"], local());
    assert!(is_not_allowed(&get(&client, &url("http://169.254.169.254/")).await));
}

#[tokio::test]
async fn r6_plain_http_goes_to_this_machine_only() {
    for elsewhere in ["10.0.0.1", "93.184.215.14"] {
        let client = client(&["idp.test"], Script::new(&[&[elsewhere]]));
        assert!(is_not_allowed(&get(&client, &url("http://idp.test/")).await), "{elsewhere}");
    }
    let stranger = Stranger::saying("", "{}");
    let unnamed = client(&["idp.test"], local());
    assert!(is_not_allowed(&get(&unnamed, &stranger.url("http", "other.test", "/")).await));
    assert_eq!(stranger.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn r6_other_schemes_and_credentials_are_refused() {
    let client = client(&["idp.test"], local());
    for bad in ["ftp://idp.test/", "ws://idp.test/", "https://u:p@idp.test/", "https://u@idp.test/"] {
        assert!(is_not_allowed(&get(&client, &url(bad)).await), "{bad}");
    }
    assert!(is_not_allowed(&get(&client, &url("file:///etc/passwd")).await));
}

#[tokio::test]
async fn r6_a_rebinding_name_is_looked_up_once_and_connected_to_where_it_was_checked() {
    let stranger = Stranger::saying("", "{}");
    let resolver = Script::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let client = client(&["idp.test"], Arc::clone(&resolver) as Arc<dyn Resolver>);
    let address = stranger.url("http", "idp.test", "/");
    assert!(get(&client, &address).await.is_ok());
    assert_eq!(resolver.lookups.load(Ordering::SeqCst), 1);
    assert!(is_not_allowed(&get(&client, &address).await), "the next connection is checked again");
    assert_eq!(stranger.requests().len(), 1);
}

#[tokio::test]
async fn r6_of_several_addresses_only_the_allowed_ones_are_tried() {
    let stranger = Stranger::saying("", "{}");
    let client = client(&["idp.test"], Script::new(&[&["169.254.169.254", "127.0.0.1"]]));
    assert!(get(&client, &stranger.url("http", "idp.test", "/")).await.is_ok());
}

#[tokio::test]
async fn r6_a_redirect_to_a_metadata_address_is_an_answer_that_we_do_not_want() {
    let inside = Stranger::saying("", "secret");
    for (status, to) in [
        (302, "http://169.254.169.254/latest/meta-data/".to_owned()),
        (301, inside.url("http", "idp.test", "/").to_string()),
        (307, inside.url("http", "127.0.0.1", "/").to_string()),
        (308, "file:///etc/passwd".to_owned()),
    ] {
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let stranger = Stranger::new(move |_, stream| send(stream, &answer));
        let client = client(&["idp.test", "127.0.0.1"], local());
        let error = get(&client, &stranger.url("http", "idp.test", "/")).await.unwrap_err();
        assert!(matches!(error, EgressError::Status { status: found, .. } if found == status), "{error}");
    }
    assert_eq!(inside.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn b1_an_answer_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let announced = Stranger::saying("", &"x".repeat(LIMIT + 1));
    let endless = Stranger::new(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"10\r\nxxxxxxxxxxxxxxxx\r\n").is_ok() {}
    });
    let until_close = Stranger::new(|_, stream| {
        send(stream, &format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(LIMIT + 1)));
    });
    let client = client(&["idp.test"], local());
    for stranger in [announced, endless, until_close] {
        let error = get(&client, &stranger.url("http", "idp.test", "/")).await.unwrap_err();
        assert!(matches!(error, EgressError::TooLarge { limit_bytes: LIMIT, .. }), "{error}");
    }
    let exact = Stranger::saying("", &"x".repeat(LIMIT));
    assert_eq!(get(&client, &exact.url("http", "idp.test", "/")).await.unwrap().body.len(), LIMIT);
}

#[tokio::test]
async fn b1_a_compressed_answer_is_refused_for_its_size_is_not_known() {
    let stranger = Stranger::saying("content-encoding: gzip\r\n", "x");
    let client = client(&["idp.test"], local());
    let error = get(&client, &stranger.url("http", "idp.test", "/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Encoded { .. }), "{error}");
}

#[tokio::test]
async fn b1_a_slow_answer_is_given_up_at_any_stage() {
    let quick = |host: &str| {
        let settings = Settings::new(NamedHosts::of([&url(&format!("https://{host}"))]));
        let timeout = Duration::from_millis(150);
        HttpClient::new(Settings { timeout, resolver: local(), ..settings }).unwrap()
    };
    let (keep, kept) = std::sync::mpsc::channel();
    let open = |first: &'static str| {
        let keep = keep.clone();
        Stranger::new(move |_, stream| {
            send(stream, first);
            let _ = keep.send(stream.try_clone());
        })
    };
    for first in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
        let stranger = open(first);
        let error = get(&quick("idp.test"), &stranger.url("http", "idp.test", "/")).await.unwrap_err();
        assert!(matches!(&error, EgressError::Unreachable { why, .. } if why == "out of time"), "{error}");
    }
    drop(kept);
}

#[tokio::test]
async fn b1_only_status_200_is_an_answer() {
    for status in [201, 204, 206, 304, 400, 401, 404, 500, 503] {
        let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n");
        let stranger = Stranger::new(move |_, stream| send(stream, &answer));
        let client = client(&["idp.test"], local());
        let error = get(&client, &stranger.url("http", "idp.test", "/")).await.unwrap_err();
        assert!(matches!(error, EgressError::Status { status: found, .. } if found == status), "{error}");
    }
}

#[tokio::test]
async fn https_to_a_named_host_speaks_tls_and_trusts_no_stranger() {
    let stranger = Stranger::saying("", "{}");
    let client = client(&["idp.test"], local());
    let error = get(&client, &stranger.url("https", "idp.test", "/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
    assert!(stranger.requests()[0].starts_with('\u{16}'), "a TLS handshake");
}

#[tokio::test]
async fn r6_a_learned_address_is_on_the_same_host_or_public_https() {
    let stranger = Stranger::saying("", "{}");
    let client = client(&["idp.test", "ledger.test"], local());
    let learned = |to: Url, from: &str| {
        let (client, from) = (client.clone(), url(from));
        async move { client.get(&to, Ask::LearnedFrom(&from), "*/*", LIMIT).await }
    };
    let same = stranger.url("http", "idp.test", "/jwks");
    assert!(learned(same.clone(), "http://idp.test/d").await.is_ok());
    assert!(is_not_allowed(&learned(same, "https://idp.test/d").await), "a downgrade");
    let other = stranger.url("http", "ledger.test", "/");
    assert!(is_not_allowed(&learned(other, "http://idp.test/d").await), "another named host");
    let other = stranger.url("https", "ledger.test", "/");
    assert!(is_not_allowed(&learned(other, "https://idp.test/d").await), "another named host inside");
    assert_eq!(stranger.requests().len(), 1);
}

#[tokio::test]
async fn an_error_shows_no_query() {
    let client = client(&[], local());
    let error = get(&client, &url("https://evil.test/a?token=SECRET#SECRET")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
    assert!(error.to_string().contains("https://evil.test/a"));
    assert_eq!(error.code(), "egress_not_allowed");
}

#[tokio::test]
async fn localhost_and_what_is_below_it_is_this_machine() {
    let stranger = Stranger::saying("", "{}");
    let client = client(&["crm.localhost", "localhost"], Arc::new(SystemResolver));
    for host in ["crm.localhost", "localhost"] {
        assert!(get(&client, &stranger.url("http", host, "/")).await.is_ok(), "{host}");
    }
    assert!(is_not_allowed(&get(&client, &stranger.url("https", "other.localhost", "/")).await));
}
