//! `deputy audit export`: the log for other systems, oldest first, at least once.

use super::cursor::{Cursor, Stream};
use super::{Log, list, moment};
use crate::cli::terminal::Terminal;
use crate::cli::{Failure, now};
use clap::{Args, ValueEnum};
use deputy_audit::VerifierKey;
use deputy_audit::export::{self, Chain, Line, ocsf};
use deputy_core::EventKind;
use deputy_store::Onward;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Only lines of this kind; may be given several times
    #[arg(long, value_parser = list::kind)]
    kind: Vec<EventKind>,
    /// Only lines from this moment on: `2026-11-21`, `2026-11-21T14:00:00Z`, or a length of time ago such as `2h`
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<moment::Moment>,
    /// Go on where the file says, and write into it how far this run came; the file is made if it is not there
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    #[command(flatten)]
    log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The log's own form
    Jsonl,
    /// OCSF 1.9 with the profile record_integrity
    Ocsf,
    /// The whole log and its checkpoints as one file, for `deputy audit verify --bundle`; it names nobody
    Bundle,
}

impl Format {
    const fn word(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Ocsf => "ocsf",
            Self::Bundle => "bundle",
        }
    }
}

pub(super) async fn run(arguments: Arguments, terminal: Terminal) -> Result<(), Failure> {
    let (reader, tenant) = arguments.log.open().await?;
    if arguments.format == Format::Bundle {
        if arguments.cursor.is_some() || arguments.since.is_some() || !arguments.kind.is_empty() {
            let text = "a bundle is a whole log: it takes neither --cursor nor --since nor --kind";
            return Err(Failure::Usage(text.to_owned()));
        }
        let written = reader.bundle(&tenant, |entry| {
            let text = entry.text().map_err(|error| Failure::Fault(error.to_string()))?;
            terminal.line(&text)
        });
        return written.await?;
    }
    let key = reader.place().verifier_key(&tenant)?;
    let kinds = arguments.kind.iter().map(|kind| kind.code().to_owned()).collect();
    let stream = Stream { log: key.origin().to_owned(), format: arguments.format.word().to_owned(), kinds };
    let kept = arguments.cursor.as_deref().map(|file| Cursor::read(file, &stream)).transpose()?.flatten();
    let mut cursor = kept.unwrap_or_else(|| Cursor::start(stream));
    let lines = reader.size(&tenant).await?;
    if cursor.next > lines {
        return Err(Failure::Fault(format!(
            "the log has {lines} lines, but {} were exported already: an older copy was put back, or its end was cut off\n  \
             mend: `deputy audit verify --checkpoint FILE` says more",
            cursor.next
        )));
    }
    if let Some(gone) = reader.pruned(&tenant).await?.filter(|gone| cursor.next <= gone.last) {
        terminal.note(&format!(
            "the lines {} to {} were pruned before this export came to them: it goes on after them",
            cursor.next, gone.last
        ));
    }
    let from = arguments.since.map(|moment| moment.from(now()));
    loop {
        let page = reader.forward(&tenant, &Onward { next: cursor.next, from }).await?;
        let Some(last) = page.last() else { return Ok(()) };
        for line in page.iter().filter(|line| wanted(line, &arguments.kind)) {
            terminal.line(&written(arguments.format, &key, line, &mut cursor)?)?;
        }
        cursor.next = last.seq.saturating_add(1);
        if let Some(file) = &arguments.cursor {
            cursor.write(file)?;
        }
    }
}

fn wanted(line: &Line, kinds: &[EventKind]) -> bool {
    kinds.is_empty() || kinds.contains(&line.event.kind)
}

fn written(format: Format, key: &VerifierKey, line: &Line, cursor: &mut Cursor) -> Result<String, Failure> {
    let text = match format {
        Format::Jsonl | Format::Bundle => export::jsonl(key.origin(), line),
        Format::Ocsf => {
            let begin = || Chain { uid: chain_name(&cursor.stream, line.seq), previous: None };
            ocsf::event(key.origin(), key.as_str(), line, cursor.chain.get_or_insert_with(begin))
        }
    };
    text.map_err(|error| Failure::Fault(format!("line {}: {error}", line.seq)))
}

/// Names a chain after its log, what it leaves out, and where it began, so that two exports are never taken for one.
fn chain_name(stream: &Stream, first: u64) -> String {
    let kinds = if stream.kinds.is_empty() { "all".to_owned() } else { stream.kinds.join(",") };
    format!("{}/ocsf/{kinds}/{first}", stream.log)
}
