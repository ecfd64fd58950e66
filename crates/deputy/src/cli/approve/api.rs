//! The two requests of the hub's API that this command makes, and the problems (RFC 9457) it may answer with.

use crate::cli::Failure;
use crate::cli::terminal::harmless;
use crate::cli::web::{Answer, Request, Web};
use crate::settings::PublicUrl;
use deputy_core::{ApprovalId, Secret};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

/// The hub, as one signed-in person.
pub(super) struct Api<'w, W> {
    pub(super) web: &'w W,
    pub(super) hub: PublicUrl,
    pub(super) token: Secret<String>,
}

/// What waits for this person.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Approval {
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created_at: u64,
    /// Seconds since 1970.
    pub(super) expires_at: u64,
    pub(super) source: String,
    pub(super) tool: String,
    pub(super) title: Option<String>,
    pub(super) class: Vec<String>,
    pub(super) definition: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) agent: Option<String>,
    pub(super) client: Option<String>,
    pub(super) digest: String,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Approve,
    Refuse,
}

#[derive(Deserialize)]
struct Pending {
    approvals: Vec<Approval>,
}

#[derive(Deserialize)]
struct Decided {
    state: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
}

impl<W: Web> Api<'_, W> {
    /// What waits for this person, oldest first.
    pub(super) async fn pending(&self) -> Result<Vec<Approval>, Failure> {
        let answer = self.send("/api/approvals", Request::Get).await?;
        let pending: Pending = read(&answer)?;
        Ok(pending.approvals)
    }

    /// Decides exactly what was shown: the digest goes along (APR-01). Answers the state that came of it.
    pub(super) async fn decide(
        &self,
        approval: &Approval,
        decision: Decision,
        reason: Option<&str>,
    ) -> Result<String, Failure> {
        // The id becomes part of a path, and the hub is not the only one who could have sent it.
        let id = ApprovalId::new(approval.id.as_str()).map_err(|error| Failure::Fault(error.to_string()))?;
        let word = match decision {
            Decision::Approve => "approve",
            Decision::Refuse => "refuse",
        };
        let mut body = json!({ "decision": word, "digest": approval.digest });
        if let (Some(members), Some(reason)) = (body.as_object_mut(), reason) {
            members.insert("reason".to_owned(), reason.into());
        }
        let answer = self.send(&format!("/api/approvals/{id}"), Request::Json(&body)).await?;
        let decided: Decided = read(&answer)?;
        Ok(decided.state)
    }

    async fn send(&self, path: &str, request: Request<'_>) -> Result<Answer, Failure> {
        let url = Url::parse(&self.hub.join(path)).map_err(|error| Failure::Usage(error.to_string()))?;
        let answer = self
            .web
            .send(&url, None, request, Some(&self.token))
            .await
            .map_err(|why| unreachable(&self.hub, &why))?;
        if answer.is_success() { Ok(answer) } else { Err(refused(&answer)) }
    }
}

fn unreachable(hub: &PublicUrl, why: &str) -> Failure {
    let mend =
        "see whether the hub runs and is reached under this address; `deputy check` helps on its machine";
    Failure::Fault(format!("the hub `{hub}` cannot be reached: {}\n  mend: {mend}", harmless(why)))
}

fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        let why = harmless(&error.to_string());
        Failure::Fault(format!("the hub's answer is not what this version understands: {why}"))
    })
}

/// Words for a refusal. A token that is not accepted cannot become good by trying again.
fn refused(answer: &Answer) -> Failure {
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = problem.detail.or(problem.title).map(|text| harmless(&text)).unwrap_or_default();
    if answer.status == 401 {
        let mend = "sign in again; the token must be an access token for the hub's address + `/api`";
        return Failure::Usage(format!("the hub does not accept the token\n  mend: {mend}"));
    }
    match problem.code {
        Some(code) => {
            Failure::Fault(format!("the hub refused: `{}` {said}", harmless(&code)).trim_end().to_owned())
        }
        None => Failure::Fault(
            format!("the hub answered with status {} {said}", answer.status).trim_end().to_owned(),
        ),
    }
}
