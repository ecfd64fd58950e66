//! `user_oauth`: each person lets the hub use a server in their name, at the server's own authorization server. What they
//! consented to is kept sealed, renewed for as long as it is used, and given back when it ends.

mod client;
mod giving_back;
mod page;
mod step_up;
mod tokens;

pub use page::{ConnectFault, Connecting};

use super::asking::Fresh;
use super::kept::Key;
use super::refusal::Fault;
use super::{Asker, AtServer, Connection, Exchange, Way};
use crate::access::AccessError;
use crate::ports::Consent;
use crate::vault::VaultFault;
use deputy_core::{Digest, Secret, SourceName};
use deputy_identity::exchange::user_oauth::Consented;
use deputy_identity::exchange::{Access, ExchangeError, Granted};
use deputy_identity::login;
use deputy_vault::{PersonPlace, Sealed};
use page::Pending;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use step_up::Steps;
use tokens::Tokens;

/// Where authorization servers send browsers back: one address for all.
pub const CALLBACK: &str = "/connect/callback";
/// How long a consent is kept that nobody uses.
const UNUSED: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long after a renewal that a server forced its next refusal means that renewing does not help.
const FORCED: Duration = Duration::from_secs(60);
/// What may be remembered of each kind.
const MOST: usize = 100_000;

/// What is going on just now; nothing of it is written anywhere.
#[derive(Default)]
pub(super) struct Open {
    /// Browsers that were sent away, by the hash of their `state`.
    pending: Mutex<HashMap<Digest, Pending>>,
    /// Access tokens that a server refused, by the version of the consent, and when.
    refused: Mutex<HashMap<Key, (u64, Duration)>>,
    /// What servers want beyond what was consented to.
    steps: Mutex<Steps>,
    registering: tokio::sync::Mutex<()>,
}

impl Open {
    pub(super) fn sweep(&self, now: Duration) {
        let lock = PoisonError::into_inner;
        self.pending.lock().unwrap_or_else(lock).retain(|_, pending| pending.until > now);
        let lasts = |at: &Duration| now.saturating_sub(*at) < FORCED;
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, at)| lasts(at));
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
    }
}

impl Exchange {
    /// The hub's page on which a person connects a server.
    pub(super) fn connect_page(&self, server: &SourceName) -> String {
        format!("{}/connect/{server}", self.public_url)
    }

    /// The token of a person who consented: the one that is kept, while it lasts, else a new one.
    pub(super) async fn consented(
        &self,
        connection: &Connection,
        at: &AtServer,
        asker: &Asker,
    ) -> Result<Fresh, Fault> {
        let consent = self.access.consent(&asker.user, &connection.server).ok_or(Fault::Consent)?;
        if self.documents.contradicts(connection).await {
            return Err(Fault::Astray);
        }
        // What was consented to elsewhere, or for something else, is worth nothing here.
        let Way::UserOauth { consent: settings, .. } = &connection.way else { return Err(Fault::Internal) };
        let is_elsewhere = consent.issuer != at.issuer
            || (settings.is_resource_pinned && consent.resource != connection.resource);
        if is_elsewhere {
            self.access.end_consent(&asker.user, &connection.server, "settings_changed");
            return Err(Fault::Consent);
        }
        let tokens = self.opened(&consent).await?;
        let now = self.clock.now();
        let key = Key::of(connection, asker);
        let is_refused = self.refused().get(&key).is_some_and(|(version, _)| *version == consent.version);
        if !is_refused && let Some(token) = tokens.access(now) {
            return Ok(self.fresh(token, None, tokens.access_ends()));
        }
        let Some(refresh_token) = tokens.refresh() else {
            self.access.end_consent(&asker.user, &connection.server, "ended");
            return Err(Fault::Consent);
        };
        let form = login::refresh(&refresh_token, &[], Some(&consent.resource));
        match self.as_client(connection, at, form).await {
            Ok(body) => self.renewed(connection, &consent, &tokens, body.expose()).await,
            Err(Fault::Server(ExchangeError::InvalidGrant)) => {
                self.access.end_consent(&asker.user, &connection.server, "refused");
                Err(Fault::Consent)
            }
            Err(fault) => Err(fault),
        }
    }

