//! `deputy approve`: what agents ask a person to approve, shown and decided on a terminal, through the hub's API.

mod api;
mod card;
mod device;
mod prompt;
#[cfg(test)]
mod tests;

pub(super) use device::token_from;

use super::progress::visible;
use super::terminal::{Terminal, harmless};
use super::web::{Egress, Web};
use super::{Config, Failure, now};
use crate::settings::{PublicUrl, Settings, address};
use api::{Along, Api, Approval, Decision};
use clap::Args;
use deputy_core::ApprovalId;
use prompt::Answer;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// How often the hub is asked for new approvals.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// See and decide what agents ask you to approve
///
/// Without ID, lists what waits for you. With ID, approves it, or refuses it with --refuse; several IDs are decided
/// together, or not at all. What is approved is exactly what was shown: the tool, its definition and its arguments.
///
/// Signs you in at the identity provider: open the address it prints, in any browser, and enter the code. The token is
/// kept in this process's memory only. Scripts give a token with --token-file.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The approvals to decide; without any, all that wait for you are listed
    #[arg(value_parser = approval_id, value_name = "ID")]
    ids: Vec<ApprovalId>,
    /// Refuse instead of approve
    #[arg(long, requires = "ids")]
    refuse: bool,
    /// Why; the agent is told
    #[arg(long, value_name = "TEXT", requires = "ids")]
    reason: Option<String>,
    /// The tool's name, for what cannot be undone
    #[arg(long, value_name = "TOOL", requires = "ids")]
    confirm: Option<String>,
    /// Say yes alone, in an emergency, where policy lets you; needs --reason, and somebody else reviews it
    #[arg(long, requires = "reason", conflicts_with_all = ["refuse", "arguments", "stands_for"])]
    break_glass: bool,
    /// Approve other arguments instead, as a JSON object; the agent is told
    #[arg(long, value_name = "JSON", requires = "ids", conflicts_with = "refuse")]
    arguments: Option<String>,
    /// Let the yes stand for later calls of this client too, for so long (`1h`, at most `30d`)
    #[arg(long, value_name = "TIME", requires_all = ["ids", "stands_uses"], conflicts_with = "refuse")]
    stands_for: Option<String>,
    /// How many later calls the standing yes is good for, at most 1,000
    #[arg(long, value_name = "COUNT", requires = "stands_for")]
    stands_uses: Option<u32>,
    /// For which arguments it stands, as JSON: `{"to": {"equals": "bob"}, "amount": {"at_most": 10}}`; without it, for
    /// exactly those that were shown
    #[arg(long, value_name = "JSON", requires = "stands_for")]
    stands_arguments: Option<String>,
    /// Stay, and ask about each approval as it comes
    #[arg(long, conflicts_with = "ids")]
    watch: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
struct Access {
    /// Read an access token from a file instead of signing in; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The public address of the hub; without it, the configuration is read
    #[arg(long, value_name = "URL")]
    hub: Option<String>,
    /// The issuer of the identity provider; without it, the configuration is read
    #[arg(long, value_name = "URL", conflicts_with = "identity_provider")]
    issuer: Option<String>,
    /// Which identity provider of the configuration, if it has several
    #[arg(long, value_name = "NAME")]
    identity_provider: Option<String>,
    /// The client id at the identity provider; without it, `cli_client_id` of the configuration
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The scopes to ask for when signing in
    #[arg(long, value_name = "SCOPES", default_value = "openid")]
    scope: String,
    #[command(flatten)]
    config: Config,
}

fn approval_id(text: &str) -> Result<ApprovalId, String> {
    ApprovalId::new(text).map_err(|error| error.to_string())
}

/// Does what the arguments say.
pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let plan = arguments.access.plan()?;
    let web = plan.web()?;
    run_with(arguments, plan, terminal, &web).await
}

