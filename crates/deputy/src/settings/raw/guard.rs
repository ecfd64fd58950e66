//! What `guard.toml` may hold, word for word. Doc comments here are the descriptions in its schema.

use super::Algorithm;
use crate::settings::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The settings of a guard, which stands before one MCP server.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "guard.toml")]
pub(in crate::settings) struct GuardFile {
    /// IP address and port to listen on. TLS is the business of the proxy in front.
    #[schemars(extend("examples" = ["127.0.0.1:7171"]))]
    pub(in crate::settings) listen: Located<String>,
    /// The origin under which clients reach the guard: its issuer. The resource, and the audience of its tokens, is exactly
    /// this + `/mcp`.
    #[schemars(extend("examples" = ["https://ledger.acme.example"]))]
    pub(in crate::settings) public_url: Located<String>,
    /// Where the guard keeps its key and what was redeemed; relative to this file. One guard at a time has it.
    #[schemars(extend("examples" = ["./guard-data"]))]
    pub(in crate::settings) data_dir: Located<String>,
    /// A folder that several guards of one `public_url` share, each with a `data_dir` of its own: their key, what was redeemed,
    /// who is denied. It has to be there, and to be on a file system that all of them reach. Without it there is one guard.
    #[schemars(extend("examples" = ["/mnt/guards/files"]))]
    pub(in crate::settings) shared_dir: Option<Located<String>>,
    /// Which people are let in: `any_from_issuer`, everybody for whom a trusted issuer vouches. Or write `users_file`; one of
    /// the two.
    #[schemars(extend("enum" = ["any_from_issuer"], "examples" = ["any_from_issuer"]))]
    pub(in crate::settings) users: Option<Located<String>>,
    /// A file that lists the people who are let in, one in a line: `ISSUER SUBJECT`. Read anew when it changes.
    #[schemars(extend("examples" = ["users.txt"]))]
    pub(in crate::settings) users_file: Option<Located<String>>,
    /// A file that lists the people who are let in no more, in the same form; it wins. By default `denied` in
    /// `shared_dir` or, without it, in `data_dir`.
    #[schemars(extend("examples" = ["denied.txt"]))]
    pub(in crate::settings) denied_file: Option<Located<String>>,
    /// How long an access token lives: 10s to 10m, by default 5m.
    #[schemars(extend("examples" = ["5m"]))]
    pub(in crate::settings) token_lifetime: Option<Located<String>>,
    /// An identity provider whose ID-JAGs are taken. At least one.
    #[schemars(extend("examples" = [[{"issuer": "https://idp.acme.example"}]]))]
    pub(in crate::settings) trusted_issuer: Located<Vec<TrustedIssuer>>,
    /// A client that may bring them. At least one.
    #[schemars(extend("examples" = [[{"client_id": "https://hub.acme.example/oauth/client.json"}]]))]
    pub(in crate::settings) client: Located<Vec<GuardClient>>,
    /// The MCP server behind the guard.
    pub(in crate::settings) server: GuardedServer,
    /// The tools that each scope opens; `*` is every tool. A tool that no scope opens is not there.
    #[schemars(extend("examples" = [{"files.read": ["read_file"]}]))]
    pub(in crate::settings) scopes: BTreeMap<String, Located<Vec<Located<String>>>>,
    /// The methods that each scope opens beside tools: `resources/read`, or `resources/*`. One that no scope opens is not
    /// there.
    #[serde(default)]
    #[schemars(extend("examples" = [{"files.read": ["resources/*"]}]))]
    pub(in crate::settings) methods: BTreeMap<String, Located<Vec<Located<String>>>>,
}

