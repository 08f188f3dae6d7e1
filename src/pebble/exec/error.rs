//! How a command can fail.

use std::time::Duration;

use super::super::error::PebbleError;

/// Why a command did not end well. Standard error's last 8 KiB come along where there are any.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The daemon could not be asked, refused, or did not answer in time; the command may never have begun.
    #[error(transparent)]
    Pebble(#[from] PebbleError),
    /// The command ended by itself and not well.
    #[error("run {command}: {}{}", ending(*code, *signal), stderr_note(stderr))]
    Exit {
        /// The program's name.
        command: String,
        /// The exit code; 128 and more for a signal.
        code: i64,
        /// The signal that killed it.
        signal: Option<i64>,
        /// The end of its standard error.
        stderr: String,
    },
    /// The command ran longer than it was allowed to and was killed.
    #[error("run {command} within {} s{}", after.as_secs_f32(), stderr_note(stderr))]
    TimedOut {
        /// The program's name.
        command: String,
        /// What it was allowed.
        after: Duration,
        /// The end of its standard error.
        stderr: String,
    },
    /// There is no telling how the command ended, because its output broke off or its exit code is missing.
    #[error("run {command}: {detail}{}", stderr_note(stderr))]
    Interrupted {
        /// The program's name.
        command: String,
        /// What is missing.
        detail: &'static str,
        /// The end of its standard error.
        stderr: String,
    },
    /// The daemon, and with it the container, stopped while the command ran.
    #[error(
        "run {command}: pebble stopped or restarted meanwhile{}",
        stderr_note(stderr)
    )]
    DaemonRestarted {
        /// The program's name.
        command: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// The command was killed by this side, because its input was given up before it was ended.
    #[error(
        "run {command}: its input was given up, so it was killed{}",
        stderr_note(stderr)
    )]
    Abandoned {
        /// The program's name.
        command: String,
        /// The end of its standard error.
        stderr: String,
    },
}

impl ExecError {
    /// The end of the command's standard error, as far as it is known.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Pebble(_) => "",
            Self::Exit { stderr, .. }
            | Self::TimedOut { stderr, .. }
            | Self::Interrupted { stderr, .. }
            | Self::DaemonRestarted { stderr, .. }
            | Self::Abandoned { stderr, .. } => stderr,
        }
    }
}

fn ending(code: i64, signal: Option<i64>) -> String {
    match signal {
        Some(signal) => format!("killed by signal {signal}"),
        None => format!("exit code {code}"),
    }
}

fn stderr_note(stderr: &str) -> String {
    let stderr = stderr.trim();
    if stderr.is_empty() {
        String::new()
    } else {
        format!("; stderr: {stderr}")
    }
}
