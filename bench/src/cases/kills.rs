//! Fault: the hub is killed under load, over and over on one data directory.
//!
//! After each kill the log itself is read, before and after the next start: what was answered is in it, whatever a tab
//! ran was announced in it, and the start closes what was left open.

use super::Setting;
use crate::issuer::Algorithm;
use crate::load::{self, Agent, Era};
use crate::tab::Tabs;
use crate::wire::Connection;
use crate::world::{READ, WRITE, World};
use crate::{Result, fail};
use deputy_core::Digest;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

const CONNS: usize = 16;
/// One tab each.
const PEOPLE: usize = 32;
/// When the kill comes after the load began.
const KILL_MS: std::ops::Range<u64> = 50..400;
/// Checks that read the whole log are made in every loop while it is short, then in each of so many.
const WHOLE_EVERY: usize = 25;
const SHORT_LOG: usize = 20_000;

/// Loops `count` times.
pub(super) async fn run(setting: &Setting, count: usize) -> Result<()> {
    let mut world = World::new(&setting.program, &setting.folder).await?;
    let people: Vec<String> = (0..PEOPLE).map(|at| format!("person-{at}")).collect();
    let mut book = Book::default();
    let mut totals = (0, 0);
    for turn in 1..=count {
        world.start().await?;
        book.read(&world)?;
        book.nothing_is_open(turn)?;
        let shared = Arc::new(world);
        let seen = under_load(&shared, &people, turn).await?;
        world = Arc::into_inner(shared).ok_or("the world is still used")?;
        world.kill()?;
        book.read(&world)?;
        book.check(&seen, turn)?;
        if turn == count || book.lines < SHORT_LOG || turn % WHOLE_EVERY == 0 {
            whole(&world)?;
        }
        totals = (totals.0 + seen.answered.len(), totals.1 + seen.executed.len());
        if turn % 25 == 0 {
            println!("     {turn} of {count} kills, {} lines in the log", book.lines);
        }
    }
    world.start().await?;
    book.read(&world)?;
    book.nothing_is_open(count + 1)?;
    world.stop()?;
    whole(&world)?;
    let (answered, executed) = totals;
    println!("ok   {count} kills: {answered} answered calls each have an intent and an outcome in the log");
    println!(
        "ok   {count} kills: of {executed} calls that ran in tabs every write has an intent in the log, and none ran twice"
    );
    println!("ok   {count} kills: every start closed what was open ({} times `unknown`)", book.unknown);
    println!("ok   {count} kills: the log of {} lines verifies and the database is whole", book.lines);
    if answered == 0 || executed == 0 || (count > 20 && book.unknown == 0) {
        return fail("the kills met no load: nothing was tested");
    }
    Ok(())
}

/// What was seen from outside until the kill.
struct Seen {
    /// Arguments of calls whose whole answer arrived.
    answered: Vec<String>,
    /// Arguments of calls that ran in a tab.
    executed: Vec<String>,
}

async fn under_load(world: &Arc<World>, people: &[String], turn: usize) -> Result<Seen> {
    let executed = Arc::new(Mutex::new(Vec::new()));
    let mut tabs = Tabs::telling(Arc::clone(&executed));
    tabs.open(world, people).await?;
    let agents: Arc<[Agent]> = load::agents(world, people, Algorithm::Es256, Era::Modern).await?.into();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let mut connections = JoinSet::new();
    for own in 0..CONNS {
        let (agents, answered) = (Arc::clone(&agents), Arc::clone(&answered));
        connections.spawn(async move {
            // It ends with the hub.
            let _ = call_on(&agents, own, turn, &answered).await;
        });
    }
    tokio::time::sleep(Duration::from_millis(moment(KILL_MS)?)).await;
    world.kill_now()?;
    while connections.join_next().await.is_some() {}
    let taken =
        |list: &Mutex<Vec<String>>| std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner));
    // The tabs read what is still in their sockets.
    while tabs.len() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(Seen { answered: taken(&answered), executed: taken(&executed) })
}

async fn call_on(agents: &[Agent], own: usize, turn: usize, answered: &Mutex<Vec<String>>) -> Result<()> {
    let Some(first) = agents.first() else { return fail("nobody calls") };
    let mut connection = Connection::open(first.port()).await?;
    for (agent, at) in agents.iter().skip(own).step_by(CONNS).cycle().zip(0_usize..) {
        let arguments = load::arguments(&format!("t{turn}-c{own}-{at}"));
        let tool = if at % 2 == 0 { READ } else { WRITE };
        let answer = connection.ask(&agent.call(tool, &arguments)).await?;
        if load::succeeded(&answer) {
            answered.lock().unwrap_or_else(PoisonError::into_inner).push(arguments);
        }
    }
    Ok(())
}

fn moment(range: std::ops::Range<u64>) -> Result<u64> {
    let mut bytes = [0; 8];
    crate::random(getrandom::fill(&mut bytes))?;
    Ok(range.start + u64::from_le_bytes(bytes) % (range.end - range.start))
}

/// What the log says, read on and on by `deputy audit export`.
#[derive(Default)]
struct Book {
    lines: usize,
    /// By the digest of the arguments, which no two calls share.
    intents: HashMap<String, String>,
    ended: HashSet<String>,
    open: HashSet<String>,
    unknown: usize,
}

