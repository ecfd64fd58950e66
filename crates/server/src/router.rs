//! All routes, as one table. [`ROUTES`] says who may come in; a test walks it as a stranger (invariant 6).

use crate::caller::{Guard, require};
use crate::doors::tab::TabDoor;
use crate::doors::{
    approvals, connect, connections, definitions, grants, health, login, mcp, oauth, sdk, signals, standing,
    switches, tab, tickets, well_known,
};
use crate::house::House;
use crate::layers::{self, Crowd, Hosts, SMALL_BODY_BYTES};
use crate::problem::Problem;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use deputy_hub::{Door, Hub};
use std::sync::Arc;

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody, and why.
    Anybody(&'static str),
    /// Whoever brings a token; the handler itself checks it, since the door depends on the body.
    TokenInside,
    /// Whoever brings a token for this door.
    Caller(&'static str),
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The path, with `{…}` for what varies.
    pub path: &'static str,
    /// Who may come in.
    pub who: Who,
}

const fn route(method: &'static str, path: &'static str, who: Who) -> Route {
    Route { method, path, who }
}

/// Every route of the hub.
pub const ROUTES: &[Route] = &[
    route("POST", "/mcp", Who::Caller("mcp")),
    route("GET", "/mcp", Who::Caller("mcp")),
    route("DELETE", "/mcp", Who::Caller("mcp")),
    route("POST", "/s/{server}/mcp", Who::Caller("server")),
    route("GET", "/s/{server}/mcp", Who::Caller("server")),
    route("DELETE", "/s/{server}/mcp", Who::Caller("server")),
    route("GET", "/api/approvals", Who::Caller("api")),
    route("POST", "/api/approvals", Who::Caller("api")),
    route("POST", "/api/approvals/{id}", Who::Caller("api")),
    route("GET", "/api/reviews", Who::Caller("api")),
    route("POST", "/api/reviews/{id}", Who::Caller("api")),
    route("GET", "/api/standing-grants", Who::Caller("api")),
    route("DELETE", "/api/standing-grants/{id}", Who::Caller("api")),
    route("GET", "/api/delegations", Who::Caller("api")),
    route("POST", "/api/delegations", Who::Caller("api")),
    route("DELETE", "/api/delegations/{to}", Who::Caller("api")),
    route("GET", "/api/switches", Who::Caller("api")),
    route("POST", "/api/switches", Who::Caller("api")),
    route("DELETE", "/api/switches/{id}", Who::Caller("api")),
    route("GET", "/api/definitions", Who::Caller("api")),
    route("POST", "/api/definitions/{hash}", Who::Caller("api")),
    route("GET", "/api/grants", Who::Caller("api")),
    route("DELETE", "/api/grants/{id}", Who::Caller("api")),
    route("GET", "/api/connections", Who::Caller("api")),
    route("DELETE", "/api/connections/{server}", Who::Caller("api")),
    route("GET", "/login", Who::Anybody("a person signs in here; without a cookie nothing is told")),
    route("GET", "/login/start", Who::Anybody("on the way to the identity provider")),
    route(
        "GET",
        "/login/callback",
        Who::Anybody("back from the identity provider, with what was sealed for it"),
    ),
    route("POST", "/login/end", Who::Anybody("takes away what the cookie has, and nothing without one")),
    route(
        "POST",
        "/login/grants/{id}/end",
        Who::Anybody("the cookie's own permissions alone; else not found"),
    ),
    route("GET", "/login/style.css", Who::Anybody("the style of the pages")),
    route("GET", "/connect/{server}", Who::Anybody("a person's page; without a cookie the way to sign in")),
    route("POST", "/connect/{server}", Who::Anybody("only with the cookie and what was sealed for it")),
    route(
        "GET",
        "/connect/callback",
        Who::Anybody("back from a server's authorization server, in the browser that was sent there"),
    ),
    route(
        "POST",
        "/connect/{server}/end",
        Who::Anybody("the cookie's own connections alone; else not found"),
    ),
    route("GET", "/.well-known/oauth-authorization-server", Who::Anybody("how to sign in (RFC 8414)")),
    route("GET", "/oauth/authorize", Who::Anybody("a browser begins here; the person signs in on the way")),
    route("POST", "/oauth/consent", Who::Anybody("only with the cookie and what was sealed for it")),
    route("POST", "/oauth/token", Who::Anybody("the client proves itself in the form")),
    route("POST", "/oauth/revoke", Who::Anybody("the client proves itself in the form")),
    route("POST", "/oauth/register", Who::Anybody("where the operator allows it (RFC 7591)")),
    route(
        "POST",
        "/logout/backchannel",
        Who::Anybody("an identity provider's signed word that a session ended (Back-Channel Logout 1.0)"),
    ),
    route("POST", "/events/ssf", Who::Anybody("an identity provider's signed word (RFC 8935)")),
    route("POST", "/api/tickets", Who::TokenInside),
    route(
        "POST",
        "/api/tickets/end",
        Who::Anybody("only with what came sealed with a ticket; else not found"),
    ),
    route("OPTIONS", "/api/tickets", Who::Anybody("a browser's preflight carries no token")),
    route("GET", "/tab", Who::Anybody("the first frame carries the ticket; before it nothing is told")),
    route("GET", "/sdk/{*module}", Who::Anybody("pages load the SDK before anybody has signed in")),
    route("GET", "/.well-known/jwks.json", Who::Anybody("public keys")),
    route("GET", "/oauth/client.json", Who::Anybody("who the hub is, for authorization servers (CIMD)")),
    route("GET", "/.well-known/oauth-protected-resource", Who::Anybody("how to sign in (RFC 9728)")),
    route("GET", "/.well-known/oauth-protected-resource/mcp", Who::Anybody("how to sign in (RFC 9728)")),
    route(
        "GET",
        "/.well-known/oauth-protected-resource/s/{server}/mcp",
        Who::Anybody("how to sign in (RFC 9728); the same for a server that does not exist"),
    ),
    route("GET", "/.well-known/oauth-protected-resource/api", Who::Anybody("how to sign in (RFC 9728)")),
    route("GET", "/healthz", Who::Anybody("whether the process lives, and no more")),
    route("GET", "/readyz", Who::Anybody("whether the hub can serve, and no more")),
];

/// The hub's doors.
pub fn router(hub: &Arc<Hub>, hosts: Hosts) -> House {
    let guard = |door| from_fn_with_state(Guard { hub: Arc::clone(hub), door }, require);
    let entrance = layers::Entrance { hub: Arc::clone(hub), hosts, crowd: Crowd::default() };
    let door = mcp::McpDoor::new(Arc::clone(hub));
    let agents = Router::new()
        .route("/mcp", post(mcp::post).get(mcp::get).delete(mcp::delete))
        .with_state(mcp::Doors::Mcp(door.clone()));
    let servers = Router::new()
        .route("/s/{server}/mcp", post(mcp::post).get(mcp::get).delete(mcp::delete))
        .with_state(mcp::Doors::Servers(door.clone()));
    let people = Router::new()
        .route("/api/approvals", get(approvals::list).post(approvals::decide_all))
        .route("/api/approvals/{id}", post(approvals::decide))
        .route("/api/reviews", get(approvals::reviews))
        .route("/api/reviews/{id}", post(approvals::review))
        .route("/api/standing-grants", get(standing::grants))
        .route("/api/standing-grants/{id}", delete(standing::revoke))
        .route("/api/delegations", get(standing::delegations).post(standing::delegate))
        .route("/api/delegations/{to}", delete(standing::undelegate))
        .route("/api/switches", get(switches::list).post(switches::throw))
        .route("/api/switches/{id}", delete(switches::release))
        .route("/api/grants", get(grants::list))
        .route("/api/grants/{id}", delete(grants::end))
        .route("/api/connections", get(connections::list))
        .route("/api/connections/{server}", delete(connections::end))
        .route("/api/definitions", get(definitions::list))
        .route("/api/definitions/{hash}", post(definitions::decide))
        .with_state(Arc::clone(hub))
        .route_layer(guard(Door::Api))
        .route_layer(from_fn(layers::in_time));
    let tabs = Router::new().route("/tab", get(tab::open)).with_state(TabDoor::new(Arc::clone(hub)));
    let open = Router::new()
        .route("/api/tickets", post(tickets::issue).options(tickets::preflight))
        .route("/api/tickets/end", post(tickets::end))
        .route("/sdk/{*module}", get(sdk::module))
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route("/oauth/client.json", get(well_known::client))
        .route("/.well-known/oauth-protected-resource", get(well_known::mcp))
        .route("/.well-known/oauth-protected-resource/mcp", get(well_known::mcp))
        .route("/.well-known/oauth-protected-resource/s/{server}/mcp", get(well_known::server))
        .route("/.well-known/oauth-protected-resource/api", get(well_known::api))
        .route("/login", get(login::home))
        .route("/login/start", get(login::start))
        .route("/login/callback", get(login::callback))
        .route("/login/end", post(login::end))
        .route("/login/grants/{id}/end", post(login::end_grant))
        .route("/login/style.css", get(login::style))
        .route("/connect/{server}", get(connect::page).post(connect::start))
        .route("/connect/callback", get(connect::callback))
        .route("/connect/{server}/end", post(connect::end))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata))
        .route("/oauth/authorize", get(oauth::authorize))
        .route("/oauth/consent", post(oauth::consent))
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/revoke", post(oauth::revoke))
        .route("/oauth/register", post(oauth::register))
        .route("/logout/backchannel", post(signals::logout))
        .route("/events/ssf", post(signals::pushed))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .with_state(Arc::clone(hub))
        .route_layer(from_fn(layers::in_time));
    let all = Router::new()
        .merge(agents)
        .merge(servers)
        .merge(people)
        .merge(tabs)
        .merge(open)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(SMALL_BODY_BYTES));
    House::new(entrance, door, all)
}
