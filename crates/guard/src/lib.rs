//! What makes an MCP server that knows no identity one that a person's agents may use with that person's rights, so that a
//! guard runs without a hub.
//!
//! A [`Guard`] is the authorization server of one resource. An identity provider that it trusts says in an ID-JAG who a
//! person is; a client that it knows redeems that once for a short-lived access token; and every request is checked by
//! itself, down to the tool. In front of a server that is a program or an address stands a [`Proxy`] ([`router`], and
//! `deputy guard` around it). A server written in Rust needs no process in front: it takes the guard as a [`layer`].
//!
//! ```no_run
//! use axum::{Extension, Router, routing::post};
//! use deputy_guard::{Guard, GuardedUser, Settings, Tasks, layer};
//!
//! async fn tools(Extension(user): Extension<GuardedUser>) -> String {
//!     format!("{} at {}", user.person().subject, user.person().issuer)
//! }
//!
//! fn guarded(settings: Settings, tasks: Tasks) -> Result<Router, deputy_guard::GuardError> {
//!     let guard = Guard::open(settings, tasks)?;
//!     let server = Router::new().route("/mcp", post(tools)).layer(layer(&guard));
//!     // The guard's own addresses: metadata, keys, the token endpoint.
//!     Ok(server.merge(guard.routes()))
//! }
//! ```
//!
//! Ring 3: it never sees the hub, the doors, the tables or the hub's way out; it has an HTTP client and processes of its own.

mod bearer;
mod bound;
mod clients;
mod clock;
mod entrance;
mod error;
mod fetch;
mod files;
mod guard;
mod issuers;
mod kept;
mod keys;
mod layer;
mod lines;
mod message;
mod people;
mod person;
mod policy;
mod process;
mod proxy;
mod relayed;
mod routes;
mod serve;
mod session;
mod sessions;
pub mod settings;
mod spent;
mod sse;
mod tasks;
mod token;
mod upstream;
mod user;
mod well_known;

pub use clock::Clock;
pub use error::GuardError;
pub use guard::Guard;
pub use layer::{GuardLayer, GuardService, layer};
pub use person::Person;
pub use policy::{Scope, Scopes};
pub use proxy::Proxy;
pub use routes::router;
pub use serve::serve;
pub use settings::Settings;
pub use tasks::Tasks;
pub use user::GuardedUser;
