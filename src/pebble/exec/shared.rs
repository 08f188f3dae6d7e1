//! The directory that this container shares with the workload's, and whether a stream can go through it.
//!
//! Whether it can is tried, not worked out: a command with the same user sends a few bytes that way and back. Whatever is
//! off, be it the directory, a permission or a missing program, the daemon carries the stream as it always could.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::super::client::Client;
use super::error::ExecError;
use super::fifo::{self, Far, Fifo};
use super::run::converse;
use super::setup::{Bulk, Exec};

/// How long a trial may take. It takes some ten milliseconds, and a container of little processor time much longer.
const TRIAL: Duration = Duration::from_secs(5);

/// Bytes of a trial's token.
const TOKEN_BYTES: usize = 16;

/// A directory that both containers see.
#[derive(Debug)]
pub(in crate::pebble) struct Shared {
    /// Its path in this container.
    here: PathBuf,
    /// Its path in the workload's.
    there: String,
    /// For whom and which way it was tried, and whether it can be used.
    tried: Mutex<Vec<(Trial, bool)>>,
}

/// Whose command, and which end it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial {
    user: Option<u32>,
    group: Option<u32>,
    far: Far,
}

/// How the bulk of a command goes.
pub(super) enum Passage {
    /// As everything else: through the daemon.
    Daemon,
    /// Through a pipe that the command writes to.
    Output {
        command: Vec<String>,
        fifo: Fifo,
        receiver: pipe::Receiver,
    },
    /// Through a pipe that the command reads from.
    Input { command: Vec<String>, fifo: Fifo },
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
enum TrialError {
    #[error("make a named pipe")]
    Make(#[source] io::Error),
    #[error("have a command use it")]
    Use(#[source] ExecError),
    #[error("have a command use it within {} s", TRIAL.as_secs())]
    TimedOut,
    #[error("get back what was sent through it")]
    Token,
}

impl Shared {
    pub(in crate::pebble) fn new(here: PathBuf, there: String) -> Self {
        Self {
            here,
            there,
            tried: Mutex::default(),
        }
    }
}

impl Passage {
    /// What to run instead of the command as it stands.
    pub(super) fn command(&self) -> Option<&[String]> {
        match self {
            Self::Daemon => None,
            Self::Output { command, .. } | Self::Input { command, .. } => Some(command),
        }
    }

    pub(super) fn is_pipe(&self) -> bool {
        self.command().is_some()
    }
}

impl Client {
    /// How the bulk of this command is to go: through a pipe, if it has one and that works.
    pub(super) async fn passage(&self, exec: &Exec) -> Passage {
        let (Some(shared), Some(bulk)) = (self.shared(), exec.bulk) else {
            return Passage::Daemon;
        };
        if !self.is_usable(shared, exec, bulk).await {
            return Passage::Daemon;
        }
        self.pipe(shared, exec, bulk).unwrap_or_else(|error| {
            tracing::info!(%error, "no named pipe: the stream goes through Pebble");
            Passage::Daemon
        })
    }

    /// Whether commands of this user can use pipes; tried once.
    async fn is_usable(&self, shared: &Shared, exec: &Exec, bulk: Bulk) -> bool {
        let trial = Trial {
            user: exec.user_id,
            group: exec.group_id,
            far: far(bulk),
        };
        let mut tried = shared.tried.lock().await;
        if let Some((_, usable)) = tried.iter().find(|(known, _)| *known == trial) {
            return *usable;
        }
        match fifo::sweep(&shared.here) {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "named pipes of killed runs removed"),
            Err(error) => tracing::debug!(%error, "the shared directory is not swept"),
        }
        // On the heap: the room for it would be part of whatever runs a command.
        let outcome = timeout(TRIAL, Box::pin(self.attempt(shared, trial))).await;
        let usable = match outcome.unwrap_or(Err(TrialError::TimedOut)) {
            Ok(()) => true,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::info!(%error, cause, "no named pipe: streams go through Pebble");
                false
            }
        };
        tried.push((trial, usable));
        usable
    }

    /// Has a small command send a token through a pipe.
    async fn attempt(&self, shared: &Shared, trial: Trial) -> Result<(), TrialError> {
        let mut token = [0; TOKEN_BYTES];
        getrandom::fill(&mut token).map_err(|error| TrialError::Make(io::Error::other(error)))?;
        let (exec, bulk) = match trial.far {
            Far::Writes => (Exec::new(["tee", "-"]), Bulk::Output("-")),
            Far::Reads => (Exec::new(["cat", "-"]), Bulk::Input("-")),
        };
        let mut exec = exec.timeout(TRIAL).bulk(bulk);
        (exec.user_id, exec.group_id) = (trial.user, trial.group);
        let passage = self.pipe(shared, &exec, bulk).map_err(TrialError::Make)?;
        let process = self.begin(&exec, passage).await.map_err(TrialError::Use)?;
        let output = converse(process, &token, TOKEN_BYTES).await;
        match output.map_err(TrialError::Use)?.stdout == token {
            true => Ok(()),
            false => Err(TrialError::Token),
        }
    }

    /// Makes a pipe for the bulk of this command.
    fn pipe(&self, shared: &Shared, exec: &Exec, bulk: Bulk) -> io::Result<Passage> {
        let mut fifo = Fifo::make(&shared.here)?;
        let path = format!("{}/{}", shared.there, fifo.path());
        let Some(command) = exec.through(&path) else {
            return Err(io::Error::other("the command names no such stream"));
        };
        let user = match exec.user_id {
            Some(user) => user,
            None => self.daemon_user()?,
        };
        Ok(match bulk {
            Bulk::Output(_) => {
                // Before the other end is given away: from then on we could be refused as well.
                let receiver = fifo.receiver()?;
                fifo.allow(user, Far::Writes)?;
                Passage::Output {
                    command,
                    fifo,
                    receiver,
                }
            }
            Bulk::Input(_) => {
                fifo.allow(user, Far::Reads)?;
                Passage::Input { command, fifo }
            }
        })
    }

    /// The user whose commands are run when none is named: the one who made the daemon's socket.
    fn daemon_user(&self) -> io::Result<u32> {
        use std::os::unix::fs::MetadataExt;
        Ok(std::fs::symlink_metadata(self.socket())?.uid())
    }
}

fn far(bulk: Bulk) -> Far {
    match bulk {
        Bulk::Input(_) => Far::Reads,
        Bulk::Output(_) => Far::Writes,
    }
}
