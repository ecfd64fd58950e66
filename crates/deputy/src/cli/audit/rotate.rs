//! `deputy audit rotate-key`: another key signs the logs from here on.

use crate::cli::terminal::{Mark, Terminal};
use crate::cli::{Config, Failure, now};
use clap::Args;
use deputy_store::Place;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The data directory of the hub; without it, the configuration says
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let data_dir = match arguments.data_dir {
        Some(data_dir) => data_dir,
        None => arguments.config.load()?.hub.data_dir,
    };
    let place = Place::new(data_dir);
    let rotated = deputy_store::rotate_key(&place, now()).await?;
    for (tenant, previous, next) in &rotated.logs {
        let text =
            format!("the log of `{tenant}` was signed by the key {previous}, and is by {next} from here on");
        terminal.marked(Mark::Good, &text, None)?;
    }
    let keys = place.verifier_keys();
    terminal
        .line(&format!("      copy `{}` off this machine again: it holds all public keys", keys.display()))
}
