//! A real server on this machine for tests, which answers whatever bytes a test wants.

use crate::client::{HttpClient, NamedHosts, Settings};
use crate::resolver::Resolver;
use async_trait::async_trait;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

pub(crate) struct Stranger {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Stranger {
    /// Listens and answers each connection's first bytes with `answer`, then closes it.
    pub(crate) fn new(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 4096];
                let length = stream.read(&mut buffer).unwrap_or(0);
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                heard.lock().unwrap().push(request.clone());
                answer(&request, &mut stream);
            }
        });
        Self { port, requests }
    }

    /// Answers 200 with these header lines and this body.
    pub(crate) fn saying(header_lines: &str, body: &str) -> Self {
        let answer = format!(
            "HTTP/1.1 200 OK\r\n{header_lines}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        Self::new(move |_, stream| send(stream, &answer))
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, scheme: &str, host: &str, path: &str) -> Url {
        Url::parse(&format!("{scheme}://{host}:{}{path}", self.port)).unwrap()
    }
}

pub(crate) fn send(stream: &mut TcpStream, answer: &str) {
    // The client may have gone away, which is what some tests are about.
    let _ = stream.write_all(answer.as_bytes());
}

/// Answers each lookup with the next of these lists, and the last one from then on.
pub(crate) struct Script {
    answers: Vec<Vec<IpAddr>>,
    pub(crate) lookups: AtomicUsize,
}

impl Script {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), lookups: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolver for Script {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let lookup = self.lookups.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[lookup.min(self.answers.len() - 1)].clone())
    }
}

/// A client whose config names these hosts, with this resolver.
pub(crate) fn client(named: &[&str], resolver: Arc<dyn Resolver>) -> HttpClient {
    let urls: Vec<Url> = named.iter().map(|host| Url::parse(&format!("https://{host}")).unwrap()).collect();
    let settings = Settings::new(NamedHosts::of(&urls));
    HttpClient::new(Settings { resolver, timeout: Duration::from_secs(2), ..settings }).unwrap()
}
