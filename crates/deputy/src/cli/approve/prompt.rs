//! Yes or no, from a person at a terminal. Nothing is preselected: an empty line asks again.

use crate::cli::terminal::Terminal;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Stdin};

/// What the person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Later,
    End,
}

/// Lines, as they are typed.
pub(super) struct Lines<R>(tokio::io::Lines<R>);

impl Lines<BufReader<Stdin>> {
    pub(super) fn of_standard_input() -> Self {
        Self(BufReader::new(tokio::io::stdin()).lines())
    }
}

impl<R: AsyncBufRead> Lines<R> {
    #[cfg(test)]
    pub(super) fn of(reader: R) -> Self {
        Self(reader.lines())
    }
}

/// Asks until there is an answer. The end of input is the end.
pub(super) async fn ask<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>, terminal: Terminal) -> Answer {
    loop {
        terminal.question("approve? [y = yes, n = no, l = later]");
        let Ok(Some(line)) = lines.0.next_line().await else { return Answer::End };
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Answer::Yes,
            "n" | "no" => return Answer::No,
            "l" | "later" => return Answer::Later,
            _ => {}
        }
    }
}

/// Has the person type a name, for what cannot be undone. Anything else is no.
pub(super) async fn confirm<R: AsyncBufRead + Unpin>(
    lines: &mut Lines<R>,
    name: &str,
    terminal: Terminal,
) -> Option<String> {
    terminal.question(&format!("this cannot be undone; type `{name}` to approve it"));
    let line = lines.0.next_line().await.ok().flatten()?;
    (line.trim() == name).then(|| name.to_owned())
}
