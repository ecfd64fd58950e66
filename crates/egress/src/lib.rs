//! What talks to strangers, so that no stranger meets a table.
//!
//! One [`HttpClient`] for everything: it resolves once, checks the address it then connects to, follows no redirect,
//! and reads no more than it was told to (R6, B1). [`KeyFetcher`] brings identity providers' keys with it;
//! [`Bucket`] takes what is written once; [`SpanExporter`] carries spans to a collector; [`OpenApiUpstream`] calls servers that are described by an OpenAPI document.

mod bucket;
mod client;
mod endpoints;
mod keys;
mod manifests;
mod openapi;
mod resolver;
mod spans;
mod trace;
pub mod upstream;

#[cfg(test)]
mod stranger;

pub use bucket::{Bucket, Stored};
pub use client::{Answer, Ask, EgressError, Exchange, HttpClient, NamedHosts, Reply, Settings};
pub use endpoints::EndpointClient;
pub use keys::KeyFetcher;
pub use manifests::ManifestFetcher;
pub use openapi::{DocumentAt, OpenApiUpstream, Served};
pub use resolver::{Resolver, SystemResolver};
pub use spans::{Collector, SpanExporter, SpanQueue};
