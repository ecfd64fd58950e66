//! `GET /tab`: the tabs' door (`docs/reference/tab-protocol.md`). The socket lives here, its lane in the hub.

mod conversation;
mod exact;
mod guarded;
mod link;
mod socket;

use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use deputy_core::Origin;
use deputy_hub::Hub;
use deputy_protocol::tab::SUBPROTOCOL;
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Sockets that have not said who they are yet; more wait outside (R15).
const UNWELCOMED: usize = 4096;

/// What the door keeps: the hub, and how many strangers stand in it.
#[derive(Clone)]
pub(crate) struct TabDoor {
    hub: Arc<Hub>,
    unwelcomed: Arc<Semaphore>,
}

impl TabDoor {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, unwelcomed: Arc::new(Semaphore::new(UNWELCOMED)) }
    }
}

/// Upgrades a request to a socket: right origin (P4), right subprotocol, and no credential anywhere but in `hello` (P2).
pub(crate) async fn open(State(door): State<TabDoor>, mut request: Request) -> Response {
    let (origin, accept) = match handshake(&door.hub, request.headers()) {
        Ok(found) => found,
        Err(problem) => return problem.into_response(),
    };
    let Ok(place) = Arc::clone(&door.unwelcomed).try_acquire_owned() else {
        return Problem::busy().into_response();
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Problem::bad_request("this connection cannot be upgraded to a WebSocket").into_response();
    };
    door.hub.clone().supervisor().start(async move {
        let Ok(upgraded) = upgrade.await else { return };
        conversation::hold(door.hub, origin, upgraded, place).await;
    });
    let headers = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
        (header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL.to_owned()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// RFC 6455 section 4.2.1, and whose page it is.
fn handshake(hub: &Hub, headers: &HeaderMap) -> Result<(Origin, String), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let lists = |name, word: &str| text(name).split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
    if !lists(header::CONNECTION, "upgrade") || !lists(header::UPGRADE, "websocket") {
        return Err(Problem::bad_request("this is a WebSocket address: send an upgrade request"));
    }
    if text(header::SEC_WEBSOCKET_VERSION) != "13" || !lists(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Problem::bad_request("speak WebSocket version 13 with subprotocol `deputy.tab.v1`"));
    }
    let origin = Origin::new(text(header::ORIGIN)).ok().filter(|origin| hub.knows_origin(origin));
    let Some(origin) = origin else {
        hub.count_refused("tab", "origin_not_configured");
        return Err(Problem::forbidden("the page's origin is not configured in any [[app]]"));
    };
    let key = text(header::SEC_WEBSOCKET_KEY);
    if key.len() != 24 {
        return Err(Problem::bad_request("`Sec-WebSocket-Key` is not 16 bytes in base64"));
    }
    Ok((origin, derive_accept_key(key.as_bytes())))
}
