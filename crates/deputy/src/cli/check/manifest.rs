//! Whether an application's manifest can be fetched and read.

use super::Finding;
use crate::cli::terminal::harmless;
use crate::settings::Manifest as At;
use deputy_core::SourceName;
use deputy_hub::ports::{FetchError, ManifestSource};
use deputy_protocol::tab::Manifest;

/// The manifest, as the hub would fetch and read it.
pub(super) async fn reach(manifests: &dyn ManifestSource, app: &SourceName, at: &At) -> Finding {
    let url = harmless(at.url.as_str());
    let bytes = match manifests.fetch(at.url.as_str()).await {
        Ok(bytes) => bytes,
        Err(error) => {
            let mend = match error {
                FetchError::Unreachable { .. } => {
                    "see whether this machine reaches it (curl -i): it must answer 200 without a redirect or a sign-in"
                }
                FetchError::Unusable { .. } => {
                    "serve the file as `application/json`, at most 5 MiB, not compressed"
                }
            };
            return Finding::bad(format!("manifest of `{app}`: {}", harmless(&error.to_string())), mend);
        }
    };
    let manifest = match Manifest::parse(&bytes, &at.origin) {
        Ok(manifest) => manifest,
        Err(error) => {
            let mend = "make it anew with `deputy-manifest` at that origin; docs/reference/manifest.md has the format";
            return Finding::bad(
                format!("manifest of `{app}`: `{url}`: {}", harmless(&error.to_string())),
                mend,
            );
        }
    };
    let count = manifest.tools.len();
    match manifest.refused.first() {
        Some(first) => {
            let (bad, first) = (manifest.refused.len(), harmless(first));
            let text = format!("manifest of `{app}`: {bad} of its tools will never be offered: {first}");
            Finding::bad(text, "make it anew with `deputy-manifest` from the page that is released")
        }
        None => Finding::good(format!("manifest of `{app}`: {count} tool(s) at {url}")),
    }
}
