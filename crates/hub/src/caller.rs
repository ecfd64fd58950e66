//! Who asks: made only from verified claims (invariant 5).

use crate::ports::upstream::ClientSide;
use crate::ports::{AccessGrant, Login};
use deputy_core::{Agent, ApprovalId, Client, Digest, Facts, GrantId, SourceName, Timestamp, Tool, User};
use deputy_identity::claims::{Claims, Verified};
use deputy_identity::mint::IssuedAccess;
use deputy_protocol::trace::TraceId;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};

/// A person, through a client, by the right of a verified token. The private fields are the proof: outside this crate
/// there is no way to make or to change one.
#[derive(Debug, Clone)]
pub struct Caller {
    who: Arc<Who>,
    agent: Arc<Agent>,
    approved: Option<Approved>,
    untrusted: bool,
    trace: Option<TraceId>,
    side: Option<Arc<Side>>,
}

/// What the token says, the same for all that one request does.
#[derive(Debug)]
struct Who {
    user: User,
    client: Client,
    groups: Vec<String>,
    expires_at: Timestamp,
    standing: Standing,
    acting: Option<Value>,
    principal: Arc<str>,
}

/// What the client said of itself, and what tells it from another.
#[derive(Debug)]
struct Side {
    capabilities: Arc<RawValue>,
    implementation: Option<Arc<RawValue>>,
    digest: Digest,
}

/// On what a caller stands: what can be taken away while they act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When what proved them was issued. `None`: nobody knows, so before everything.
    pub(crate) issued_at: Option<Timestamp>,
    /// When the provider said last who they are and in which groups.
    pub(crate) told_at: Option<Timestamp>,
    /// The provider's session.
    pub(crate) session: Option<String>,
    /// The agent's permission, if the hub itself gave the token.
    pub(crate) grant: Option<Arc<AccessGrant>>,
}

/// By which yes one call may be made.
#[derive(Debug, Clone)]
struct Approved {
    call: Digest,
    by: By,
}

/// What a yes is: a question about this very call, or a standing grant.
#[derive(Debug, Clone)]
pub(crate) enum By {
    Question(ApprovalId),
    Grant { id: GrantId, until: Timestamp },
}

impl Caller {
    pub(crate) fn new(verified: &Verified<Claims>) -> Self {
        let claims = verified.claims();
        let client = claims.client.clone().unwrap_or_else(|| Client("unknown".to_owned()));
        let who = Who {
            principal: principal(&claims.user, &client).into(),
            user: claims.user.clone(),
            client,
            groups: claims.groups.clone(),
            expires_at: claims.expires_at,
            standing: Standing {
                issued_at: claims.issued_at,
                told_at: claims.issued_at,
                session: claims.session.clone(),
                grant: None,
            },
            acting: acting(claims),
        };
        Self {
            who: Arc::new(who),
            agent: Arc::default(),
            approved: None,
            untrusted: true,
            trace: None,
            side: None,
        }
    }

    /// By an agent's permission that is in force, for which a token of the hub's own stands.
    pub(crate) fn by_grant(
        verified: &Verified<IssuedAccess>,
        grant: &Arc<AccessGrant>,
        login: &Login,
    ) -> Self {
        let who = Who {
            principal: principal(&grant.user, &grant.client).into(),
            user: grant.user.clone(),
            client: grant.client.clone(),
            // As the provider said last, not as they were when the token was made.
            groups: login.groups.clone(),
            expires_at: verified.expires_at.min(login.ends_at),
            standing: Standing {
                issued_at: Some(login.began_at),
                told_at: Some(login.told_at.unwrap_or(login.began_at)),
                session: login.provider_session.clone(),
                grant: Some(Arc::clone(grant)),
            },
            acting: None,
        };
        Self {
            who: Arc::new(who),
            agent: Arc::default(),
            approved: None,
            untrusted: true,
            trace: None,
            side: None,
        }
    }

    /// The same caller, whose agent calls itself `name`. A label: it proves nothing and raises nothing (R1 of the agents
    /// reference).
    #[must_use]
    pub fn announced_as(mut self, name: &str) -> Self {
        let clean: String = name.chars().filter(|c| !c.is_control() && !is_direction(*c)).take(200).collect();
        let name = clean.trim();
        Arc::make_mut(&mut self.agent).name = (!name.is_empty()).then(|| name.to_owned());
        self
    }

