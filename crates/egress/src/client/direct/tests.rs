//! Against a real server on this machine.

use super::*;
use crate::client::{NEVER, Streamed};
use crate::resolver::Resolver;
use crate::stranger::{Script, client};
use http::{HeaderMap, Method};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// How many connections there were, and how many of them are open.
#[derive(Default)]
struct Seen {
    all: AtomicUsize,
    open: AtomicUsize,
    asked: std::sync::Mutex<Vec<String>>,
}

/// Answers each request with these bytes; a connection ends after so many.
async fn server(answer: &'static str, each: usize) -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::<Seen>::default());
    let serving = Arc::clone(&seen);
    Supervisor::default().start(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&serving);
            seen.all.fetch_add(1, Ordering::SeqCst);
            seen.open.fetch_add(1, Ordering::SeqCst);
            Supervisor::default().start(async move {
                let mut buffer = [0; 4096];
                for _ in 0..each {
                    let length = stream.read(&mut buffer).await.unwrap_or(0);
                    if length == 0 {
                        break;
                    }
                    let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    seen.asked.lock().unwrap().push(asked);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                drop(stream);
                seen.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (port, seen)
}

fn way(port: u16, resolver: Arc<dyn Resolver>) -> Direct {
    let url = Url::parse(&format!("http://hub.test:{port}/mcp?a=b")).unwrap();
    client(&["hub.test"], resolver).direct(&url, &Supervisor::default()).unwrap()
}

fn local() -> Arc<Script> {
    Script::new(&[&["127.0.0.1"]])
}

fn get(afresh: bool) -> Outgoing {
    let (method, headers, body) = (Method::GET, HeaderMap::new(), Bytes::new());
    Outgoing { method, headers, body, timeout: NEVER, afresh }
}

async fn read(mut streamed: Streamed) -> Result<Vec<u8>, EgressError> {
    let mut body = Vec::new();
    while let Some(piece) = streamed.chunk().await? {
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

async fn until(holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.expect("in time");
}

#[tokio::test]
async fn requests_one_after_another_go_over_one_connection() {
    let (port, seen) = server(WHOLE, 100).await;
    let way = way(port, local());
    for _ in 0..5 {
        assert_eq!(read(way.stream(get(false)).await.unwrap()).await.unwrap(), b"hello");
    }
    assert_eq!(seen.all.load(Ordering::SeqCst), 1);
    let asked = seen.asked.lock().unwrap()[4].to_ascii_lowercase();
    assert!(asked.starts_with("get /mcp?a=b http/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("\r\nhost: hub.test:{port}\r\n")), "{asked}");
    assert_eq!(asked.matches("\r\nuser-agent: deputy/").count(), 1, "{asked}");
}

#[tokio::test]
async fn a_connection_that_the_server_has_left_is_not_used_again() {
    let (port, seen) = server(WHOLE, 1).await;
    let way = way(port, local());
    for turn in 1..=3 {
        assert_eq!(read(way.stream(get(false)).await.unwrap()).await.unwrap(), b"hello");
        until(|| seen.open.load(Ordering::SeqCst) == 0).await;
        assert_eq!(seen.all.load(Ordering::SeqCst), turn);
    }
}

#[tokio::test]
async fn a_request_that_wants_a_connection_of_its_own_gets_one() {
    let (port, seen) = server(WHOLE, 100).await;
    let way = way(port, local());
    for afresh in [false, true] {
        read(way.stream(get(afresh)).await.unwrap()).await.unwrap();
    }
    assert_eq!(seen.all.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_waited_too_long_is_not_used_again() {
    let (port, seen) = server(WHOLE, 100).await;
    let way = way(port, local());
    read(way.stream(get(false)).await.unwrap()).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    read(way.stream(get(false)).await.unwrap()).await.unwrap();
    assert_eq!(seen.all.load(Ordering::SeqCst), 2);
    until(|| seen.open.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    for broken in [
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let (port, _) = server(broken, 1).await;
        let way = way(port, local());
        let read = read(way.stream(get(false)).await.unwrap()).await;
        assert!(matches!(read, Err(EgressError::Unreachable { .. })), "{read:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_leaves_it_open_whether_the_request_arrived() {
    let (port, _) = server("", 1).await;
    let lost = way(port, local()).stream(get(false)).await;
    assert!(matches!(lost, Err(Undelivered::Unanswered(_))), "{lost:?}");
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let (port, seen) = server("HTTP/1.1 200 OK\r\n\r\nhello", 1).await;
    let way = way(port, local());
    for _ in 0..2 {
        assert_eq!(read(way.stream(get(false)).await.unwrap()).await.unwrap(), b"hello");
    }
    assert_eq!(seen.all.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn r6_each_connection_goes_where_its_address_was_checked_and_nowhere_else() {
    let (port, seen) = server(WHOLE, 100).await;
    let resolver = Script::new(&[&["127.0.0.1"], &["169.254.169.254"], &["10.0.0.1"]]);
    let way = way(port, Arc::clone(&resolver) as Arc<dyn Resolver>);
    read(way.stream(get(true)).await.unwrap()).await.unwrap();
    for _ in 0..2 {
        let refused = way.stream(get(true)).await;
        assert!(matches!(refused, Err(Undelivered::Before(EgressError::NotAllowed { .. }))), "{refused:?}");
    }
    assert_eq!((resolver.lookups.load(Ordering::SeqCst), seen.all.load(Ordering::SeqCst)), (3, 1));
}

#[test]
fn r6_only_what_may_be_called_by_plain_http_has_a_way_of_its_own() {
    let client = client(&["hub.test", "127.0.0.1", "169.254.169.254"], local());
    let has = |url: &str| client.direct(&Url::parse(url).unwrap(), &Supervisor::default()).is_some();
    assert!(has("http://hub.test/mcp") && has("http://127.0.0.1:8080/mcp"));
    for not in [
        "https://hub.test/mcp",
        "http://other.test/mcp",
        "http://10.0.0.1/mcp",
        "http://169.254.169.254/mcp",
        "http://user:word@hub.test/mcp",
    ] {
        assert!(!has(not), "{not}");
    }
}