impl Book {
    fn read(&mut self, world: &World) -> Result<()> {
        let cursor = world.path("export.cursor");
        let cursor = cursor.to_str().ok_or("the path is no text")?;
        for line in world.deputy(&["audit", "export", "--cursor", cursor])?.lines() {
            let line: Value = serde_json::from_str(line)?;
            let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            if line.get("seq").and_then(Value::as_u64) != u64::try_from(self.lines).ok() {
                return fail(format!("line {} is missing", self.lines));
            }
            self.lines += 1;
            match text("kind").as_str() {
                "intent" => {
                    self.open.insert(text("call"));
                    self.intents.insert(text("arguments"), text("call"));
                }
                "outcome" => {
                    self.open.remove(&text("call"));
                    self.unknown += usize::from(text("outcome") == "unknown");
                    self.ended.insert(text("call"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn nothing_is_open(&self, turn: usize) -> Result<()> {
        match self.open.iter().next() {
            None => Ok(()),
            Some(call) => {
                fail(format!("start {turn}: `{call}` and {} more were left open", self.open.len() - 1))
            }
        }
    }

    fn check(&self, seen: &Seen, turn: usize) -> Result<()> {
        for arguments in &seen.answered {
            let Some(call) = self.intents.get(&digest(arguments)?) else {
                return fail(format!(
                    "kill {turn}: a call was answered and has no intent in the log: {arguments}"
                ));
            };
            if !self.ended.contains(call) {
                return fail(format!("kill {turn}: `{call}` was answered and has no outcome in the log"));
            }
        }
        let mut once = HashSet::new();
        for arguments in &seen.executed {
            if !once.insert(arguments) {
                return fail(format!("kill {turn}: a tab ran a call twice: {arguments}"));
            }
            // A read runs beside its line; everything else waits for it.
            let is_write = arguments.split('"').nth(3).is_some_and(is_write);
            if is_write && !self.intents.contains_key(&digest(arguments)?) {
                return fail(format!(
                    "kill {turn}: a tab ran a write that has no intent in the log: {arguments}"
                ));
            }
        }
        Ok(())
    }
}

/// By the last number of its unique name; see `call_on`.
fn is_write(unique: &str) -> bool {
    unique.rsplit('-').next().and_then(|at| at.parse::<usize>().ok()).is_some_and(|at| at % 2 == 1)
}

fn digest(arguments: &str) -> Result<String> {
    Ok(Digest::of_json(&serde_json::from_str(arguments)?)?.to_string())
}

/// The log from its first line to its last, and the database file.
fn whole(world: &World) -> Result<()> {
    world.deputy(&["audit", "verify"])?;
    let check = "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])";
    let copy = world.path("copy");
    std::fs::create_dir_all(&copy)?;
    for ending in ["", "-wal"] {
        let name = format!("deputy.db{ending}");
        let (from, to) = (world.path("data").join(&name), copy.join(&name));
        match from.exists() {
            true => drop(std::fs::copy(from, to)?),
            false => drop(std::fs::remove_file(to)),
        }
    }
    let done = Command::new("python3").args(["-c", check]).arg(copy.join("deputy.db")).output()?;
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    if done.status.success() && said == "ok" {
        return Ok(());
    }
    fail(format!("the database is not whole: {said} {}", String::from_utf8_lossy(&done.stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(answered: &[&str], executed: &[&str]) -> Seen {
        let all = |names: &[&str]| names.iter().map(|name| load::arguments(name)).collect();
        Seen { answered: all(answered), executed: all(executed) }
    }

    /// A log with an intent for `t1-c0-1`.
    fn book(ended: bool) -> Book {
        let mut book = Book::default();
        book.intents.insert(digest(&load::arguments("t1-c0-1")).expect("digest"), "call_1".to_owned());
        book.ended.extend(ended.then(|| "call_1".to_owned()));
        book
    }

    #[test]
    fn aud_01_an_answer_without_both_lines_is_found() {
        assert!(book(true).check(&seen(&["t1-c0-1"], &[]), 1).is_ok());
        assert!(book(false).check(&seen(&["t1-c0-1"], &[]), 1).is_err());
        assert!(book(true).check(&seen(&["t1-c0-3"], &[]), 1).is_err());
    }

    #[test]
    fn aud_01_a_write_that_ran_without_an_intent_is_found_and_a_read_may_run_beside_it() {
        assert!(book(false).check(&seen(&[], &["t1-c0-1", "t1-c0-2"]), 1).is_ok());
        assert!(book(false).check(&seen(&[], &["t1-c0-3"]), 1).is_err());
    }

    #[test]
    fn a_call_that_ran_twice_is_found() {
        assert!(book(true).check(&seen(&[], &["t1-c0-1", "t1-c0-1"]), 1).is_err());
    }

    #[test]
    fn a_call_that_a_start_leaves_open_is_found() {
        let mut book = Book::default();
        assert!(book.nothing_is_open(1).is_ok());
        book.open.insert("call_1".to_owned());
        assert!(book.nothing_is_open(1).is_err());
    }
}
