//! The sessions of a server that is a process: one process each, so that no two people ever share one.

use crate::guard::Guard;
use crate::lines::{Line, Lines};
use crate::process::{Pipes, Process, log};
use crate::session::{Lane, Session};
use crate::settings::{Program, ServerSettings};
use deputy_core::id::random_bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bytes of one message of the server's.
pub(crate) const MESSAGE_BYTES: usize = 16 << 20;
/// How often a session is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// All of them.
pub(crate) struct Sessions {
    guard: Arc<Guard>,
    program: Program,
    most: usize,
    most_each: usize,
    idle: Duration,
    table: Mutex<HashMap<Key, Arc<Session>>>,
}

/// How a session is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// By the id that its client was given.
    Named(String),
    /// By its owner.
    Stateless(String),
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSession {
    /// There are as many as there may be.
    #[error("there are too many sessions")]
    Full,
    /// Its process does not start.
    #[error("{0}")]
    NotStarted(String),
}

impl Sessions {
    pub(crate) fn new(guard: &Arc<Guard>, program: Program, settings: &ServerSettings) -> Arc<Self> {
        Arc::new(Self {
            guard: Arc::clone(guard),
            program,
            most: settings.sessions,
            most_each: settings.sessions_each,
            idle: settings.idle,
            table: Mutex::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of this id, if it is this owner's: anybody else's is as unknown as none.
    pub(crate) fn named(&self, id: &str, owner: &str) -> Option<Arc<Session>> {
        let table = self.table();
        let session = table.get(&Key::Named(id.to_owned()))?;
        (session.owner == owner && !session.gone.is_cancelled()).then(|| Arc::clone(session))
    }

    /// Opens one whose client will know its id.
    pub(crate) fn open(self: &Arc<Self>, owner: &str) -> Result<(String, Arc<Session>), NoSession> {
        let id = random_bytes::<32>()
            .map(hex::encode)
            .map_err(|error| NoSession::NotStarted(error.to_string()))?;
        let session = self.start(Key::Named(id.clone()), owner, Lane::Named)?;
        Ok((id, session))
    }

    /// The one for an owner's requests that stand by themselves.
    pub(crate) fn stateless(self: &Arc<Self>, owner: &str) -> Result<Arc<Session>, NoSession> {
        let key = Key::Stateless(owner.to_owned());
        let known = self.table().get(&key).filter(|session| !session.gone.is_cancelled()).cloned();
        match known {
            Some(session) => Ok(session),
            None => self.start(key, owner, Lane::Stateless),
        }
    }

    fn start(self: &Arc<Self>, key: Key, owner: &str, lane: Lane) -> Result<Arc<Session>, NoSession> {
        // One that is ending still has its process, so it counts.
        let mut table = self.table();
        let own = table.values().filter(|session| session.owner == owner).count();
        if table.len() >= self.most || own >= self.most_each || table.contains_key(&key) {
            return Err(NoSession::Full);
        }
        let (process, pipes) = Process::start(&self.program, None).map_err(NoSession::NotStarted)?;
        let (session, queue) = Session::new(&self.guard, owner.to_owned(), lane);
        table.insert(key.clone(), Arc::clone(&session));
        drop(table);
        let (own, running) = (Arc::clone(self), Arc::clone(&session));
        self.guard.tasks.start(async move {
            own.run(&running, process, pipes, queue).await;
            own.table().remove(&key);
        });
        Ok(session)
    }

    async fn run(&self, session: &Session, process: Process, pipes: Pipes, queue: mpsc::Receiver<String>) {
        let closing = CancellationToken::new();
        self.guard.tasks.start(write(pipes.stdin, queue, closing.clone()));
        self.guard.tasks.start(log(pipes.stderr));
        let mut lines = Lines::new(pipes.stdout, MESSAGE_BYTES);
        let mut look = tokio::time::interval(LOOK);
        let stopping = self.guard.tasks.stopping();
        loop {
            tokio::select! {
                biased;
                () = session.gone.cancelled() => break,
                () = stopping.cancelled() => break,
                line = lines.next() => match line {
                    Ok(Some(Line::Whole(line))) => session.heard(&line),
                    Ok(Some(Line::TooLong)) => {
                        tracing::warn!("a message of the server's is too long; its session ends");
                        break;
                    }
                    _ => break,
                },
                _ = look.tick() => {
                    if process.has_exited() || session.unused_for().is_some_and(|time| time > self.idle) {
                        break;
                    }
                }
            }
        }
        session.end();
        closing.cancel();
        process.end().await;
    }
}

/// Writes what is queued. Dropping the pipe closes it.
async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<String>, closing: CancellationToken) {
    let writing = async {
        while let Some(mut text) = queue.recv().await {
            text.push('\n');
            if stdin.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = writing => {}
    }
}
