//! What open streams ask again and again: what this caller may still see, and what of it has changed.

use super::Hub;
use crate::intent::Reach;
use crate::servers::{Server, ServerTools};
use deputy_core::{SourceName, Timestamp, Tool};
use std::sync::Arc;

impl Hub {
    /// Counts up when a server says that its tools changed of which this caller sees any. A server that they may not reach
    /// (any more) counts for nothing.
    #[must_use]
    pub fn server_changes(&self, reach: &Reach) -> u64 {
        let own = self.servers.seen(reach);
        own.iter()
            .filter(|(server, seen, _)| self.may_hear_of_tools(reach, server, seen.as_deref()))
            .map(|(server, _, changes)| changes.wrapping_add(self.connections(reach, server)))
            .fold(0, u64::wrapping_add)
    }

    /// Another number each time that this person connects a server, or ends that: their list of it is another then.
    #[must_use]
    pub fn connections(&self, reach: &Reach, server: &Server) -> u64 {
        self.connected_at(reach.user(), &server.name).map_or(0, Timestamp::millis)
    }

    /// The tools of one server that this caller sees, as they were listed last. `None`: the server is not theirs to hear
    /// of now.
    #[must_use]
    pub fn seen_tools(&self, reach: &Reach, server: &Server) -> Option<Vec<Arc<Tool>>> {
        let seen = self.servers.seen_of(reach, server);
        if !self.may_hear_of_tools(reach, server, seen.as_deref()) {
            return None;
        }
        let mut shows = self.showing(reach);
        let tools = seen.iter().flat_map(|seen| &seen.tools).map(|offered| &offered.tool);
        Some(tools.filter(|tool| shows(tool)).cloned().collect())
    }

    /// Whether this caller may be told that a resource of a server was updated.
    #[must_use]
    pub fn may_hear_of_resources(&self, reach: &Reach, server: &SourceName) -> bool {
        let server = self.servers.of(&reach.user().tenant, server);
        server.is_some_and(|server| self.may_look(reach, server, "resources/list"))
    }

    /// Resolves as soon as the person is stopped, or signed out: then nothing that was opened for them stays open.
    pub async fn until_person_stopped(&self, reach: &Reach) {
        self.thrown.until_person_stopped(reach.caller()).await;
    }

    /// Of a server whose tools are not known yet, everybody hears who is not stopped.
    fn may_hear_of_tools(&self, reach: &Reach, server: &Server, seen: Option<&ServerTools>) -> bool {
        if self.thrown.stops_server(reach.caller(), &server.name) {
            return false;
        }
        let mut shows = self.showing(reach);
        seen.is_none_or(|seen| seen.tools.is_empty() || seen.tools.iter().any(|offered| shows(&offered.tool)))
    }
}
