//! What hostile bytes may never do to a parser that meets strangers: one function per parser, each with its own claim.
//!
//! The same bodies run in two ways. `tests/seeds.rs` feeds them the seeds of `fuzz/corpus` and some thousand changed copies,
//! the same ones every time; libFuzzer (`fuzz/fuzz_targets`) feeds them whatever leads somewhere new. A body that finds
//! something panics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target that finds something should stop, at the line where it does"
)]

mod answers;
mod doors;
mod guard;
mod identity;
mod json;
mod lines;
mod log;
pub mod mutate;
mod openapi;
mod policy;
mod settings;
mod sign_in;
mod trace;
mod wire;

/// One parser under fire.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name; its seeds are in `fuzz/corpus/{name}`.
    pub name: &'static str,
    /// What is done with some bytes. It panics if its claim does not hold.
    pub body: fn(&[u8]),
    /// How many changed copies of its seeds the quick run makes: the slower the body, the fewer.
    pub copies: u32,
}

const fn target(name: &'static str, body: fn(&[u8]), copies: u32) -> Target {
    Target { name, body, copies }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("canonical", json::canonical, 4000),
    target("schema", json::schema, 3000),
    target("definition", json::definition, 3000),
    target("manifest", json::manifest, 2000),
    target("openapi", openapi::openapi, 1500),
    target("tab", wire::tab, 3000),
    target("jsonrpc", wire::jsonrpc, 4000),
    target("headers", wire::headers, 4000),
    target("trace", trace::trace, 4000),
    target("words", lines::words, 4000),
    target("answer", answers::answer, 3000),
    target("text", answers::text, 4000),
    target("token", identity::token, 3000),
    target("claims", identity::claims, 2000),
    target("keys", identity::keys, 2000),
    target("discovery", identity::discovery, 3000),
    target("sealed", identity::sealed, 3000),
    target("assertion", sign_in::assertion, 2000),
    target("id_jag", sign_in::id_jag, 2000),
    target("login", sign_in::login, 2000),
    target("logout", sign_in::logout, 2000),
    target("event", sign_in::event, 2000),
    target("callback", sign_in::callback, 4000),
    target("authorize", sign_in::authorize, 4000),
    target("token_request", sign_in::token_request, 4000),
    target("client", sign_in::client, 3000),
    target("exchange", sign_in::exchange, 3000),
    target("policy", policy::policy, 200),
    target("policy_case", policy::case, 1000),
    target("policy_arguments", policy::arguments, 500),
    target("checkpoint", log::checkpoint, 500),
    target("proof", log::proof, 1000),
    target("line", log::line, 3000),
    target("log", log::log, 80),
    target("bundle", log::bundle, 80),
    target("settings", settings::settings, 2000),
    target("doors", doors::doors, 2000),
    target("guard", guard::guard, 600),
];

/// Runs one target, by its name.
///
/// # Panics
/// If its claim does not hold, or if there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("there is no target `{name}`")).body)(data);
}

/// The text that the bytes are, if they are one.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// The first line, and the rest.
fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}
