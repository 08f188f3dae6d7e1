//! A command that runs.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::super::client::Client;
use super::super::error::PebbleError;
use super::super::signal::Signal;
use super::error::ExecError;
use super::leash::{KILL, Leash, Life};
use super::stderr::Tail;
use super::stdin::Stdin;
use super::stdout::{Stdout, StreamEnd};
use super::verdict::{Evidence, verdict};

/// How long a command's output may lag behind the news that it has ended.
const LAST_BYTES: Duration = Duration::from_secs(10);

/// The longest time that the daemon may be away; it is no longer than a stream may stand still. Its commands end with it, so it is
/// waited for only to hear what it says of them.
const AWAY: Duration = Duration::from_secs(30);

/// A running command. Dropping it kills the command.
///
/// Take `stdin` and `stdout` out and use them at the same time, from as many tasks as you like: a command that waits
/// for one of them does not move the other. When the source of the input fails, call [`Process::kill`] first and drop
/// the `Stdin` after; done the other way round, the drop itself sees to the killing.
#[derive(Debug)]
pub struct Process {
    /// The standard input. Left here unused, [`Process::wait`] ends it at once.
    pub stdin: Option<Stdin>,
    /// The standard output. Left here, [`Process::wait`] reads it and throws it away.
    pub stdout: Option<Stdout>,
    pub(super) client: Client,
    pub(super) command: String,
    pub(super) timeout: Option<Duration>,
    pub(super) stall_limit: Duration,
    pub(super) change: String,
    pub(super) leash: Leash,
    /// Whether the command has opened what it is to read from.
    pub(super) input_opened: watch::Receiver<bool>,
    pub(super) stdout_end: watch::Receiver<StreamEnd>,
    pub(super) stderr: watch::Receiver<Tail>,
}

/// A command that ended well: exit code 0, all output delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    /// The end of its standard error, where warnings stand.
    pub stderr: String,
}

impl Process {
    /// The end of standard error as it is now.
    pub fn stderr_tail(&self) -> String {
        self.stderr.borrow().text()
    }

    /// Sends a signal to the command itself, not to its children. One that is gone already gets none.
    pub async fn signal(&self, signal: Signal) {
        self.leash.signal(signal).await;
    }

    /// Kills the command and returns when it is gone; only then its input is closed.
    ///
    /// Its children, if it has any, live on and see the end of their input, so what must not happen after a failed
    /// input should not stand behind one in a shell script.
    pub async fn kill(mut self) -> Result<(), PebbleError> {
        self.leash.signal(Signal::Kill).await;
        let life = self.leash.gone().await;
        match life {
            // The daemon being there still says that it was the command which went.
            Life::Gone => self.client.change(&self.change).await.map(drop),
            Life::Running | Life::Lost => Err(PebbleError::TimedOut {
                what: format!("killing {}", self.command),
                after: KILL,
            }),
        }
        // Only now self is dropped, and with it a Stdin that was left here.
    }

    /// Waits for the command to end and says whether it ended well, within `limit` from now.
    ///
    /// Whoever took the output must read it to its end, before or meanwhile; else this waits in vain. When the limit
    /// passes, the command is killed.
    pub async fn wait(mut self, limit: Duration) -> Result<Exited, ExecError> {
        let deadline = Instant::now() + limit;
        let late = || PebbleError::TimedOut {
            what: format!("waiting for {}", self.command),
            after: limit,
        };

        match self.stdin.take() {
            Some(stdin) if stdin.is_untouched() => {
                // A failure here shows in the verdict too.
                drop(
                    timeout_at(deadline, stdin.end())
                        .await
                        .map_err(|_| late())?,
                );
            }
            // What was written may be half of something, so this kills.
            Some(stdin) => drop(stdin),
            None => {}
        }

        let stdout = self.stdout.take();
        let rest = async {
            if let Some(mut stdout) = stdout {
                while let Ok(Some(_)) = stdout.chunk().await {}
            }
        };
        let mut lost = None;
        let away = AWAY.min(self.stall_limit);
        let note = |_: &PebbleError| lost.get_or_insert_with(Instant::now).elapsed() < away;
        let change = self.client.wait_noting(&self.change, limit, note);
        let both = async { tokio::join!(change, rest) };
        let change = match timeout_at(deadline, both).await {
            Ok((change, ())) => change,
            Err(_) => return Err(late().into()),
        };

        // The daemon had written all output when the change was ready; it only needs to be read.
        let last = deadline.max(Instant::now() + LAST_BYTES);
        let settled = async {
            drop(
                self.stdout_end
                    .wait_for(|end| *end != StreamEnd::Open)
                    .await,
            );
            drop(
                self.stderr
                    .wait_for(|tail| tail.end != StreamEnd::Open)
                    .await,
            );
        };
        drop(timeout_at(last, settled).await);

        let stderr = self.stderr.borrow();
        let evidence = Evidence {
            command: &self.command,
            timeout: self.timeout,
            lost: lost.is_some(),
            abandoned: self.leash.was_abandoned(),
            input_opened: *self.input_opened.borrow(),
            stdout: *self.stdout_end.borrow(),
            stderr_end: stderr.end,
            stderr: stderr.text(),
        };
        let verdict = verdict(change, evidence);
        if let Err(error) = &verdict {
            tracing::debug!(command = %self.command, change = %self.change, %error, "command failed");
        }
        verdict
    }
}
