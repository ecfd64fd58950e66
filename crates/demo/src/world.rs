//! The CRM's state, and the list of everything it answers.

use crate::assertion::HubKeys;
use crate::contacts::Contacts;
use crate::login::Login;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::{api, deputy, login, outbound, pages, shell};
use axum::routing::{get, patch, post};
use axum::{Router, middleware};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything that a request may need.
pub(crate) struct World {
    /// Where everybody is.
    pub(crate) settings: Settings,
    /// The way to the identity provider and the hub.
    pub(crate) client: reqwest::Client,
    /// Who is signed in.
    pub(crate) sessions: Sessions,
    /// Sign-ins under way.
    pub(crate) login: Login,
    /// The hub's public keys.
    pub(crate) hub_keys: HubKeys,
    contacts: Mutex<Contacts>,
}

impl World {
    /// A fresh world with sample contacts.
    ///
    /// # Errors
    /// The TLS backend cannot be set up.
    pub(crate) fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: outbound::client([&settings.issuer, &settings.hub])?,
            settings,
            sessions: Sessions::default(),
            login: Login::default(),
            hub_keys: HubKeys::default(),
            contacts: Mutex::new(Contacts::sample()),
        })
    }

    /// The contacts, for as long as one answer takes to put together.
    pub(crate) fn contacts(&self) -> MutexGuard<'_, Contacts> {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every route of the CRM.
pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/contacts/{id}", get(pages::contact))
        .route("/plain", get(pages::plain))
        .route("/sign-in", get(login::start))
        .route("/callback", get(login::finish))
        .route("/sign-out", post(login::sign_out))
        .route("/session", get(deputy::session))
        .route("/deputy/ticket", post(deputy::ticket))
        .route("/api/contacts", get(api::list))
        .route("/api/contacts/{id}", patch(api::change).get(api::one).delete(api::remove))
        .route("/api/contacts/{id}/notes", post(api::note))
        .route("/api/report", get(api::report))
        .route("/assets/{name}", get(shell::asset))
        .layer(middleware::from_fn_with_state(Arc::clone(&world), shell::guard))
        .with_state(world)
}
