//! What was decided, and why, in words that scripts may rely on.

use serde::{Deserialize, Serialize};

/// The id of a policy, as Cedar's `@id` annotation gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyId(pub String);

/// The answer to "may this caller make this call?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No.
    Deny,
    /// Yes, once a person approves exactly this.
    Ask,
    /// Yes, once the user signs in more strongly.
    StepUp,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $words:literal;)*) => {
        /// Why a call was refused or did not end well. Stable codes; see `docs/reference/reasons.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason { $($(#[$doc])* #[serde(rename = $code)] $name,)* }

        impl Reason {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Words that a model can act on.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// From the stable code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }
        }
    };
}

reasons! {
    /// Policy said no.
    PolicyDenied = "policy_denied", "Policy does not allow this call. Do not retry it; tell the user.";
    /// A person has to approve first.
    ApprovalRequired = "approval_required", "A person has to approve this call first. Retry with the given state, or wait.";
    /// A person said no.
    ApprovalRefused = "approval_refused", "A person refused this call. Do not retry it; ask the user what they want instead.";
    /// Nobody decided in time.
    ApprovalExpired = "approval_expired", "Nobody approved this call in time. Tell the user; retry only if they ask.";
    /// What was approved is not what would run now.
    ApprovalStale = "approval_stale", "The tool or the arguments changed after approval. Make the call again to ask anew.";
    /// The user has to sign in more strongly.
    StepUpRequired = "step_up_required", "The user has to sign in again, more strongly, before this call.";
    /// The user has not let the hub use this system in their name, or no longer.
    ConsentRequired = "consent_required", "The user has to connect this system first, at the hub's page. Give them the address, then call again.";
    /// Policy wants a verified agent.
    AgentUnverified = "agent_unverified", "This tool accepts verified agents only.";
    /// The permission ran out.
    GrantExpired = "grant_expired", "The permission for this agent ended. The user can renew it.";
    /// The permission does not reach this far.
    GrantExceeded = "grant_exceeded", "The permission for this agent does not cover this call.";
    /// The user signed out, or the session ran out.
    SessionEnded = "session_ended", "The user's session in this application has ended. Ask the user to sign in again in their browser.";
    /// Someone else is signed in now.
    SessionChanged = "session_changed", "Another user is signed in in this browser now. Nothing was done. Ask the user to sign in again.";
    /// The tab is gone.
    TabGone = "tab_gone", "The browser tab that offered this tool is gone. Ask the user to open the application again.";
    /// No such tool, or none that this caller may know of.
    ToolUnknown = "tool_unknown", "There is no such tool now. List the tools again.";
    /// The tool is not what it was.
    ToolChanged = "tool_changed", "The tool's definition changed. List the tools again and check it before calling.";
    /// The arguments do not fit the schema.
    ArgumentsInvalid = "arguments_invalid", "The arguments do not fit the tool's input schema. Correct them and call again.";
    /// It surely did not run.
    NotStarted = "not_started", "The call did not start; nothing was done. It is safe to retry.";
    /// It may have run.
    OutcomeUnknown = "outcome_unknown", "The connection was lost while the call ran: it may or may not have taken effect. Check before you retry.";
    /// Too much at once.
    Busy = "busy", "Too many calls are running in this place. Retry in a few seconds.";
    /// The other side cannot be reached.
    UpstreamUnavailable = "upstream_unavailable", "The system behind this tool cannot be reached now. Retry later.";
    /// The other side did not answer in time.
    UpstreamTimeout = "upstream_timeout", "The tool did not answer in time; it may still be running. Check before you retry.";
    /// Larger than allowed.
    TooLarge = "too_large", "The message is larger than allowed. Ask for less at once.";
    /// Too often.
    RateLimited = "rate_limited", "Too many requests. Slow down.";
    /// A kill switch is thrown.
    Stopped = "stopped", "An operator has stopped this. Do not retry it; tell the user.";
    /// The log did not take the line, so nothing may happen.
    AuditUnavailable = "audit_unavailable", "The audit log cannot be written, so nothing is done. Tell the operator.";
    /// Our fault.
    Internal = "internal", "The hub failed in an unforeseen way. Tell the operator.";
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_its_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert_eq!(serde_json::to_value(reason).expect("json"), reason.code());
        }
    }
}
