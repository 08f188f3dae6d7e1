//! The hook tools: small programs by which a charm asks its unit agent and tells it things.
//!
//! The one room that starts processes. A tool gets a fixed argument list (never a shell), a minimal environment and a
//! limit in time; what it prints is bounded and read as JSON. The agent runs one tool at a time for each run of the
//! charm, so calls made at once simply queue up there.
//!
//! **Secrets and argv.** Arguments can be seen in the process list. Databags go in by stdin; nothing else that is secret
//! goes in at all, with one exception: the password that `register-user` makes is an action result, and the argv of
//! `action-set` is the only way into those. It is a first password, shown to the operator anyway.

mod actions;
mod relations;
mod secrets;
mod unit;

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::ToolEnvironment;

pub use actions::is_result_key;
pub use secrets::{SecretContent, SecretError};
pub use unit::LogLevel;

/// The longest single argument that Linux takes, without the NUL at its end.
///
/// One action result, key and equals sign included, and one message must fit into it.
pub const ARGUMENT_LIMIT: usize = 128 * 1024 - 1;

/// How long one tool may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The most that a tool may print: a whole databag, with room to spare.
const OUTPUT_LIMIT: u64 = 24 * 1024 * 1024;

/// The most of a tool's complaint that is kept.
const COMPLAINT_LIMIT: u64 = 8 * 1024;

/// Calls the hook tools. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tools {
    environment: Arc<ToolEnvironment>,
    time_limit: Duration,
}

/// Why a hook tool gave no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No directory of the path holds the tool.
    #[error("hook tool {tool} is in none of {path:?}")]
    Missing {
        /// The tool.
        tool: &'static str,
        /// Where we looked.
        path: String,
    },
    /// The tool could not be started, or its pipes broke.
    #[error("hook tool {tool} could not be run")]
    Run {
        /// The tool.
        tool: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The agent ran the request and refused it (exit code 1).
    #[error("hook tool {tool} failed: {message}")]
    Failed {
        /// The tool.
        tool: &'static str,
        /// What it said.
        message: String,
    },
    /// The agent did not take the arguments (exit code 2): a mistake of ours, or a relation that is gone.
    #[error("hook tool {tool} refused its arguments: {message}")]
    Refused {
        /// The tool.
        tool: &'static str,
        /// What it said.
        message: String,
    },
    /// The tool ended in a way that no hook tool should: another exit code, or a signal.
    #[error("hook tool {tool} ended with {status}: {message}")]
    Ended {
        /// The tool.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// The tool took too long, and was killed.
    #[error("hook tool {tool} did not answer within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The tool.
        tool: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The tool printed more than any answer can be, and was killed.
    #[error("hook tool {tool} printed more than {limit} bytes")]
    TooLong {
        /// The tool.
        tool: &'static str,
        /// How much it may print.
        limit: u64,
    },
    /// The answer is not the JSON that was expected. The answer itself is left out, as it may hold secrets.
    #[error(
        "hook tool {tool} gave an answer that is not understood, at line {line} column {column}"
    )]
    Malformed {
        /// The tool.
        tool: &'static str,
        /// Where the trouble is.
        line: usize,
        /// Where the trouble is.
        column: usize,
    },
    /// An action result is too long for the one argument that it must be.
    #[error(
        "action result {key} is {bytes} bytes long, and only {ARGUMENT_LIMIT} can be handed over"
    )]
    ResultTooLong {
        /// The result's key.
        key: String,
        /// Its length with key and equals sign.
        bytes: usize,
    },
}

impl Tools {
    /// Makes calls to the tools that the unit agent named.
    pub fn new(environment: ToolEnvironment) -> Self {
        Self {
            environment: Arc::new(environment),
            time_limit: TIME_LIMIT,
        }
    }

    /// Gives each call another limit in time.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Asks a tool that answers in JSON.
    async fn ask<T: DeserializeOwned>(
        &self,
        tool: &'static str,
        arguments: &[&str],
    ) -> Result<T, ToolError> {
        let answer = self.call(tool, arguments, None).await?;
        serde_json::from_slice(&answer).map_err(|error| ToolError::Malformed {
            tool,
            line: error.line(),
            column: error.column(),
        })
    }