/// An identity provider whose ID-JAGs are taken.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::settings) struct TrustedIssuer {
    /// The `iss` of its ID-JAGs, byte for byte.
    #[schemars(extend("examples" = ["https://idp.acme.example"]))]
    pub(in crate::settings) issuer: Located<String>,
    /// Where its key set is. By default discovery says.
    #[schemars(extend("examples" = ["https://idp.acme.example/jwks"]))]
    pub(in crate::settings) jwks_uri: Option<Located<String>>,
    /// Where its discovery document is. By default the issuer + `/.well-known/openid-configuration`.
    #[schemars(extend("examples" = ["https://idp.acme.example/.well-known/openid-configuration"]))]
    pub(in crate::settings) discovery_url: Option<Located<String>>,
    /// The signature algorithms of its ID-JAGs. By default all of these.
    #[schemars(extend("examples" = [["ES256"]]))]
    pub(in crate::settings) algorithms: Option<Located<Vec<Algorithm>>>,
}

/// A client that may bring ID-JAGs. It proves with a signed assertion which one it is (`private_key_jwt`).
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::settings) struct GuardClient {
    /// Its `client_id` here. An https address without `jwks_file` and `jwks_uri` is the address of its document (CIMD), which
    /// says where its keys are.
    #[schemars(extend("examples" = ["https://hub.acme.example/oauth/client.json"]))]
    pub(in crate::settings) client_id: Located<String>,
    /// A file with its public keys (a JWK Set); relative to this file.
    #[schemars(extend("examples" = ["hub.jwks.json"]))]
    pub(in crate::settings) jwks_file: Option<Located<String>>,
    /// Where its key set is.
    #[schemars(extend("examples" = ["https://hub.acme.example/.well-known/jwks.json"]))]
    pub(in crate::settings) jwks_uri: Option<Located<String>>,
}

/// The MCP server behind the guard: a program on standard input, or on a unix socket, or at an address.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::settings) struct GuardedServer {
    /// The program to start, and its arguments: on its standard input for each session or, with `unix_socket`, once; then
    /// `{socket}` in its arguments stands for the path of the socket.
    #[schemars(extend("examples" = [["/usr/bin/node", "dist/index.js"]]))]
    pub(in crate::settings) command: Option<Located<Vec<Located<String>>>>,
    /// The name of a socket in a folder of the guard's own (`run` in `data_dir`, mode 0700), over which the server speaks HTTP.
    #[schemars(extend("examples" = ["server.sock"]))]
    pub(in crate::settings) unix_socket: Option<Located<String>>,
    /// The path of the server's MCP endpoint on the socket, by default `/mcp`.
    #[schemars(extend("examples" = ["/mcp"]))]
    pub(in crate::settings) path: Option<Located<String>>,
    /// The server's address. Only the network can keep others away from it.
    #[schemars(extend("examples" = ["http://ledger.internal:3001/mcp"]))]
    pub(in crate::settings) url: Option<Located<String>>,
    /// The environment of the program: this and nothing else, not even `PATH`.
    #[serde(default)]
    #[schemars(extend("examples" = [{"PATH": "/usr/bin:/bin"}]))]
    pub(in crate::settings) env: BTreeMap<String, Located<String>>,
    /// The folder that the program runs in; relative to this file. By default this file's own.
    #[schemars(extend("examples" = ["./server"]))]
    pub(in crate::settings) folder: Option<Located<String>>,
    /// How the server learns who is calling: `header`, a signed `Deputy-User`, by default where it speaks HTTP; or `meta`,
    /// `_meta["dev.deputy/user"]` of each request, by default for a program on standard input, which has no headers.
    #[schemars(extend("enum" = ["header", "meta"], "examples" = ["header"]))]
    pub(in crate::settings) user: Option<Located<String>>,
    /// Sessions at once: 1 to 10000, by default 64. On standard input each is a process.
    #[schemars(extend("examples" = [64]))]
    pub(in crate::settings) sessions: Option<Located<i64>>,
    /// Sessions of one person through one client at once: 1 to 10000, by default 8.
    #[schemars(extend("examples" = [8]))]
    pub(in crate::settings) sessions_each: Option<Located<i64>>,
    /// How long a session may be unused before it ends: 10s to 24h, by default 10m.
    #[schemars(extend("examples" = ["10m"]))]
    pub(in crate::settings) idle: Option<Located<String>>,
    /// How long one answer of the server's may take: 1s to 10m, by default 5m.
    #[schemars(extend("examples" = ["5m"]))]
    pub(in crate::settings) timeout: Option<Located<String>>,
}
