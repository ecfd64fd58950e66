//! A person's own connections to servers (`user_oauth`): begun, ended, and what their agents hear of it.

use super::Hub;
use crate::exchange::consent::ConnectFault;
use crate::ports::Login;
use deputy_core::{SourceName, Timestamp, User};

impl Hub {
    /// A browser comes back from the authorization server of a server, in which this login is signed in, if any is. From here on
    /// the person's agents see the server's tools.
    ///
    /// # Errors
    /// See [`ConnectFault`].
    pub async fn connected(&self, login: Option<&Login>, query: &[u8]) -> Result<SourceName, ConnectFault> {
        let server = self.exchange.arrive(login, query).await?;
        if let Some(login) = login {
            self.tabs.bump(&login.user);
        }
        Ok(server)
    }

    /// A person takes back what they had allowed at a server: their agents do not see its tools from here on. `false`: there is
    /// nothing of the kind.
    #[must_use]
    pub fn disconnect(&self, user: &User, server: &SourceName) -> bool {
        let is_ended = self.exchange.disconnect(user, server);
        if is_ended {
            self.tabs.bump(user);
        }
        is_ended
    }

    /// When this person let the hub use a server in their name, last; `None`: they did not, or it has ended.
    #[must_use]
    pub fn connected_at(&self, user: &User, server: &SourceName) -> Option<Timestamp> {
        self.access.consent(user, server).map(|consent| consent.given_at)
    }
}
