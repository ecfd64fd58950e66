//! Whole requests, through the real router of a hub in memory: bearer headers, hosts, origins, paths, bodies.

use crate::text;
use bytes::Bytes;
use deputy_server::{Hosts, ROUTES, Who, router};
use deputy_testkit::{PUBLIC_URL, World};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::future::Future;
use std::sync::LazyLock;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// A bearer token that stands for one that is good.
const GOOD: &str = "Bearer good";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime")
});

static WORLD: LazyLock<World> = LazyLock::new(|| wait(World::new()));

fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// A request as it stands on the wire: a line with method and path, headers, an empty line, a body. No request makes the hub
/// stumble, and a stranger gets nothing but what is for anybody (invariant 6).
pub(crate) fn doors(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.split('\n');
    let Some((method, path)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let mut request = Request::builder().method(method).uri(path);
    let mut known = false;
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if value == GOOD {
            known = true;
            let token = WORLD.access_token("alice", if path.starts_with("/api") { "/api" } else { "/mcp" });
            request = request.header(name, format!("Bearer {token}"));
        } else {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))) else { return };
    let path = request.uri().path().to_owned();
    // The world is made here, for it is no part of what runs.
    let router = router(&WORLD.hub, Hosts::new(PUBLIC_URL, "127.0.0.1:7070"));
    let answer = wait(router.oneshot(request)).expect("infallible");
    let status = answer.status();
    assert!(!status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE, "{status}: {text}");
    assert!(known || !status.is_success() || is_for_anybody(&path), "{status} to a stranger: {text}");
    assert!(answer.headers().contains_key("x-content-type-options"), "an answer without its seals");
}

fn is_for_anybody(path: &str) -> bool {
    ROUTES.iter().filter(|route| matches!(route.who, Who::Anybody(_))).any(|route| {
        let fixed = route.path.split('{').next().unwrap_or_default();
        path == route.path || (fixed != route.path && path.starts_with(fixed))
    })
}
