//! What `deputy audit verify` says.

use crate::cli::Failure;
use crate::cli::terminal::{Mark, Terminal};
use deputy_audit::{Fault, Report, VerifierKeys};
use deputy_core::TenantId;

/// That something is wrong, and what to do.
pub(super) fn wrong(terminal: Terminal, tenant: &TenantId, fault: &Fault) -> Result<(), Failure> {
    let mend = match fault {
        Fault::NotSigned { .. } => {
            "take the public keys of this log (`audit/log.vkey`), all of them: after `deputy audit rotate-key` there is one more"
        }
        _ => "keep this data directory as it is, and compare it with your backups and checkpoints",
    };
    terminal.marked(Mark::Bad, &format!("the log of `{tenant}`: {fault}"), Some(mend))?;
    Err(Failure::told())
}

/// What there is to know of a good log.
pub(super) fn told(terminal: Terminal, report: &Report, keys: &VerifierKeys) -> Result<(), Failure> {
    terminal.line(&format!("      root {}\n      key  {}", report.root, keys.newest()))?;
    if report.signers.len() > 1 {
        for signed in &report.signers {
            terminal.line(&format!(
                "      {} checkpoints, up to {} lines, are signed by the key {}",
                signed.checkpoints, signed.up_to, signed.key
            ))?;
        }
    }
    if let Some(pruned) = report.pruned {
        terminal.line(&format!(
            "      lines 0 to {} were pruned on {}; their hashes verify up to the signed checkpoint of {} lines",
            pruned.lines.saturating_sub(1),
            pruned.at,
            pruned.checkpoint
        ))?;
        if !pruned.signed {
            terminal.line("      the line that says so is not signed yet")?;
        }
    }
    if report.erased > 0 {
        terminal.line(&format!("      {} lines had their personal part erased", report.erased))?;
    }
    Ok(())
}

/// The last line is the result, for those who read no other.
pub(super) fn good(terminal: Terminal, tenant: &TenantId, report: &Report) -> Result<(), Failure> {
    let (lines, signed) = (report.lines, report.signed);
    let text = format!(
        "the log of `{tenant}` is what it was: {lines} lines, of which the first {signed} are signed"
    );
    terminal.marked(Mark::Good, &text, None)
}
