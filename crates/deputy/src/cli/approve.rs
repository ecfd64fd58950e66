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
use api::{Api, Approval, Decision};
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
/// Without ID, lists what waits for you. With ID, approves it, or refuses it with --refuse. What is approved is exactly
/// what was shown: the tool, its definition and its arguments.
///
/// Signs you in at the identity provider: open the address it prints, in any browser, and enter the code. The token is
/// kept in this process's memory only. Scripts give a token with --token-file.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The approval to decide; without it, all that wait for you are listed
    #[arg(value_parser = approval_id)]
    id: Option<ApprovalId>,
    /// Refuse instead of approve
    #[arg(long, requires = "id")]
    refuse: bool,
    /// Why; the agent is told
    #[arg(long, value_name = "TEXT", requires = "id")]
    reason: Option<String>,
    /// Stay, and ask about each approval as it comes
    #[arg(long, conflicts_with = "id")]
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
    let pending = visible(terminal, "the hub", api.pending()).await?;
    match arguments.id {
        None => list(&pending, terminal),
        Some(id) => {
            let found = pending.iter().find(|approval| approval.id == id.as_str());
            let approval =
                found.ok_or_else(|| Failure::Fault(format!("no approval `{id}` waits for you")))?;
            terminal.line(&card::card(approval, now()))?;
            let decision = if arguments.refuse { Decision::Refuse } else { Decision::Approve };
            decide(&api, approval, decision, arguments.reason.as_deref(), terminal).await
        }
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
    approval: &Approval,
    decision: Decision,
    reason: Option<&str>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let state = visible(terminal, "the hub", api.decide(approval, decision, reason)).await?;
    terminal.line(&format!("{} {}", harmless(&approval.id), harmless(&state)))
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
            if left_open.contains(&approval.id) {
                continue;
            }
            terminal.line(&card::card(&approval, now()))?;
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
            // Somebody else may have been first, or its time may have run out: say so and go on.
            if let Err(failure) = decide(api, &approval, decision, None, terminal).await {
                terminal.note(&format!("deputy: {failure}"));
                left_open.insert(approval.id);
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
