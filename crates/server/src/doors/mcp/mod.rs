//! `/mcp`: the agents' door. (Being written: each method answers 405 until then. The router expects exactly these names.)

use crate::problem::Problem;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use deputy_hub::{Caller, Hub};
use std::sync::Arc;

/// What the door keeps.
#[derive(Clone)]
pub(crate) struct McpDoor {
    _hub: Arc<Hub>,
}

impl McpDoor {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { _hub: hub }
    }
}

/// `POST /mcp`; the guard put the [`Caller`] among the extensions.
pub(crate) async fn post(State(_door): State<McpDoor>, Extension(_caller): Extension<Caller>) -> Response {
    Problem::method_not_allowed().into_response()
}
/// `GET /mcp`.
pub(crate) async fn get(State(_door): State<McpDoor>, Extension(_caller): Extension<Caller>) -> Response {
    Problem::method_not_allowed().into_response()
}
/// `DELETE /mcp`.
pub(crate) async fn delete(State(_door): State<McpDoor>, Extension(_caller): Extension<Caller>) -> Response {
    Problem::method_not_allowed().into_response()
}