    /// What the authorization server gave anew, kept before it is used.
    async fn renewed(
        &self,
        connection: &Connection,
        consent: &Consent,
        before: &Tokens,
        body: &[u8],
    ) -> Result<Fresh, Fault> {
        let answer = Consented::read(body, pinned_scopes(connection)).map_err(Fault::Server)?;
        let now = self.clock.now();
        let tokens = Tokens::of(&answer, now, Some(before));
        let scopes = match &answer.access.granted {
            Granted::AsAsked => consent.scopes.clone(),
            Granted::Scopes(scopes) => scopes.clone(),
        };
        let mut next = Consent {
            scopes,
            renewed_at: now,
            ends_at: tokens.kept_until(now),
            version: consent.version.saturating_add(1),
            ..consent.clone()
        };
        next.sealed = self.sealed(&next.place(), &tokens).await?;
        match self.access.renew_consent(next).await {
            Ok(_) => Ok(self.fresh(answer.access, None, tokens.access_ends())),
            Err(AccessError::Ended) => Err(Fault::Consent),
            Err(error) => {
                tracing::error!(%error, server = %consent.server, "renewed tokens cannot be kept");
                Err(Fault::Audit)
            }
        }
    }

    /// The server refused the token that it was sent (401). One renewal, then the person consents anew. `true`: ask again.
    pub(super) fn refused_consent(&self, connection: &Connection, asker: &Asker, sent: &Digest) -> bool {
        let Some(consent) = self.access.consent(&asker.user, &connection.server) else { return true };
        let key = Key::of(connection, asker);
        let now = self.clock.elapsed();
        let current = self.kept().current(&key);
        let is_current = current
            .is_some_and(|token| Digest::of_bytes(Self::header_of(&token).expose().as_bytes()) == *sent);
        if !is_current {
            // Somebody else came with the same token, and there is a newer one by now.
            return true;
        }
        let mut refused = self.refused();
        let was_forced = refused.get(&key).is_some_and(|(version, at)| {
            consent.version == version.saturating_add(1) && now.saturating_sub(*at) < FORCED
        });
        if !was_forced && refused.len() < MOST {
            refused.insert(key.clone(), (consent.version, now));
        }
        drop(refused);
        if was_forced {
            self.access.end_consent(&asker.user, &connection.server, "refused_by_server");
        }
        self.kept().drop_one(&key);
        true
    }

    async fn opened(&self, consent: &Consent) -> Result<Tokens, Fault> {
        let vault = self.vault.as_ref().ok_or(Fault::Vault("vault_sealed"))?;
        let opened =
            vault.open(&consent.place(), &consent.sealed).await.map_err(|fault| vault_fault(&fault))?;
        Tokens::read(&opened).ok_or(Fault::Vault("consent_unreadable"))
    }

    async fn sealed(&self, place: &PersonPlace, tokens: &Tokens) -> Result<Sealed, Fault> {
        let vault = self.vault.as_ref().ok_or(Fault::Vault("vault_sealed"))?;
        let text = tokens.to_bytes().ok_or(Fault::Internal)?;
        vault.seal(place, &text).await.map_err(|fault| vault_fault(&fault))
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, HashMap<Key, (u64, Duration)>> {
        self.consents.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beyond which scopes nothing is taken; `None`: that is not pinned.
fn pinned_scopes(connection: &Connection) -> Option<&[String]> {
    match &connection.way {
        Way::UserOauth { consent, .. } if consent.are_scopes_pinned => Some(&connection.scopes),
        _ => None,
    }
}

fn vault_fault(fault: &VaultFault) -> Fault {
    tracing::error!(%fault, "what a person consented to cannot be sealed or opened");
    Fault::Vault(fault.code())
}

/// An access token as an exchange brings it.
fn access(token: Secret<String>, expires_in: Option<Duration>, granted: Granted) -> Access {
    Access { token, expires_in, granted }
}