async fn run_with(
    arguments: Arguments,
    plan: Plan,
    terminal: Terminal,
    web: &impl Web,
) -> Result<(), Failure> {
    if arguments.watch && matches!(&plan.way, Way::TokenFile(file) if file.as_os_str() == "-") {
        let mend = "--token-file FILE with a file's name leaves standard input free for your answers";
        return Err(Failure::Usage(format!("--watch needs standard input for itself\n  mend: {mend}")));
    }
    let Plan { hub, way } = plan;
    let token = match way {
        Way::TokenFile(file) => device::token_from(&file)?,
        Way::SignIn(grant) => device::sign_in(&grant, web, terminal).await?,
    };
    let api = Api { web, hub, token };
    if arguments.watch {
        return watch(&api, terminal).await;
    }
    let along = arguments.along()?;
    let pending = visible(terminal, "the hub", api.pending()).await?;
    if arguments.ids.is_empty() {
        return list(&pending, terminal);
    }
    let mut shown = Vec::new();
    for id in &arguments.ids {
        let found = pending.iter().find(|approval| approval.id == id.as_str());
        let approval = found.ok_or_else(|| Failure::Fault(format!("no approval `{id}` waits for you")))?;
        let card = card::card(approval, now());
        terminal.line(&card)?;
        if approval.is_irreversible() && !arguments.refuse && along.confirm.as_deref() != Some(&approval.tool)
        {
            let mend = format!("add --confirm {}", harmless(&approval.tool));
            return Err(Failure::Usage(format!(
                "`{id}` cannot be undone: confirm it by its name\n  mend: {mend}"
            )));
        }
        shown.push((approval.clone(), card));
    }
    let decision = if arguments.refuse { Decision::Refuse } else { Decision::Approve };
    decide(&api, &shown, decision, &along, terminal).await
}

impl Arguments {
    fn along(&self) -> Result<Along, Failure> {
        let json = |text: &Option<String>, name: &str| -> Result<Option<serde_json::Value>, Failure> {
            let wrong = |error| Failure::Usage(format!("{name} is not JSON: {error}"));
            text.as_deref().map(|text| serde_json::from_str(text).map_err(wrong)).transpose()
        };
        let standing = match (&self.stands_for, self.stands_uses) {
            (Some(text), Some(uses)) => {
                let wrong =
                    || Failure::Usage(format!("`{text}` is not a length of time: write `1h` or `7d`"));
                let time = deputy_core::time::length(text).ok_or_else(wrong)?;
                let mut wish = serde_json::json!({ "for_seconds": time.as_secs(), "uses": uses });
                let pattern = json(&self.stands_arguments, "--stands-arguments")?;
                if let (Some(members), Some(pattern)) = (wish.as_object_mut(), pattern) {
                    members.insert("arguments".to_owned(), pattern);
                }
                Some(wish)
            }
            _ => None,
        };
        Ok(Along {
            reason: self.reason.clone(),
            confirm: self.confirm.clone(),
            break_glass: self.break_glass,
            arguments: json(&self.arguments, "--arguments")?,
            standing,
        })
    }
}

fn list(pending: &[Approval], terminal: Terminal) -> Result<(), Failure> {
    if pending.is_empty() {
        return terminal.line("nothing waits for you");
    }
    for approval in pending {
        terminal.line(&card::card(approval, now()))?;
    }
    terminal.note("approve with `deputy approve ID`, refuse with `deputy approve ID --refuse --reason TEXT`");
    Ok(())
}

async fn decide(
    api: &Api<'_, impl Web>,
    shown: &[(Approval, String)],
    decision: Decision,
    along: &Along,
    terminal: Terminal,
) -> Result<(), Failure> {
    let states = visible(terminal, "the hub", api.decide(shown, decision, along)).await?;
    for ((approval, _), state) in shown.iter().zip(states) {
        let more = if state == "pending" { "; more people have to say yes" } else { "" };
        terminal.line(&format!("{} {}{more}", harmless(&approval.id), harmless(&state)))?;
    }
    Ok(())
}

/// Asks about each approval as it comes, until it is interrupted or standard input ends.
async fn watch(api: &Api<'_, impl Web>, terminal: Terminal) -> Result<(), Failure> {
    let mut signals =
        crate::shutdown::Signals::install().map_err(|error| Failure::Fault(error.to_string()))?;
    tokio::select! {
        _ = signals.first() => Ok(()),
        done = ask_for_ever(api, terminal) => done,
    }
}

