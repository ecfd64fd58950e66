//! What an operator decides about a guard, already checked: `deputy guard` reads it from `guard.toml`, a server written in
//! Rust builds it itself.

use crate::policy::Scopes;
use deputy_core::{Client, Issuer, Origin};
use deputy_identity::Algorithm;
use deputy_identity::keys::KeySet;
use deputy_identity::provider::KeysAt;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Where the resource is, under the guard's own origin.
pub const RESOURCE_PATH: &str = "/mcp";

/// Whom a guard believes, and what it lets them do.
#[derive(Clone)]
pub struct Settings {
    /// The guard's own origin: its issuer. The resource is this and [`RESOURCE_PATH`], byte for byte.
    pub public_url: Origin,
    /// Where keys and spent assertions are kept. One guard at a time has it.
    pub data_dir: PathBuf,
    /// Where they are kept instead if there are several guards of this origin: a folder that all of them reach. It is never
    /// made by a guard.
    pub shared_dir: Option<PathBuf>,
    /// Whose ID-JAGs are taken; at least one, and never the guard itself (E1).
    pub issuers: Vec<TrustedIssuer>,
    /// Who may bring them; at least one.
    pub clients: Vec<TrustedClient>,
    /// Which people are let in (E6).
    pub users: Users,
    /// Where the people are listed who are let in no more; made if it is not there.
    pub denied: PathBuf,
    /// What each scope opens.
    pub scopes: Scopes,
    /// How long an access token lives, ten minutes at most (E5).
    pub token_lifetime: Duration,
}

/// An identity provider whose ID-JAGs are taken.
#[derive(Debug, Clone)]
pub struct TrustedIssuer {
    /// The exact `iss`.
    pub issuer: Issuer,
    /// Where its keys are.
    pub keys_at: KeysAt,
    /// What it signs with.
    pub algorithms: BTreeSet<Algorithm>,
}

/// A client that may redeem ID-JAGs here. All prove by a signed assertion which one they are.
#[derive(Debug, Clone)]
pub struct TrustedClient {
    /// Its `client_id` here.
    pub id: Client,
    /// Where its keys are.
    pub keys_at: ClientKeysAt,
}

/// Where the keys of a client are.
#[derive(Debug, Clone)]
pub enum ClientKeysAt {
    /// The operator gave them.
    Given(Arc<KeySet>),
    /// At this address.
    Address(Url),
    /// Its `client_id` is the address of its document (CIMD), which says.
    Document(Url),
}

/// Which people are let in (E6).
#[derive(Debug, Clone)]
pub enum Users {
    /// Everybody for whom a trusted issuer vouches.
    AnyFromIssuer,
    /// Those in this list, which is read anew when it changes.
    Listed(PathBuf),
}

/// How the server behind the guard is reached.
#[derive(Debug, Clone)]
pub enum Way {
    /// As a process for each session, on its standard input and output. Nobody else can speak to it.
    Stdio(Program),
    /// Over HTTP on a unix socket in a folder of the guard's own.
    Socket {
        /// The socket's name in that folder.
        name: String,
        /// The path of its MCP endpoint.
        path: String,
        /// What to start; `{socket}` in its words stands for the path of the socket. `None`: somebody else starts it, as
        /// the same user of the machine.
        program: Option<Program>,
    },
    /// At an address that others may reach as well: the network must keep them away.
    Address(Url),
}

/// A program.
#[derive(Debug, Clone)]
pub struct Program {
    /// It, and its arguments; not empty.
    pub words: Vec<String>,
    /// Its environment, whole.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub folder: PathBuf,
}

/// How the server learns who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// `Deputy-User`: a token that lives a minute, signed with the guard's published key.
    Header,
    /// `_meta["dev.deputy/user"]` of each request.
    Meta,
}

/// The server behind the guard.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// How it is reached.
    pub way: Way,
    /// How it learns who is calling.
    pub handover: Handover,
    /// Sessions at once.
    pub sessions: usize,
    /// Sessions of one person at once.
    pub sessions_each: usize,
    /// How long a session may be unused before it ends.
    pub idle: Duration,
    /// How long one answer may take.
    pub timeout: Duration,
}