    /// The same caller, whose client said this of itself. Servers are told it, for lists too: some list only what this very
    /// client can use. Like a label it proves nothing and raises nothing.
    #[must_use]
    pub fn speaking_through(mut self, client: &ClientSide) -> Self {
        let (capabilities, implementation) = (client.capabilities.clone(), client.implementation.clone());
        // What it calls itself is for people to read (MCP, `clientInfo`) and may be another at each request: no list is fetched
        // anew for it.
        static NONE: LazyLock<Digest> = LazyLock::new(|| Digest::of_bytes(b"{}"));
        let digest = match capabilities.get() {
            "{}" => *NONE,
            some => Digest::of_bytes(some.as_bytes()),
        };
        self.side = Some(Arc::new(Side { capabilities, implementation, digest }));
        self
    }

    /// What a server is told of the client where it is asked for no call.
    pub(crate) fn client_side(&self) -> ClientSide {
        let Some(side) = &self.side else { return ClientSide::default() };
        let (capabilities, implementation) = (side.capabilities.clone(), side.implementation.clone());
        ClientSide { capabilities, implementation, ..ClientSide::default() }
    }

    /// What tells a client that can do this from one that can do something else, if it said.
    pub(crate) fn side(&self) -> Option<Digest> {
        self.side.as_ref().map(|side| side.digest)
    }

    /// The same caller for the one call whose approval was just spent.
    pub(crate) fn with_approval(mut self, call: Digest, by: By) -> Self {
        self.approved = Some(Approved { call, by });
        self
    }

    /// The same caller with no approval at all.
    pub(crate) fn without_approval(mut self) -> Self {
        self.approved = None;
        self
    }

    /// By which yes, if by any.
    pub(crate) fn approval(&self) -> Option<&By> {
        self.approved.as_ref().map(|approved| &approved.by)
    }

    /// The same caller, of whom the hub knows whether untrusted output was released to it lately.
    pub(crate) const fn with_untrusted(mut self, untrusted: bool) -> Self {
        self.untrusted = untrusted;
        self
    }

    /// The same caller, whose call belongs to this trace.
    pub(crate) const fn in_trace(mut self, trace: Option<TraceId>) -> Self {
        self.trace = trace;
        self
    }

    /// The trace that the call belongs to, for the log.
    pub(crate) const fn trace(&self) -> Option<TraceId> {
        self.trace
    }

    /// Who acts in the user's place, if the token says so: `act` (RFC 8693 section 4.1) and `impersonator` (A16).
    #[must_use]
    pub fn acting(&self) -> Option<&Value> {
        self.who.acting.as_ref()
    }

    /// On what they stand.
    pub(crate) fn standing_on(&self) -> &Standing {
        &self.who.standing
    }

    /// The agent's permission, where the hub itself gave it; a token of the provider's own has none.
    #[must_use]
    pub fn grant(&self) -> Option<&AccessGrant> {
        self.who.standing.grant.as_deref()
    }

    /// Whether the agent's permission reaches a source. A token of the provider's own reaches all: policy alone decides.
    #[must_use]
    pub fn reaches(&self, source: &SourceName) -> bool {
        self.grant().is_none_or(|grant| grant.sources.have(source))
    }

    /// Whether the agent's permission covers a call of this tool.
    #[must_use]
    pub fn covers(&self, tool: &Tool) -> bool {
        self.reaches(&tool.source) && self.grant().is_none_or(|grant| tool.class.effect <= grant.most)
    }

    /// When the token that proved this caller ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.who.expires_at
    }

    /// What a continuation handle is bound to (R3): the person and the client, injective.
    #[must_use]
    pub fn principal(&self) -> Arc<str> {
        Arc::clone(&self.who.principal)
    }
}

fn principal(user: &User, client: &Client) -> String {
    serde_json::json!([user.tenant, user.issuer, user.subject, client]).to_string()
}

impl Facts for Caller {
    fn user(&self) -> &User {
        &self.who.user
    }
    fn agent(&self) -> &Agent {
        &self.agent
    }
    fn client(&self) -> &Client {
        &self.who.client
    }
    fn groups(&self) -> &[String] {
        &self.who.groups
    }
    fn impersonated(&self) -> bool {
        self.who.acting.is_some()
    }
    fn untrusted(&self) -> bool {
        self.untrusted
    }
    fn approved(&self, call: &Digest) -> bool {
        self.approved.as_ref().is_some_and(|approved| approved.call == *call)
    }
    fn standing(&self) -> bool {
        matches!(self.approval(), Some(By::Grant { .. }))
    }
}

fn acting(claims: &Claims) -> Option<Value> {
    let parts = [("act", &claims.act), ("impersonator", &claims.impersonator)];
    let said: Map<String, Value> =
        parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    (!said.is_empty()).then_some(Value::Object(said))
}

/// Characters that turn the direction of text, or are invisible.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