    /// Tells a tool something; what it prints does not matter.
    async fn tell(&self, tool: &'static str, arguments: &[&str]) -> Result<(), ToolError> {
        self.call(tool, arguments, None).await.map(drop)
    }

    /// Runs a tool to its end and gives what it printed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one room that starts processes"
    )]
    async fn call(
        &self,
        tool: &'static str,
        arguments: &[&str],
        input: Option<&[u8]>,
    ) -> Result<Vec<u8>, ToolError> {
        let mut child = Command::new(self.find(tool)?)
            .args(arguments)
            .env_clear()
            .env("PATH", &self.environment.path)
            .envs(&self.environment.variables)
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ToolError::Run { tool, source })?;
        // Dropping the child, as every early return does, kills it.
        let ended = tokio::time::timeout(self.time_limit, converse(&mut child, input))
            .await
            .map_err(|_elapsed| ToolError::TimedOut {
                tool,
                limit: self.time_limit,
            })?;
        let (output, complaint, status) =
            ended.map_err(|source| ToolError::Run { tool, source })?;
        let status = status.ok_or(ToolError::TooLong {
            tool,
            limit: OUTPUT_LIMIT,
        })?;
        let message = || complaint_text(&complaint);
        match status.code() {
            Some(0) => Ok(output),
            Some(1) => Err(ToolError::Failed {
                tool,
                message: message(),
            }),
            Some(2) => Err(ToolError::Refused {
                tool,
                message: message(),
            }),
            _ => Err(ToolError::Ended {
                tool,
                status,
                message: message(),
            }),
        }
    }

    /// Tells a tool something without a runtime, for a process that may be about to die.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one room that starts processes"
    )]
    pub(super) fn tell_blocking(
        &self,
        tool: &'static str,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<(), ToolError> {
        let run = |source| ToolError::Run { tool, source };
        let mut child = std::process::Command::new(self.find(tool)?)
            .args(arguments)
            .env_clear()
            .env("PATH", &self.environment.path)
            .envs(&self.environment.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(run)?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if child.try_wait().map_err(run)?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().map_err(run)?;
        child.wait().map_err(run)?;
        Err(ToolError::TimedOut { tool, limit })
    }

    /// Looks the tool up as a shell would.
    fn find(&self, tool: &'static str) -> Result<PathBuf, ToolError> {
        std::env::split_paths(&self.environment.path)
            .map(|directory| directory.join(tool))
            .find(|program| program.is_file())
            .ok_or_else(|| ToolError::Missing {
                tool,
                path: self.environment.path.clone(),
            })
    }
}

/// Feeds and reads a child until it has ended. No status: it printed too much, and still runs.
async fn converse(
    child: &mut Child,
    input: Option<&[u8]>,
) -> io::Result<(Vec<u8>, Vec<u8>, Option<ExitStatus>)> {
    let stdin = child.stdin.take();
    let feed = async move {
        let (Some(mut stdin), Some(input)) = (stdin, input) else {
            return Ok(());
        };
        match stdin.write_all(input).await {
            // A tool that fails early, or has no use for its input, closes it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    };
    let output = read(child.stdout.take(), OUTPUT_LIMIT);
    let complaint = read(child.stderr.take(), COMPLAINT_LIMIT);
    let ((), (output, output_whole), (complaint, _)) = tokio::try_join!(feed, output, complaint)?;
    let status = match output_whole {
        true => Some(child.wait().await?),
        false => None,
    };
    Ok((output, complaint, status))
}

/// Reads up to a limit, and tells whether that was all. The pipe is closed afterwards.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let Some(pipe) = pipe else {
        return Ok((bytes, true));
    };
    pipe.take(limit + 1).read_to_end(&mut bytes).await?;
    let whole = bytes.len() as u64 <= limit;
    Ok((bytes, whole))
}

/// What a tool said on stderr, without the word that each complaint begins with.
fn complaint_text(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let text = text.trim();
    text.strip_prefix("ERROR ").unwrap_or(text).to_owned()
}

/// Makes a text fit for one argument: no NUL, and cut where it is too long.
fn argument(text: &str, limit: usize) -> String {
    let mut text = text.replace('\0', "\u{fffd}");
    let limit = limit.min(ARGUMENT_LIMIT);
    if text.len() > limit {
        let end = text.floor_char_boundary(limit - '…'.len_utf8());
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
pub(super) mod tests;
