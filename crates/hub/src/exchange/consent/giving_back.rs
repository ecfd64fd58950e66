//! What ended here is given back to the authorization server, where it takes it (RFC 7009): once, and if that fails it ends there
//! by itself.

use super::super::refusal::Fault;
use super::super::{Connection, Exchange, Way};
use crate::ports::{Consent, ToldBy};
use deputy_identity::exchange::user_oauth::give_back;
use std::sync::Arc;
use std::time::Duration;

/// How long giving one back may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl Exchange {
    /// Gives tokens back whose consent ended, until the hub stops.
    pub(crate) async fn give_back_ended(self: Arc<Self>) {
        let mut ended = self.access.ended_consents();
        while let Some(consent) = ended.recv().await {
            let (own, server) = (Arc::clone(&self), consent.server.clone());
            let given = tokio::time::timeout(PATIENCE, own.give_back(&consent)).await;
            if !matches!(given, Ok(Ok(()))) {
                tracing::info!(%server, "tokens could not be given back; they end by themselves");
            }
        }
    }

    async fn give_back(&self, consent: &Consent) -> Result<(), Fault> {
        let connection = self.connections.get(&consent.server).ok_or(Fault::Internal)?;
        let Way::UserOauth { at, .. } = &connection.way else { return Err(Fault::Internal) };
        if consent.issuer != at.issuer {
            return Err(Fault::Internal);
        }
        let tokens = self.opened(consent).await?;
        let metadata = self.metadata(at).await?;
        let endpoint = metadata.as_ref().and_then(|metadata| metadata.revocation_endpoint());
        let endpoint = endpoint.ok_or(Fault::Document("it takes no token back"))?;
        let known = self.known_as(connection as &Arc<Connection>, at, metadata.as_deref(), &[]).await?;
        // The refresh token first: with it most authorization servers end all that came of it.
        let refresh = tokens.refresh().map(|token| (token, "refresh_token"));
        for (token, kind) in refresh.into_iter().chain([(tokens.access_token(), "access_token")]) {
            let proof = self.proof_of(&known, at)?;
            let form = give_back(&token, kind).and(proof.fields);
            let answer = self.posted(&endpoint, ToldBy::Operator, form, proof.authorization).await?;
            answer.map_err(Fault::Server)?;
        }
        Ok(())
    }
}
