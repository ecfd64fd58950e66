//! `deputy audit verify --bundle`: a log out of a file, with the public keys and nothing else (AUD-04). No configuration, no
//! data directory, no network. Ends with 0 if the log is good, with 1 if it is not, with 2 if a file cannot be read.

use super::{read, verified};
use crate::cli::Failure;
use crate::cli::terminal::{Mark, Terminal};
use deputy_audit::VerifierKeys;
use deputy_audit::bundle::{self, BundleError};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

pub(super) fn verify(
    file: &Path,
    key: &Path,
    checkpoint: Option<&Path>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let unreadable =
        |error: std::io::Error| Failure::Usage(format!("`{}` cannot be read: {error}", file.display()));
    let keys = read(key)?;
    let external = checkpoint.map(read).transpose()?;
    let opened = BufReader::new(File::open(file).map_err(unreadable)?);
    let (tenant, checked) = match bundle::verify(opened, &keys, external.as_deref()) {
        Ok(checked) => checked,
        Err(BundleError::Unreadable(error)) => return Err(unreadable(error)),
        Err(BundleError::Keys(error)) => return Err(Failure::Usage(error.to_string())),
        Err(error) => {
            let text = format!("`{}` is not a bundle that these keys can check: {error}", file.display());
            return Err(Failure::Fault(text));
        }
    };
    let report = match checked {
        Ok(report) => report,
        Err(fault) => return verified::wrong(terminal, &tenant, &fault),
    };
    let keys = VerifierKeys::read(&keys, &tenant).map_err(|error| Failure::Usage(error.to_string()))?;
    verified::told(terminal, &report, &keys)?;
    if external.is_none() {
        let text = "compared with the bundle's own checkpoints only";
        let mend = "to see a cut or another history, give one that was kept elsewhere with --checkpoint FILE";
        terminal.marked(Mark::Warning, text, Some(mend))?;
    }
    verified::good(terminal, &tenant, &report)
}