async fn ask_for_ever(api: &Api<'_, impl Web>, terminal: Terminal) -> Result<(), Failure> {
    terminal.note("waiting for approvals; end with Ctrl-C");
    let mut lines = prompt::Lines::of_standard_input();
    let mut left_open: HashSet<String> = HashSet::new();
    let mut ticks = tokio::time::interval(POLL_EVERY);
    loop {
        ticks.tick().await;
        let pending = match api.pending().await {
            Ok(pending) => pending,
            Err(failure @ Failure::Usage(_)) => return Err(failure),
            Err(failure) => {
                terminal.note(&format!("deputy: {failure}; trying again"));
                continue;
            }
        };
        for approval in pending {
            // What one may only do in an emergency is not asked about by the way.
            if left_open.contains(&approval.id) || approval.may.as_deref() == Some("break_glass") {
                continue;
            }
            let card = card::card(&approval, now());
            terminal.line(&card)?;
            let answer = prompt::ask(&mut lines, terminal).await;
            let decision = match answer {
                Answer::Yes => Decision::Approve,
                Answer::No => Decision::Refuse,
                Answer::Later => {
                    left_open.insert(approval.id);
                    continue;
                }
                Answer::End => return Ok(()),
            };
            let mut along = Along::default();
            if decision == Decision::Approve && approval.is_irreversible() {
                along.confirm = prompt::confirm(&mut lines, &approval.tool, terminal).await;
                if along.confirm.is_none() {
                    terminal.note("that is not its name: nothing was decided");
                    left_open.insert(approval.id);
                    continue;
                }
            }
            // From here on it is decided, waits for others, or somebody else was first: it is not asked about again.
            left_open.insert(approval.id.clone());
            if let Err(failure) = decide(api, &[(approval, card)], decision, &along, terminal).await {
                terminal.note(&format!("deputy: {failure}"));
            }
        }
    }
}

/// Which hub, and how to get a token for its API.
struct Plan {
    hub: PublicUrl,
    way: Way,
}

enum Way {
    TokenFile(PathBuf),
    SignIn(device::Grant),
}

impl Plan {
    /// The operator or the person named these hosts, so they may be inside.
    fn web(&self) -> Result<Egress, Failure> {
        let hub = address(self.hub.as_str()).map_err(|error| Failure::Usage(error.to_string()))?;
        let mut named = vec![hub];
        if let Way::SignIn(grant) = &self.way {
            named.push(grant.discovery.url.clone());
        }
        Egress::naming(&named)
    }
}

impl Access {
    fn plan(&self) -> Result<Plan, Failure> {
        // Whoever says everything on the command line needs no configuration.
        let complete = self.hub.is_some()
            && (self.token_file.is_some() || (self.issuer.is_some() && self.client_id.is_some()));
        let settings = if complete { None } else { Some(self.config.load()?) };
        let hub = match (&self.hub, &settings) {
            (Some(url), _) => PublicUrl::parse(url).map_err(|error| Failure::Usage(error.to_string()))?,
            (None, Some(settings)) => settings.hub.public_url.clone(),
            (None, None) => return Err(Failure::Usage("name the hub with --hub URL".to_owned())),
        };
        let way = match &self.token_file {
            Some(file) => Way::TokenFile(file.clone()),
            None => Way::SignIn(device::Grant {
                discovery: self.discovery(settings.as_ref())?,
                client_id: self.client(settings.as_ref())?,
                resource: hub.join("/api"),
                scope: self.scope.clone(),
            }),
        };
        Ok(Plan { hub, way })
    }

    fn discovery(&self, settings: Option<&Settings>) -> Result<device::Discovery, Failure> {
        if let Some(issuer) = &self.issuer {
            let url = address(issuer).map_err(|error| Failure::Usage(error.to_string()))?;
            return device::Discovery::of_issuer(issuer, &url);
        }
        let providers = settings.map_or(&[][..], |settings| &settings.identity_providers);
        let chosen = match (&self.identity_provider, providers) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), _) => providers.iter().find(|entry| entry.provider.name().as_str() == name),
        };
        let chosen = chosen.ok_or_else(|| {
            let names: Vec<&str> = providers.iter().map(|entry| entry.provider.name().as_str()).collect();
            Failure::Usage(format!("choose with --identity-provider NAME: one of {}", names.join(", ")))
        })?;
        device::Discovery::of_provider(&chosen.provider)
    }

    fn client(&self, settings: Option<&Settings>) -> Result<String, Failure> {
        let configured = settings.and_then(|settings| settings.hub.cli_client_id.clone());
        self.client_id.clone().or(configured).ok_or_else(|| {
            let mend = "register a public client with the device grant at the identity provider, and name it with \
                        --client-id ID or as `cli_client_id` under [hub]";
            Failure::Usage(format!("no client id to sign in with\n  mend: {mend}"))
        })
    }
}
