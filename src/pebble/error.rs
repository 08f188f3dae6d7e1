//! What can go wrong between this process and the daemon.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a call to Pebble did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PebbleError {
    /// Nobody listens on the socket: the container is not up yet, or is being restarted.
    #[error("connect to pebble at {}", socket.display())]
    CannotConnect {
        /// The socket that was tried.
        socket: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No answer, or no end of it, came in time.
    #[error("finish {what} within {} s", after.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// The limit that passed.
        after: Duration,
    },
    /// The connection ended in the middle, as when the daemon stops or is killed.
    #[error("finish {what}: the connection to pebble broke")]
    Broken {
        /// What was going on.
        what: String,
        /// What the transport said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The daemon said something that the protocol does not allow.
    #[error("understand pebble's answer to {what}: {detail}")]
    Protocol {
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// An answer, or a file in it, is longer than we are willing to hold.
    #[error("take {what} into memory: it is longer than {limit} bytes")]
    TooLong {
        /// What was being received.
        what: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The daemon refused the request.
    #[error("have pebble do {what}: {message} (status {code})")]
    Api {
        /// What was asked.
        what: String,
        /// The HTTP status.
        code: u16,
        /// The daemon's kind of error, such as `not-found` or `login-required`; most have none.
        kind: Option<String>,
        /// The daemon's own words.
        message: String,
    },
    /// One path of a files request was refused, though the request as a whole was not.
    #[error("use {path} in the container: {message}")]
    Path {
        /// The path that was asked for.
        path: String,
        /// The daemon's kind of error.
        kind: PathErrorKind,
        /// The daemon's own words.
        message: String,
    },
    /// A change, such as starting a service, ended in an error or was aborted.
    #[error("{}: {err}{}", lowered(summary), log_note(log))]
    Change {
        /// The change's kind, such as `start`.
        kind: String,
        /// The change's summary, such as `Start service "synapse"`.
        summary: String,
        /// The daemon's error text.
        err: String,
        /// The end of the tasks' logs, which for a service holds its last output. At most 4 KiB.
        log: String,
    },
}

impl PebbleError {
    /// Tells whether the daemon could not be reached or went away, so that trying again later may help.
    pub fn is_connection(&self) -> bool {
        match self {
            Self::CannotConnect { .. } | Self::Broken { .. } => true,
            Self::TimedOut { .. }
            | Self::Protocol { .. }
            | Self::TooLong { .. }
            | Self::Api { .. }
            | Self::Path { .. }
            | Self::Change { .. } => false,
        }
    }

    /// Tells whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Api { code, kind, .. } => *code == 404 || kind.as_deref() == Some("not-found"),
            Self::Path { kind, .. } => *kind == PathErrorKind::NotFound,
            Self::CannotConnect { .. }
            | Self::TimedOut { .. }
            | Self::Broken { .. }
            | Self::Protocol { .. }
            | Self::TooLong { .. }
            | Self::Change { .. } => false,
        }
    }

    pub(super) fn protocol(what: &str, detail: impl fmt::Display) -> Self {
        Self::Protocol {
            what: what.to_owned(),
            detail: detail.to_string(),
        }
    }

    pub(super) fn broken(what: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken {
            what: what.to_owned(),
            source: source.into(),
        }
    }
}

/// The daemon's kinds of trouble with one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathErrorKind {
    /// Nothing has that name.
    NotFound,
    /// The daemon's user may not.
    PermissionDenied,
    /// Anything else; the message tells.
    Other,
}

impl From<&str> for PathErrorKind {
    fn from(kind: &str) -> Self {
        match kind {
            "not-found" => Self::NotFound,
            "permission-denied" => Self::PermissionDenied,
            _ => Self::Other,
        }
    }
}

/// A change's summary begins with a capital, which a text after "failed to" must not.
fn lowered(summary: &str) -> String {
    let mut letters = summary.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

fn log_note(log: &str) -> String {
    if log.is_empty() {
        String::new()
    } else {
        format!("; log: {log}")
    }
}
