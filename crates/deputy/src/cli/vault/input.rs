//! A secret from standard input or from a person, and a yes.

use crate::cli::Failure;
use crate::cli::terminal::Terminal;
use deputy_core::Secret;
use deputy_vault::LONGEST_SECRET;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead as _, IsTerminal as _, Read, Stdin, stdin};
use zeroize::Zeroizing;

/// All of standard input; from a terminal one line, which is not shown.
pub(super) fn secret(terminal: Terminal) -> Result<Secret<String>, Failure> {
    let input = stdin();
    if !input.is_terminal() {
        return taken(input.lock());
    }
    terminal.question("secret (it is not shown):");
    let hidden = Hidden::over(input)?;
    let read = line(hidden.input.lock());
    drop(hidden);
    terminal.note("");
    read
}

fn line(input: impl std::io::BufRead) -> Result<Secret<String>, Failure> {
    let mut bytes = room();
    input.take(limit()).read_until(b'\n', &mut bytes).map_err(unreadable)?;
    text(bytes)
}

/// What stands in a pipe, without one line end.
fn taken(input: impl Read) -> Result<Secret<String>, Failure> {
    let mut bytes = room();
    input.take(limit()).read_to_end(&mut bytes).map_err(unreadable)?;
    text(bytes)
}

/// Room for everything from the beginning: a buffer that grew would leave a copy behind.
fn room() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(LONGEST_SECRET + 64))
}

/// A line end more than the longest secret, and a byte by which a longer one is found out.
fn limit() -> u64 {
    u64::try_from(LONGEST_SECRET).unwrap_or(0) + 3
}

fn text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Secret<String>, Failure> {
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    let refused = |why: String| {
        Failure::Usage(format!(
            "{why}\n  mend: pipe it in, `deputy vault put … < FILE`, or type it when asked"
        ))
    };
    if bytes.is_empty() {
        return Err(refused("there is no secret on standard input".to_owned()));
    }
    if bytes.len() > LONGEST_SECRET {
        return Err(refused(format!("the secret is longer than {LONGEST_SECRET} bytes")));
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(refused("the secret is not text".to_owned()))
        }
    }
}

/// Whether a person says yes. The end of input is no.
pub(super) fn agreed(terminal: Terminal, question: &str) -> Result<bool, Failure> {
    terminal.question(&format!("{question} [y/N]"));
    let mut answer = String::new();
    stdin().lock().take(64).read_line(&mut answer).map_err(unreadable)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A terminal that does not show what is typed, until it is dropped.
struct Hidden {
    input: Stdin,
    before: Termios,
}

impl Hidden {
    fn over(input: Stdin) -> Result<Self, Failure> {
        let unset = |error: rustix::io::Errno| {
            Failure::Fault(format!("the terminal cannot hide what is typed: {error}"))
        };
        let before = tcgetattr(&input).map_err(unset)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&input, OptionalActions::Flush, &hidden).map_err(unset)?;
        Ok(Self { input, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nobody can be told that it failed.
        let _ = tcsetattr(&self.input, OptionalActions::Now, &self.before);
    }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::Fault(format!("standard input cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Result<String, String> {
        taken(bytes).map(|secret| secret.expose().clone()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_secret_is_what_stands_in_the_pipe_without_one_line_end() {
        for text in ["tok", "tok\n", "tok\r\n"] {
            assert_eq!(said(text.as_bytes()), Ok("tok".to_owned()), "{text:?}");
        }
        assert_eq!(line(&b"tok\nmore"[..]).ok().map(|s| s.expose().clone()).as_deref(), Some("tok"));
    }

    #[test]
    fn nothing_too_much_and_what_is_no_text_are_refused_and_not_repeated() {
        for bytes in [&b""[..], b"\n", &[b'x'; LONGEST_SECRET + 1], b"hunter\xff"] {
            let text = said(bytes).expect_err("refused");
            assert!(
                text.contains("mend: pipe it in") && !text.contains("hunter") && !text.contains("xx"),
                "{text}"
            );
        }
        assert!(said(&[b'x'; LONGEST_SECRET]).is_ok());
    }
}
