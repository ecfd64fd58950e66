//! An MCP server that answers at once, in one era, and says the port first.

use super::serve;
use crate::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Which era it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Modern,
    Legacy,
}

#[derive(Deserialize)]
struct Asked<'a> {
    method: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// What is said is the same for everybody, but for the id.
struct Words {
    speaks: Speaks,
    tools: String,
}

pub(super) async fn run(tools: usize, speaks: Speaks) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    super::say(listener.local_addr()?.port());
    let words = Arc::new(Words { speaks, tools: listed(tools, speaks) });
    serve(listener, move |request| answer(Arc::clone(&words), request)).await
}

async fn answer(words: Arc<Words>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    if request.method() != Method::POST {
        return Ok(with(StatusCode::METHOD_NOT_ALLOWED, String::new()));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let asked: Asked<'_> = serde_json::from_slice(&body)?;
    let Some(id) = asked.id else { return Ok(with(StatusCode::ACCEPTED, String::new())) };
    let id = id.get();
    let result = match (asked.method, words.speaks) {
        ("tools/call", Speaks::Modern) => MODERN_RESULT,
        ("tools/call", Speaks::Legacy) => LEGACY_RESULT,
        ("tools/list", _) => &words.tools,
        ("server/discover", Speaks::Modern) => DISCOVERED,
        ("initialize", Speaks::Legacy) => OPENED,
        _ => {
            let error = r#"{"code":-32601,"message":"there is no such method"}"#;
            let status = match words.speaks {
                Speaks::Modern => StatusCode::NOT_FOUND,
                Speaks::Legacy => StatusCode::OK,
            };
            return Ok(with(status, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)));
        }
    };
    Ok(with(StatusCode::OK, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)))
}

fn with(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

/// Some 200 bytes, as a small tool answers.
const MODERN_RESULT: &str = r#"{"resultType":"complete","isError":false,"content":[{"type":"text","text":"Maria Lopez, maria@lopez.example, +34 600 000 000, key account in Spain since 2019; last spoken to on Tuesday"}]}"#;
const LEGACY_RESULT: &str = r#"{"isError":false,"content":[{"type":"text","text":"Maria Lopez, maria@lopez.example, +34 600 000 000, key account in Spain since 2019; last spoken to on Tuesday"}]}"#;
const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"},"ttlMs":3600000,"cacheScope":"public"}"#;
const OPENED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}"#;

/// The tools of a page of a CRM, and as many more as are wanted.
fn listed(count: usize, speaks: Speaks) -> String {
    let mut tools = crate::tab::definitions();
    for tool in &mut tools {
        if let Some(members) = tool.as_object_mut() {
            members.remove("kind");
        }
    }
    let more = (tools.len()..count).filter_map(|at| {
        let mut tool = tools.get(at % 10)?.clone();
        *tool.get_mut("name")? = Value::String(format!("more_{at}"));
        Some(tool)
    });
    let more: Vec<Value> = more.collect();
    tools.extend(more);
    let mut result = json!({ "tools": tools });
    if let (Speaks::Modern, Some(members)) = (speaks, result.as_object_mut()) {
        members.insert("resultType".to_owned(), json!("complete"));
        members.insert("ttlMs".to_owned(), json!(3_600_000));
        members.insert("cacheScope".to_owned(), json!("public"));
    }
    result.to_string()
}
