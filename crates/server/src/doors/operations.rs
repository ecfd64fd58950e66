//! For operators alone, on a listener of its own: `GET /metrics` (Prometheus text format 0.0.4), `/readyz` with the state
//! of every server, `/healthz`. Nobody signs in here, so it listens where only operators are.

use super::health;
use crate::layers;
use crate::problem::Problem;
use axum::extract::State;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use deputy_hub::Hub;
use deputy_hub::meter::BOUNDS_MS;
use deputy_hub::ports::spans::SpanCounts;
use deputy_hub::ports::upstream::Health;
use http::header;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// What operators may ask.
pub fn operations(hub: &Arc<Hub>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/readyz", get(ready))
        .route("/healthz", get(health::live))
        .with_state(Arc::clone(hub))
        .fallback(async || Problem::not_found())
        .layer(from_fn(layers::in_time))
        .layer(from_fn(layers::sealed))
}

/// Whether the hub can serve, and how each server is.
async fn ready(State(hub): State<Arc<Hub>>) -> Response {
    let (status, word) = health::readiness(&hub);
    let servers: serde_json::Map<String, Value> =
        hub.servers().health().into_iter().map(|(name, health)| (name.to_string(), state(&health))).collect();
    (status, Json(json!({"status": word, "servers": servers}))).into_response()
}

fn state(health: &Health) -> Value {
    let state = match health.is_up {
        None => "not_asked_yet",
        Some(true) => "up",
        Some(false) => "down",
    };
    let error = health.last_error.as_ref().map(|(at, words)| json!({"at": at.to_string(), "message": words}));
    json!({"state": state, "revision": health.revision, "lastError": error, "starts": health.starts})
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Response {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text, &hub);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn write(text: &mut String, hub: &Hub) -> std::fmt::Result {
    head(text, "deputy_audit_lines_total", "counter", "Lines handed to the audit log, by what they say.")?;
    for (counted, count) in hub.meter().lines() {
        let (kind, outcome, reason, source) = (counted.kind, counted.outcome, counted.reason, counted.source);
        writeln!(
            text,
            "deputy_audit_lines_total{{kind=\"{kind}\",outcome=\"{outcome}\",reason=\"{reason}\",source=\"{source}\"}} {count}"
        )?;
    }
    head(text, "deputy_call_duration_seconds", "histogram", "From a wish to its end, refused ones too.")?;
    let took = hub.meter().durations();
    for (bound, count) in BOUNDS_MS.iter().zip(&took.at_most) {
        writeln!(text, "deputy_call_duration_seconds_bucket{{le=\"{}\"}} {count}", seconds(*bound * 1000))?;
    }
    let all = took.at_most.last().copied().unwrap_or_default();
    writeln!(text, "deputy_call_duration_seconds_bucket{{le=\"+Inf\"}} {all}")?;
    writeln!(text, "deputy_call_duration_seconds_sum {}", seconds(took.sum_us))?;
    writeln!(text, "deputy_call_duration_seconds_count {all}")?;
    head(text, "deputy_tabs", "gauge", "Tabs that are connected.")?;
    writeln!(text, "deputy_tabs {}", hub.tabs().count())?;
    head(
        text,
        "deputy_audit_writable",
        "gauge",
        "Whether the audit log takes lines; if not, calls are refused.",
    )?;
    writeln!(text, "deputy_audit_writable {}", u8::from(hub.log_fault().is_none()))?;
    head(
        text,
        "deputy_server_up",
        "gauge",
        "Whether a server's last answer was one; absent before the first.",
    )?;
    let servers = hub.servers().health();
    for (name, health) in &servers {
        if let Some(up) = health.is_up {
            let revision = health.revision.as_deref().unwrap_or_default();
            writeln!(text, "deputy_server_up{{server=\"{name}\",revision=\"{revision}\"}} {}", u8::from(up))?;
        }
    }
    head(
        text,
        "deputy_server_last_error_timestamp_seconds",
        "gauge",
        "When something last went wrong with a server; absent if nothing did. What it was is in /readyz.",
    )?;
    for (name, health) in &servers {
        if let Some((at, _)) = &health.last_error {
            let at = seconds(at.millis() * 1000);
            writeln!(text, "deputy_server_last_error_timestamp_seconds{{server=\"{name}\"}} {at}")?;
        }
    }
    head(text, "deputy_server_starts_total", "counter", "How often a server's process was started.")?;
    for (name, health) in &servers {
        writeln!(text, "deputy_server_starts_total{{server=\"{name}\"}} {}", health.starts)?;
    }
    if let Some(SpanCounts { exported, dropped }) = hub.traces().counts() {
        head(
            text,
            "deputy_spans_total",
            "counter",
            "Spans that a collector took, and spans that nobody did.",
        )?;
        writeln!(text, "deputy_spans_total{{state=\"exported\"}} {exported}")?;
        writeln!(text, "deputy_spans_total{{state=\"dropped\"}} {dropped}")?;
    }
    Ok(())
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// Microseconds as decimal seconds, exactly.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
