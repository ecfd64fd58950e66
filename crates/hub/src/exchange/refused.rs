//! A server refused a token: what that means for it, and for whoever asked.

use super::{Asker, Exchange, ExchangeRefusal, Way};
use deputy_core::{Digest, Secret, SourceName};
use deputy_identity::exchange::user_oauth::Challenge;

/// How a server refused a request.
#[derive(Debug, Clone, Copy)]
pub struct ServerRefusal<'a> {
    /// 401 or 403.
    pub status: u16,
    /// `WWW-Authenticate`, if it is text.
    pub challenge: Option<&'a str>,
    /// The hash of the credential that it was sent, as it stood in the header.
    pub sent: Option<Digest>,
}

impl Exchange {
    /// A server refused what it was sent. `true`: there is something better now, so ask once more.
    ///
    /// # Errors
    /// What the agent is told instead of the server's answer: the person has to consent to more first.
    pub async fn refused_by(
        &self,
        asker: &Asker,
        server: &SourceName,
        refusal: ServerRefusal<'_>,
    ) -> Result<bool, ExchangeRefusal> {
        let Some(connection) = self.connections.get(server) else { return Ok(false) };
        if let Some(text) = refusal.challenge
            && self.is_led_astray(asker, server, text).await
        {
            return Ok(false);
        }
        match (&connection.way, refusal.status) {
            (Way::UserOauth { .. }, 401) => {
                let sent = refusal.sent.unwrap_or_else(|| Digest::of_bytes(b""));
                Ok(self.refused_consent(connection, asker, &sent))
            }
            (Way::UserOauth { .. }, _) => {
                let challenge = refusal.challenge.map(Challenge::read).unwrap_or_default();
                self.step_up(connection, asker, &challenge).map_or(Ok(false), Err)
            }
            // Of the other ways a 403 wants more than is configured: nothing is widened at a server's word.
            (_, status) => Ok(status == 401 && self.drop_token(asker, server)),
        }
    }

    /// A token as it stands in the header.
    #[must_use]
    pub fn header_of(token: &Secret<String>) -> Secret<String> {
        Secret::new(format!("Bearer {}", token.expose()))
    }
}
