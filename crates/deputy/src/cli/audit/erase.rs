//! `deputy audit erase`: takes a person out of the log and the tables, with or without a hub that runs.

use super::Log;
use crate::cli::terminal::{Mark, Terminal};
use crate::cli::{Failure, now};
use clap::Args;
use deputy_core::{Issuer, Subject, User};
use deputy_hub::Supervisor;
use deputy_store::{OpenError, Place, Settings, SqliteStore};
use std::time::Duration;

/// How long a hub that runs has to grant a wish; it looks once a second.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Whom: the issuer (`iss`) and what it calls them (`sub`)
    #[arg(long, num_args = 2, value_names = ["ISSUER", "SUBJECT"], required = true)]
    user: Vec<String>,
    /// Do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    log: Log,
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let (reader, tenant) = arguments.log.open().await?;
    let usage = |error: deputy_core::IdError| Failure::Usage(error.to_string());
    let [issuer, subject] = arguments.user.as_slice() else {
        return Err(Failure::Usage("name a person with --user ISSUER SUBJECT".to_owned()));
    };
    let user = User {
        tenant: tenant.clone(),
        issuer: Issuer::new(issuer.clone()).map_err(usage)?,
        subject: Subject::new(subject.clone()).map_err(usage)?,
    };
    let lines = reader.lines_about(&user).await?;
    terminal.line(&format!("{lines} lines of `{tenant}` are about this person"))?;
    if !arguments.yes {
        return match lines {
            0 => Ok(()),
            _ => Err(Failure::Fault(
                "nothing was erased\n  mend: it cannot be undone; say --yes to do it".to_owned(),
            )),
        };
    }
    let place = reader.place().clone();
    drop(reader);
    let tables = Supervisor::default();
    match SqliteStore::open(place.clone(), Settings::default(), &tables).await {
        Ok(store) => {
            let erased = store.erase(&user, now()).await;
            tables.shut_down().await;
            let erased = erased.map_err(|error| Failure::Fault(format!("nothing was erased: {error}")))?;
            let text = format!(
                "erased: {} lines, {} questions, {} tickets",
                erased.lines, erased.approvals, erased.tickets
            );
            terminal.marked(Mark::Good, &text, None)
        }
        Err(OpenError::InUse { .. }) => by_the_hub(&place, &user, lines, terminal).await,
        Err(error) => Err(error.into()),
    }
}

async fn by_the_hub(place: &Place, user: &User, lines: u64, terminal: Terminal) -> Result<(), Failure> {
    if deputy_store::wish(place, user, now(), PATIENCE).await? {
        return terminal.marked(
            Mark::Good,
            &format!("erased: {lines} lines, by the hub that runs here"),
            None,
        );
    }
    Err(Failure::Fault(format!(
        "the hub that runs on this data directory did not erase within {} s; it does as soon as it can\n  \
         mend: see its log; `deputy audit list --kind person_erased` tells when it is done",
        PATIENCE.as_secs()
    )))
}
