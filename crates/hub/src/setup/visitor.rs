//! A person at a page of the hub's, as policy sees them: whether there is anything of a server that an agent could do for them.

use super::Hub;
use crate::ports::Login;
use deputy_core::{Agent, Client, Digest, Facts, SourceName, User};

/// Somebody who is signed in at the hub, through no agent.
struct Visitor<'a> {
    login: &'a Login,
    agent: Agent,
    client: Client,
}

impl Facts for Visitor<'_> {
    fn user(&self) -> &User {
        &self.login.user
    }
    fn agent(&self) -> &Agent {
        &self.agent
    }
    fn client(&self) -> &Client {
        &self.client
    }
    fn groups(&self) -> &[String] {
        &self.login.groups
    }
    fn approved(&self, _: &Digest) -> bool {
        false
    }
}

impl Hub {
    /// Whether policy could let this person's agents do anything at a server: who may nothing there is not shown that there is
    /// one (invariant 7).
    #[must_use]
    pub fn may_connect(&self, login: &Login, server: &SourceName) -> bool {
        let Some(server) = self.servers.of(&login.user.tenant, server) else { return false };
        let visitor = Visitor { login, agent: Agent::default(), client: Client(String::new()) };
        self.corridor.might_use(&visitor, server)
    }
}
