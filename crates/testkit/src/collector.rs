//! A collector of spans on this machine: it reads OTLP over HTTP by the types that OpenTelemetry publishes.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Export {
    /// The path.
    pub path: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What it carried.
    pub message: ExportTraceServiceRequest,
}

/// What it answers: a status, and a body.
type Answer = (u16, Vec<u8>);

/// A collector.
pub struct FakeCollector {
    port: u16,
    exports: Arc<Mutex<Vec<Export>>>,
    answer: Arc<Mutex<Answer>>,
}

impl FakeCollector {
    /// One that takes everything.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let exports: Arc<Mutex<Vec<Export>>> = Arc::default();
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new((200, Vec::new())));
        let (kept, given) = (Arc::clone(&exports), Arc::clone(&answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away in the middle sends nothing.
                if let Some(export) = receive(&stream) {
                    let (status, body) = given.lock().unwrap().clone();
                    kept.lock().unwrap().push(export);
                    say(stream, status, &body);
                }
            }
        });
        Self { port, exports, answer }
    }

    /// Its address, without the path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on it answers so.
    pub fn answers(&self, status: u16, body: Vec<u8>) {
        *self.answer.lock().unwrap() = (status, body);
    }

    /// Everything that came, whatever it was answered.
    #[must_use]
    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap().clone()
    }

    /// The spans that came.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let of = |export: Export| export.message.resource_spans.into_iter().flat_map(|one| one.scope_spans);
        self.exports().into_iter().flat_map(of).flat_map(|scope| scope.spans).collect()
    }

    /// Waits until so many spans came, with a deadline.
    ///
    /// # Panics
    /// They do not come within 20 s.
    pub async fn until_spans(&self, count: usize) -> Vec<Span> {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let spans = self.spans();
            if spans.len() >= count {
                return spans;
            }
            assert!(std::time::Instant::now() < until, "{} of {count} spans came", spans.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The text of an attribute.
#[must_use]
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

fn receive(stream: &TcpStream) -> Option<Export> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
    let headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let message = ExportTraceServiceRequest::decode(body.as_slice()).expect("it is OTLP");
    Some(Export { path, headers, message })
}

fn say(mut stream: TcpStream, status: u16, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
