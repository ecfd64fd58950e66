//! `GET /sdk/…`: the browser SDK, embedded in the program.

use crate::problem::Problem;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

/// Each module of `web/sdk` by its path, collected by `build.rs`.
static MODULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_modules.rs"));

/// A page of a configured origin may import it (module scripts are always fetched with CORS).
pub(crate) async fn module(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, text)) = MODULES.iter().find(|(name, _)| *name == path) else {
        return Problem::not_found().into_response();
    };
    let mut answer = (*text).into_response();
    let own = answer.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    own.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    own.append(header::VARY, HeaderValue::from_static("Origin"));
    // The origin was let through by `layers::Entrance`, which knows the apps.
    if let Some(origin) = headers.get(header::ORIGIN) {
        own.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_module_is_embedded_and_tests_are_not() {
        assert!(MODULES.iter().any(|(name, _)| *name == "deputy.js"));
        assert!(MODULES.iter().all(|(name, _)| !name.contains("test")));
    }
}
