//! The kill switch: what an operator has stopped, and until when nobody may go on with it.

use crate::agent::Client;
use crate::canonical::Digest;
use crate::event::{Event, EventKind};
use crate::id::{SourceName, TenantId, identifier};
use crate::time::Timestamp;
use crate::tool::ToolName;
use crate::user::{Issuer, Subject, User};
use serde::{Deserialize, Serialize};

identifier!(
    /// What a thrown switch is called in an address: made from its tenant and target, so the same switch has the same id.
    SwitchId, "switch id", "use `swi_` and 32 hexadecimal digits",
    |v| v.strip_prefix("swi_").is_some_and(|id| {
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
);

/// What a switch stops.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SwitchTarget {
    /// One tool of one source.
    Tool {
        /// The app or server.
        source: SourceName,
        /// The tool's own name.
        tool: ToolName,
    },
    /// All tools of an application, and its tabs.
    App {
        /// Its configured name.
        name: SourceName,
    },
    /// All tools of an MCP server.
    Server {
        /// Its configured name.
        name: SourceName,
    },
    /// Everything through one client: the verified client id, never what an agent calls itself.
    Agent {
        /// The client id.
        client: Client,
    },
    /// Everything of one person: calls, tabs, tickets, sign-ins.
    User {
        /// Who vouches for them.
        issuer: Issuer,
        /// What the issuer calls them.
        subject: Subject,
    },
    /// Every call of the tenant.
    All,
}

impl SwitchTarget {
    /// The stable word for its kind.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Tool { .. } => "tool",
            Self::App { .. } => "app",
            Self::Server { .. } => "server",
            Self::Agent { .. } => "agent",
            Self::User { .. } => "user",
            Self::All => "all",
        }
    }

    /// What it is called in an address.
    #[must_use]
    pub fn id(&self, tenant: &TenantId) -> SwitchId {
        let parts: [&str; 3] = match self {
            Self::Tool { source, tool } => ["tool", source.as_str(), tool.as_str()],
            Self::App { name } => ["app", name.as_str(), ""],
            Self::Server { name } => ["server", name.as_str(), ""],
            Self::Agent { client } => ["agent", &client.0, ""],
            Self::User { issuer, subject } => ["user", issuer.as_str(), subject.as_str()],
            Self::All => ["all", "", ""],
        };
        let [kind, first, second] = parts.map(str::as_bytes);
        let digest = Digest::of_parts(&[tenant.as_str().as_bytes(), kind, first, second]);
        let digits: String = hex::encode(digest.as_bytes()).chars().take(32).collect();
        SwitchId(format!("swi_{digits}").into())
    }
}

impl std::fmt::Display for SwitchTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tool { source, tool } => write!(f, "tool `{source}/{tool}`"),
            Self::App { name } => write!(f, "app `{name}`"),
            Self::Server { name } => write!(f, "server `{name}`"),
            Self::Agent { client } => write!(f, "agent `{}`", client.0),
            Self::User { issuer, subject } => write!(f, "user `{subject}` of `{issuer}`"),
            Self::All => f.write_str("everything"),
        }
    }
}

/// Who throws or releases a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Whoever works on the hub's own machine, with its data directory.
    Machine,
    /// A signed-in person of the operators' group.
    Person(User),
}

impl Operator {
    /// The line with who it was.
    #[must_use]
    pub fn told(&self, event: Event) -> Event {
        match self {
            Self::Machine => event.with_detail("by", "machine"),
            Self::Person(user) => event.with_detail("by", "person").with_personal("by", user.key()),
        }
    }
}

/// A thrown switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Whose.
    pub tenant: TenantId,
    /// What it stops.
    pub target: SwitchTarget,
    /// Who threw it.
    pub by: Operator,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Switch {
    /// What it is called in an address.
    #[must_use]
    pub fn id(&self) -> SwitchId {
        self.target.id(&self.tenant)
    }

    /// The line that says that it was thrown, or, with who and when of the release in it, released.
    #[must_use]
    pub fn event(&self, kind: EventKind) -> Event {
        let mut event =
            Event::new(self.at, self.tenant.clone(), kind).with_detail("target", self.target.code());
        match &self.target {
            SwitchTarget::Tool { source, tool } => {
                event.source = Some(source.clone());
                event.tool = Some(tool.clone());
            }
            SwitchTarget::App { name } | SwitchTarget::Server { name } => event.source = Some(name.clone()),
            SwitchTarget::Agent { client } => event.client = Some(client.clone()),
            SwitchTarget::User { issuer, subject } => {
                let (tenant, issuer, subject) = (self.tenant.clone(), issuer.clone(), subject.clone());
                event.user = Some(User { tenant, issuer, subject });
            }
            SwitchTarget::All => {}
        }
        event = self.by.told(event);
        match &self.reason {
            Some(reason) => event.with_personal("why", reason.clone()),
            None => event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_tenant_and_target_and_no_two_share_one() {
        let name = |text: &str| SourceName::new(text).expect("name");
        let tenant = |text: &str| TenantId::new(text).expect("tenant");
        let app = SwitchTarget::App { name: name("crm") };
        let others = [
            SwitchTarget::All,
            SwitchTarget::Server { name: name("crm") },
            SwitchTarget::Agent { client: Client("crm".to_owned()) },
            SwitchTarget::Tool { source: name("crm"), tool: ToolName::new("x").expect("tool") },
        ];
        let id = app.id(&tenant("a"));
        assert_eq!(SwitchId::new(id.as_str()).expect("a valid id"), app.id(&tenant("a")));
        assert_ne!(id, app.id(&tenant("b")));
        assert!(others.iter().all(|other| other.id(&tenant("a")) != id));
    }

    #[test]
    fn a_target_reads_back_and_a_member_too_many_is_refused() {
        let text = r#"{"kind":"tool","source":"crm","tool":"add_note"}"#;
        let target: SwitchTarget = serde_json::from_str(text).expect("a target");
        assert_eq!(serde_json::to_string(&target).expect("json"), text);
        assert!(serde_json::from_str::<SwitchTarget>(r#"{"kind":"app","name":"crm","tool":"x"}"#).is_err());
        assert!(serde_json::from_str::<SwitchTarget>(r#"{"kind":"everything"}"#).is_err());
    }
}
