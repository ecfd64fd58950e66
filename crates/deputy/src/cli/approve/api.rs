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
    pub(super) requester: Option<String>,
    #[serde(default)]
    pub(super) quorum: u32,
    #[serde(default)]
    pub(super) yes: u32,
    pub(super) batch: Option<String>,
    pub(super) may: Option<String>,
    pub(super) in_place_of: Option<String>,
    pub(super) digest: String,
}

impl Approval {
    /// Whether what it allows cannot be undone: then the tool's name is typed (APR-10).
    pub(super) fn is_irreversible(&self) -> bool {
        self.class.iter().any(|word| word == "destructive")
    }
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Approve,
    Refuse,
}

/// What goes along with a decision.
#[derive(Debug, Clone, Default)]
pub(super) struct Along {
    pub(super) reason: Option<String>,
    /// The tool's name, typed by the person.
    pub(super) confirm: Option<String>,
    pub(super) break_glass: bool,
    /// Other arguments to approve instead.
    pub(super) arguments: Option<Value>,
    /// For how long, how often and with which arguments the yes stands.
    pub(super) standing: Option<Value>,
}

#[derive(Deserialize)]
struct Pending {
    approvals: Vec<Approval>,
}

#[derive(Deserialize)]
struct Decided {
    state: String,
}

#[derive(Deserialize)]
struct AllDecided {
    states: Vec<String>,
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

    /// Decides exactly what was shown: digest and card go along (APR-01, APR-10). Several count together, or not at all
    /// (APR-07). Answers the states that came of it.
    pub(super) async fn decide(
        &self,
        shown: &[(Approval, String)],
        decision: Decision,
        along: &Along,
    ) -> Result<Vec<String>, Failure> {
        let mut bodies = Vec::new();
        for (approval, card) in shown {
            // The id becomes part of a path, and the hub is not the only one who could have sent it.
            let id =
                ApprovalId::new(approval.id.as_str()).map_err(|error| Failure::Fault(error.to_string()))?;
            bodies.push((id, body(approval, card, decision, along)));
        }
        if let [(id, body)] = bodies.as_slice() {
            let answer = self.send(&format!("/api/approvals/{id}"), Request::Json(&json!(body))).await?;
            return Ok(vec![read::<Decided>(&answer)?.state]);
        }
        let named = |(id, mut body): (ApprovalId, Map<String, Value>)| {
            body.insert("id".to_owned(), id.as_str().into());
            Value::Object(body)
        };
        let decisions: Vec<Value> = bodies.into_iter().map(named).collect();
        let answer = self.send("/api/approvals", Request::Json(&json!({ "decisions": decisions }))).await?;
        Ok(read::<AllDecided>(&answer)?.states)
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

fn body(approval: &Approval, card: &str, decision: Decision, along: &Along) -> Map<String, Value> {
    let word = match decision {
        Decision::Approve => "approve",
        Decision::Refuse => "refuse",
    };
    let card = deputy_core::Digest::of_bytes(card.as_bytes()).to_string();
    let mut body = Map::from_iter([
        ("decision".to_owned(), Value::from(word)),
        ("digest".to_owned(), approval.digest.as_str().into()),
        ("card".to_owned(), card.into()),
    ]);
    let confirm = along.confirm.clone().filter(|_| approval.is_irreversible());
    for (name, value) in [
        ("reason", along.reason.clone().map(Value::from)),
        ("confirm", confirm.map(Value::from)),
        ("break_glass", along.break_glass.then(|| true.into())),
        ("arguments", along.arguments.clone()),
        ("standing", along.standing.clone()),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    }
    body
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
