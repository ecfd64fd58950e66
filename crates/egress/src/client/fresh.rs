//! Connections that carried nothing before: a server that was started anew leaves behind connections on which nobody answers.

use super::{EgressError, HttpClient, Settings, build_with};
use crate::resolver::Zone;
use std::error::Error;
use std::io;
use std::sync::{Arc, OnceLock};
use url::Url;

/// Clients that keep no connection, made when one is first needed. They go where the others go, and nowhere else.
#[derive(Clone)]
pub(super) struct Fresh(Arc<Clients>);

struct Clients {
    settings: Settings,
    plain_zone: Zone,
    named: OnceLock<Result<reqwest::Client, EgressError>>,
    plain: OnceLock<Result<reqwest::Client, EgressError>>,
}

/// Where a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// Nothing of the request was sent.
    BeforeItWasSent,
    /// Something may have been, and no head of an answer came back.
    BeforeTheAnswer,
    /// It is not known that it ended, or not where.
    Otherwise,
}

impl Fresh {
    pub(super) fn new(settings: &Settings, plain_zone: Zone) -> Self {
        let (named, plain) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Clients { settings: settings.clone(), plain_zone, named, plain }))
    }
}

impl HttpClient {
    /// The client for an address of the config that [`HttpClient::client_for`] let through, without a connection yet.
    pub(super) fn afresh(&self, url: &Url) -> Result<&reqwest::Client, EgressError> {
        let clients = &*self.fresh.0;
        let build =
            |zone: Zone| build_with(&clients.settings, zone, |builder| builder.pool_max_idle_per_host(0));
        let client = if url.scheme() == "https" {
            clients.named.get_or_init(|| build(Zone::Named(self.named_hosts.clone())))
        } else {
            clients.plain.get_or_init(|| build(clients.plain_zone.clone()))
        };
        client.as_ref().map_err(Clone::clone)
    }
}

/// Where the connection of a request that failed before the head of its answer ended.
pub(super) fn gone(error: &reqwest::Error) -> Gone {
    if error.is_connect() || error.is_builder() {
        return Gone::BeforeItWasSent;
    }
    if error.is_timeout() {
        return Gone::Otherwise;
    }
    error.source().map_or(Gone::Otherwise, ended)
}

/// The same by what went wrong itself, or by what it was caused by.
pub(super) fn ended(error: &(dyn Error + 'static)) -> Gone {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_canceled() {
                return Gone::BeforeItWasSent;
            }
            if error.is_incomplete_message() {
                return Gone::BeforeTheAnswer;
            }
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => Gone::BeforeTheAnswer,
                _ => Gone::Otherwise,
            };
        }
        cause = error.source();
    }
    Gone::Otherwise
}
