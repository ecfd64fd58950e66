//! Traces: from `[telemetry]` to what carries spans to a collector.

use crate::settings::{SecretSource, Telemetry};
use async_trait::async_trait;
use deputy_core::Secret;
use deputy_core::id::random_hex;
use deputy_egress::upstream::{Credential, NoCredential, NoHeaders};
use deputy_egress::{Collector, EgressError, HttpClient, NamedHosts, SpanExporter};
use deputy_hub::traces::Tracing;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the last spans may take at the end.
const LAST_WITHIN: Duration = Duration::from_secs(3);

/// What makes spans, and what carries them.
///
/// # Errors
/// The HTTP client cannot be built.
pub fn traces(telemetry: &Telemetry) -> Result<(Tracing, Carrier), EgressError> {
    let (queue, exporter) = SpanExporter::new(client(telemetry)?, collector(telemetry));
    let tracing = Tracing { sink: Arc::new(queue), sample: telemetry.sample };
    Ok((tracing, Carrier(Arc::new(Mutex::new(exporter)))))
}

/// Whether the collector takes spans, and where.
///
/// # Errors
/// Why not.
pub async fn probe(telemetry: &Telemetry) -> Result<String, String> {
    let client = client(telemetry).map_err(|error| error.to_string())?;
    let (_, exporter) = SpanExporter::new(client, collector(telemetry));
    exporter.probe().await.map(|()| exporter.url().to_string())
}

/// Only this client may reach the collector inside, and nothing else.
fn client(telemetry: &Telemetry) -> Result<HttpClient, EgressError> {
    HttpClient::plain_inside(deputy_egress::Settings::new(NamedHosts::of([&telemetry.endpoint])))
}

fn collector(telemetry: &Telemetry) -> Collector {
    let credential: Arc<dyn Credential> = match &telemetry.headers {
        Some(source) => Arc::new(Headers(source.clone())),
        None => Arc::new(NoCredential),
    };
    Collector {
        endpoint: telemetry.endpoint.clone(),
        credential,
        service_name: telemetry.service_name.clone(),
        // Without randomness no hub comes up; whoever only looks needs no name.
        instance: random_hex().unwrap_or_default(),
    }
}

/// Carries spans.
#[derive(Clone)]
pub struct Carrier(Arc<Mutex<SpanExporter>>);

impl Carrier {
    /// For as long as the hub runs.
    pub async fn run(self) {
        self.0.lock().await.run().await;
    }

    /// What is left when everything else has ended.
    pub async fn last(self) {
        let last = async { self.0.lock().await.last().await };
        if tokio::time::timeout(LAST_WITHIN, last).await.is_err() {
            tracing::warn!("the last spans could not be exported in time");
        }
    }
}

/// Headers in a file, or in a variable: read at each use, so that they can be renewed under a hub that runs.
struct Headers(SecretSource);

#[async_trait]
impl Credential for Headers {
    async fn headers(&self, _principal: &str) -> Result<Vec<(String, Secret<String>)>, NoHeaders> {
        let text = self.0.read().map_err(|error| error.to_string())?;
        Ok(parse(text.expose())?)
    }
}

/// One `name: value` in a line; empty lines and lines that begin with `#` say nothing.
fn parse(text: &str) -> Result<Vec<(String, Secret<String>)>, String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    // A line that is wrong is not quoted: it may be a secret.
    let wrong = |number: usize| format!("line {number} of the collector's headers is not `name: value`");
    lines
        .map(|(number, line)| {
            let (name, value) = line.split_once(':').ok_or_else(|| wrong(number))?;
            let name =
                deputy_core::HeaderName::new(name.trim().to_ascii_lowercase()).map_err(|_| wrong(number))?;
            Ok((name.as_str().to_owned(), Secret::new(value.trim().to_owned())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines_and_a_wrong_line_is_named_but_not_shown() {
        let headers = parse("# of the vendor\nAuthorization: Bearer a:b\n\nx-team:  north \n").expect("good");
        let shown: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
        assert_eq!(shown, [("authorization", "Bearer a:b"), ("x-team", "north")]);
        let wrong = parse("x-team: north\n0badc0de").err();
        assert_eq!(wrong.as_deref(), Some("line 2 of the collector's headers is not `name: value`"));
    }
}
