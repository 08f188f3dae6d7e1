//! Short commands in one call.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::super::client::Client;
use super::super::error::PebbleError;
use super::error::ExecError;
use super::process::Process;
use super::setup::Exec;
use super::stdout::Stdout;

/// How long a command may take that does not say so.
const DEFAULT: Duration = Duration::from_secs(60);

/// What the daemon needs besides the command's own time.
const MARGIN: Duration = Duration::from_secs(10);

/// What a command that ended well has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr_tail: String,
}

impl Client {
    /// Runs a short command: gives it its whole input and takes its whole output, of at most `limit` bytes.
    ///
    /// Without a time limit of its own the command gets one minute.
    pub async fn run(&self, exec: &Exec, stdin: &[u8], limit: usize) -> Result<Output, ExecError> {
        let allowed = exec.timeout.unwrap_or(DEFAULT);
        let exec = exec.clone().timeout(allowed);
        // When the time is up, the process is dropped and the command killed.
        let all = async { converse(self.exec(&exec).await?, stdin, limit).await };
        timeout(allowed + MARGIN, all).await.unwrap_or_else(|_| {
            Err(ExecError::TimedOut {
                command: exec.name(),
                after: allowed,
                stderr: String::new(),
            })
        })
    }
}

/// Gives a command its whole input and takes its whole output, of at most `limit` bytes.
pub(super) async fn converse(
    mut process: Process,
    input: &[u8],
    limit: usize,
) -> Result<Output, ExecError> {
    let name = process.command.clone();
    let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
    let feed = async move {
        let Some(mut stdin) = stdin else {
            return Ok(());
        };
        // Whether the command wanted all of it is its own affair; the verdict tells.
        match stdin.write_all(input).await {
            Ok(()) => drop(stdin.end().await),
            Err(_) => drop(stdin),
        }
        Ok(())
    };
    let take = async move {
        match stdout {
            Some(stdout) => gather(stdout, limit).await,
            None => Ok(Vec::new()),
        }
    };
    // Output that fails ends the feeding as well, which kills the command.
    match tokio::try_join!(take, feed) {
        Ok((stdout, ())) => {
            let exited = process.wait(MARGIN).await?;
            Ok(Output {
                stdout,
                stderr_tail: exited.stderr,
            })
        }
        Err(Trouble::TooLong) => {
            process.kill().await?;
            Err(PebbleError::TooLong {
                what: format!("the output of {name}"),
                limit,
            }
            .into())
        }
        // The verdict says why the output broke off.
        Err(Trouble::Broken(error)) => match process.wait(MARGIN).await {
            Err(verdict) => Err(verdict),
            Ok(_) => Err(PebbleError::broken(&name, error).into()),
        },
    }
}

/// Why output could not be taken whole.
enum Trouble {
    TooLong,
    Broken(io::Error),
}

/// Reads to the end.
async fn gather(mut stdout: Stdout, limit: usize) -> Result<Vec<u8>, Trouble> {
    let mut all = Vec::new();
    while let Some(chunk) = stdout.chunk().await.map_err(Trouble::Broken)? {
        if all.len() + chunk.len() > limit {
            return Err(Trouble::TooLong);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}
