//! `deputy revoke`: takes a person's, an agent's, a permission's or a tab's access away, on the hub's own machine, with or
//! without a hub that runs.

use super::terminal::{Mark, Terminal, harmless};
use super::{Config, Failure, now, wishes};
use clap::{Args, Subcommand};
use deputy_core::{Client, IdError, TenantId};
use deputy_hub::ports::{AccessRecord, Revocation, RevocationOrder, Revoked};
use deputy_store::{AccessDesk, Place};
use std::path::PathBuf;

/// Take access away from a person, a session, an agent, a permission, or a tab, at once
///
/// Ends tabs, agents' permissions, tokens and running calls within a second, on every connection; it wins over any token, and
/// survives a restart. By default whoever it was may sign in again and begin anew; with `--shut-out` a person, or an agent,
/// stays out until `--readmit`. A hub that runs on the same data directory takes it up; without one it holds from the next
/// start.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct RevokeArguments {
    /// List what was taken away, and agents' permissions that are in force
    #[arg(long)]
    list: bool,
    /// Until somebody says `--readmit`, not only what they have now
    #[arg(long, global = true, conflicts_with = "readmit")]
    shut_out: bool,
    /// Let them in again who were shut out; what they had before stays worth nothing
    #[arg(long, global = true)]
    readmit: bool,
    /// Whose, if there are several organisations
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
    /// The configuration of the hub
    #[arg(long, global = true, value_name = "FILE", default_value = "deputy.toml")]
    config: PathBuf,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Everything of one person
    User {
        /// The issuer (`iss`)
        issuer: String,
        /// What it calls them (`sub`)
        subject: String,
    },
    /// One of a provider's sessions
    Session {
        /// The issuer (`iss`)
        issuer: String,
        /// Its `sid`
        session: String,
    },
    /// Everything that one agent may do, for everybody
    Agent {
        /// The client id
        client: String,
    },
    /// One permission of one agent
    Grant {
        /// Its id; `deputy revoke --list` tells them
        id: String,
    },
    /// One tab
    Tab {
        /// Its document id, as `tools/list` and the log have it
        document: String,
    },
}

pub(super) async fn revoke(arguments: RevokeArguments, terminal: Terminal) -> Result<(), Failure> {
    let settings = Config { config: arguments.config.clone() }.load()?;
    let place = Place::new(&settings.hub.data_dir);
    let mut desk = AccessDesk::open(&place).await?;
    let Some(what) = arguments.what.as_ref().filter(|_| !arguments.list) else {
        let done = list(&mut desk, &arguments, terminal).await;
        desk.close().await?;
        return done;
    };
    let target = what.target()?;
    let can_be_shut_out = matches!(target, Revoked::User { .. } | Revoked::Agent { .. });
    if (arguments.shut_out || arguments.readmit) && !can_be_shut_out {
        return Err(Failure::Usage(format!(
            "a {} cannot be shut out or let in again: it ends for good\n  mend: leave out the flag",
            target.code()
        )));
    }
    let (tenant, at) = (wishes::tenant(arguments.tenant.as_deref(), &settings)?, now());
    let before = if arguments.shut_out { None } else { Some(at) };
    let revocation = Revocation { tenant, target, before, by: "operator".to_owned(), at };
    let kind = revocation.target.code();
    let order = match arguments.readmit {
        true => RevocationOrder::Readmit(revocation),
        false => RevocationOrder::Revoke(revocation),
    };
    // A hub that starts grants what it finds.
    let alone = async |_| Ok(());
    let unrecorded = "what was taken away is gone, who is let in again comes in once it is recorded";
    let by = wishes::granted(&mut desk, &place, &order, alone, unrecorded).await;
    desk.close().await?;
    let done = match (arguments.readmit, arguments.shut_out) {
        (true, _) => "let in again",
        (_, true) => "shut out",
        _ => "revoked",
    };
    terminal.marked(Mark::Good, &harmless(&format!("{done}: {kind} {} ({})", what.shown(), by?)), None)
}

async fn list(desk: &mut AccessDesk, arguments: &RevokeArguments, terminal: Terminal) -> Result<(), Failure> {
    let is_asked = |tenant: &TenantId| arguments.tenant.as_ref().is_none_or(|name| name == tenant.as_str());
    let now = now();
    let mut lines = Vec::new();
    for row in desk.rows().await? {
        match row {
            AccessRecord::Grant(grant) if is_asked(&grant.user.tenant) && grant.ends_at > now => {
                lines.push(format!(
                    "{}  `{}` may go as far as {} for `{}` of `{}` until {}",
                    grant.id,
                    grant.client_name.as_deref().unwrap_or(&grant.client.0),
                    grant.most.code(),
                    grant.user.subject,
                    grant.user.issuer,
                    grant.ends_at
                ));
            }
            AccessRecord::Revocation(one) if is_asked(&one.tenant) => {
                let until = if one.before.is_none() { "shut out" } else { "revoked" };
                let target = serde_json::to_string(&one.target).unwrap_or_default();
                lines.push(format!("{until} since {} by {}: {target}", one.at, one.by));
            }
            _ => {}
        }
    }
    if lines.is_empty() {
        return terminal.line("no agent may act, and nothing was revoked");
    }
    lines.iter().try_for_each(|line| terminal.line(&harmless(line)))
}

impl What {
    fn target(&self) -> Result<Revoked, Failure> {
        let usage = |error: IdError| Failure::Usage(error.to_string());
        Ok(match self {
            Self::User { issuer, subject } => Revoked::User {
                issuer: issuer.parse().map_err(usage)?,
                subject: subject.parse().map_err(usage)?,
            },
            Self::Session { issuer, session } => {
                Revoked::Session { issuer: issuer.parse().map_err(usage)?, session: session.clone() }
            }
            Self::Agent { client } => Revoked::Agent { client: Client(client.clone()) },
            Self::Grant { id } => Revoked::Grant { id: id.parse().map_err(usage)? },
            Self::Tab { document } => Revoked::Tab { document: document.parse().map_err(usage)? },
        })
    }

    fn shown(&self) -> String {
        match self {
            Self::User { issuer, subject } => format!("`{subject}` of `{issuer}`"),
            Self::Session { issuer, session } => format!("`{session}` of `{issuer}`"),
            Self::Agent { client } => format!("`{client}`"),
            Self::Grant { id } => format!("`{id}`"),
            Self::Tab { document } => format!("`{document}`"),
        }
    }
}
