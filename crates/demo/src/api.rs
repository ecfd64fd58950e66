//! The JSON API that the pages, and the tools in them, use. The CRM's own permissions are checked here.

use crate::contacts::{Contact, ContactChange};
use crate::people::Role;
use crate::problem::Problem;
use crate::sessions::Session;
use crate::shell::Signed;
use crate::world::World;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What a search may say.
#[derive(Deserialize)]
pub(crate) struct Search {
    query: Option<String>,
}

/// A note to add.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNote {
    text: String,
}

/// How slow the slow report is.
#[derive(Deserialize)]
pub(crate) struct Pace {
    seconds: u64,
}

type Shared = State<Arc<World>>;
type Body<T> = Result<Json<T>, JsonRejection>;

/// `GET /api/contacts?query=`: the contacts of the person's organisation.
pub(crate) async fn list(
    State(world): Shared,
    Signed(session): Signed,
    Query(search): Query<Search>,
) -> Json<Value> {
    let contacts = world.contacts();
    Json(json!({ "contacts": contacts.find(session.person.organisation, search.query.as_deref()) }))
}

/// `GET /api/contacts/{id}`.
pub(crate) async fn one(
    State(world): Shared,
    Signed(session): Signed,
    Path(id): Path<String>,
) -> Result<Json<Contact>, Problem> {
    let contacts = world.contacts();
    contacts.one(session.person.organisation, &id).cloned().map(Json).ok_or(Problem::NotFound(id))
}

/// `PATCH /api/contacts/{id}`.
pub(crate) async fn change(
    State(world): Shared,
    Signed(session): Signed,
    Path(id): Path<String>,
    change: Body<ContactChange>,
) -> Result<Json<Contact>, Problem> {
    may_write(&session)?;
    let Json(change) = readable(change)?;
    let mut contacts = world.contacts();
    let changed = contacts.change(session.person.organisation, &id, change).cloned();
    changed.map(Json).ok_or(Problem::NotFound(id))
}

/// `POST /api/contacts/{id}/notes`.
pub(crate) async fn note(
    State(world): Shared,
    Signed(session): Signed,
    Path(id): Path<String>,
    note: Body<NewNote>,
) -> Result<Json<Contact>, Problem> {
    may_write(&session)?;
    let Json(NewNote { text }) = readable(note)?;
    let mut contacts = world.contacts();
    contacts.note(session.person.organisation, &id, text).cloned().map(Json).ok_or(Problem::NotFound(id))
}

/// `DELETE /api/contacts/{id}`.
pub(crate) async fn remove(
    State(world): Shared,
    Signed(session): Signed,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    may_write(&session)?;
    let removed = world.contacts().remove(session.person.organisation, &id).ok_or(Problem::NotFound(id))?;
    Ok(Json(json!({ "deleted": removed.id })))
}

/// `GET /api/report?seconds=`: takes as long as it is told, at most ten minutes; stops when the asker goes away.
pub(crate) async fn report(
    State(world): Shared,
    Signed(session): Signed,
    Query(pace): Query<Pace>,
) -> Json<Value> {
    tokio::time::sleep(Duration::from_secs(pace.seconds.min(600))).await;
    let contacts = world.contacts();
    let all = contacts.find(session.person.organisation, None);
    let pipeline_eur: u32 = all.iter().flat_map(|contact| &contact.deals).map(|deal| deal.amount_eur).sum();
    Json(json!({ "contacts": all.len(), "pipeline_eur": pipeline_eur }))
}

fn may_write(session: &Session) -> Result<(), Problem> {
    match session.person.role {
        Role::Editor => Ok(()),
        Role::Reader => Err(Problem::ReadOnly(session.person.name.clone())),
    }
}

fn readable<T>(body: Body<T>) -> Result<Json<T>, Problem> {
    body.map_err(|rejection| Problem::BadRequest(rejection.body_text()))
}
