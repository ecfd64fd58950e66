//! Who acts in a world, and what they do there.

use super::{APP, OPERATORS, ORIGIN, PUBLIC_URL, World};
use crate::{FakeTab, TestIssuer};
use deputy_core::DocumentId;
use deputy_hub::definitions::Word;
use deputy_hub::ports::Clock as _;
use deputy_hub::tickets::TicketWish;
use deputy_hub::{CallEvent, Caller, Door, Refused, ToolAnswer, Wish};
use serde_json::json;

impl World {
    /// An access token for the hub's door at `path` (`/mcp`, `/api`).
    #[must_use]
    pub fn access_token(&self, subject: &str, path: &str) -> String {
        let client = if path == "/api" { "people" } else { "agent-1" };
        self.token_of(client, subject, path)
    }

    /// The same, of another client.
    #[must_use]
    pub fn token_of(&self, client: &str, subject: &str, path: &str) -> String {
        self.token_with(client, subject, path, &[])
    }

    fn token_with(&self, client: &str, subject: &str, path: &str, groups: &[&str]) -> String {
        let now = self.clock.now().seconds();
        let claims = json!({
            "iss": TestIssuer::ISSUER, "sub": subject, "aud": format!("{PUBLIC_URL}{path}"), "client_id": client,
            "iat": now, "exp": now + 3600, "jti": format!("{subject}{path}"), "groups": groups,
        });
        self.issuer.sign("at+jwt", &claims)
    }

    /// An access token for `/api` of a person in these groups.
    #[must_use]
    pub fn token_in_groups(&self, subject: &str, groups: &[&str]) -> String {
        let now = self.clock.now().seconds();
        let claims = json!({
            "iss": TestIssuer::ISSUER, "sub": subject, "aud": format!("{PUBLIC_URL}/api"), "client_id": "people",
            "iat": now, "exp": now + 3600, "groups": groups,
        });
        self.issuer.sign("at+jwt", &claims)
    }

    /// A signed-in operator.
    pub async fn operator(&self, subject: &str) -> Caller {
        self.hub.authenticate(&Door::Api, &self.token_in_groups(subject, &[OPERATORS])).await.unwrap()
    }

    /// An ID token for the app.
    #[must_use]
    pub fn id_token(&self, subject: &str) -> String {
        let now = self.clock.now().seconds();
        let claims = json!({ "iss": TestIssuer::ISSUER, "sub": subject, "aud": "crm-web", "iat": now, "exp": now + 3600 });
        self.issuer.sign("JWT", &claims)
    }

    /// A caller at `/mcp`.
    pub async fn caller(&self, subject: &str) -> Caller {
        self.hub.authenticate(&Door::Mcp, &self.access_token(subject, "/mcp")).await.unwrap()
    }

    /// A caller at `/s/{server}/mcp`.
    pub async fn caller_at(&self, server: &str, subject: &str) -> Caller {
        let token = self.access_token(subject, &format!("/s/{server}/mcp"));
        self.hub.authenticate(&Door::Server(server.parse().unwrap()), &token).await.unwrap()
    }

    /// A caller at `/api`.
    pub async fn person(&self, subject: &str) -> Caller {
        self.person_in(subject, &[]).await
    }

    /// A caller at `/api` whose token has these groups.
    pub async fn person_in(&self, subject: &str, groups: &[&str]) -> Caller {
        let token = self.token_with("people", subject, "/api", groups);
        self.hub.authenticate(&Door::Api, &token).await.unwrap()
    }

    /// A ticket's text.
    pub async fn ticket(&self, subject: &str) -> String {
        let wish = TicketWish {
            app: APP.parse().unwrap(),
            origin: ORIGIN.parse().unwrap(),
            session_expires_at: None,
            session: None,
        };
        let issued = self.hub.tickets().issue(&self.id_token(subject), wish).await.unwrap();
        issued.text.expose().clone()
    }

    /// A connected tab of a user, offering `list`, `find`, `note`, `wipe`, `mail` and `odd`.
    pub async fn tab(&self, subject: &str) -> FakeTab {
        let ticket = self.ticket(subject).await;
        let tab = FakeTab::connect(&self.hub, &ticket, &DocumentId::fresh().unwrap(), ORIGIN).await.unwrap();
        tab.offer(&["list", "find", "note", "wipe", "mail", "odd"]).await;
        tab
    }

    /// The user accepts every definition that waits for them.
    pub async fn accept_definitions(&self, subject: &str) {
        let (person, definitions) = (self.person(subject).await, self.hub.definitions());
        for waiting in definitions.waiting(&person).await.unwrap() {
            let (name, hash) = (waiting.now.definition.name, waiting.now.hash);
            definitions.decide(&person, waiting.source, name, hash, Word::Accept).await.unwrap();
        }
    }

    /// Runs a wish to its end.
    ///
    /// # Panics
    /// If a person is asked.
    pub async fn run(&self, caller: Caller, wish: Wish) -> Result<ToolAnswer, Refused> {
        let mut events = self.hub.call(caller, wish);
        loop {
            match events.next().await.expect("a call ends with an event") {
                CallEvent::Progress { .. } | CallEvent::Told(_) => {}
                CallEvent::Replied(_) => panic!("it is a server's"),
                CallEvent::Parked { .. } => panic!("a person is asked"),
                CallEvent::Done(done) => return done,
            }
        }
    }

    /// Waits for a condition, with a deadline.
    ///
    /// # Panics
    /// If it does not come true within 10 s.
    pub async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while !condition() {
            assert!(tokio::time::Instant::now() < until, "it never came true: {what}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
