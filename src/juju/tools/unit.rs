//! Calls about the unit itself: its options, status, ports, storages and log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::super::status::one_line;
use super::super::{Options, Status};
use super::{ToolError, Tools, argument};

/// How loud a line in Juju's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// What we would ask for.
    Debug,
    /// What an operator would tell a colleague.
    Info,
    /// Something to look at.
    Warning,
    /// Something is broken.
    Error,
}

impl LogLevel {
    /// The word that `juju-log` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

impl Tools {
    /// Reads all options that are set or have a default.
    pub async fn config_get(&self) -> Result<Options, ToolError> {
        let options: Option<BTreeMap<String, Value>> =
            self.ask("config-get", &["--format=json"]).await?;
        Ok(options.unwrap_or_default().into())
    }

    /// Tells whether this unit leads its application, and will for 30 s more.
    pub async fn is_leader(&self) -> Result<bool, ToolError> {
        self.ask("is-leader", &["--format=json"]).await
    }

    /// Shows a status for this unit, at once.
    pub async fn status_set(&self, status: &Status) -> Result<(), ToolError> {
        self.tell(
            "status-set",
            &["--", status.kind().as_str(), status.message()],
        )
        .await
    }

    /// Shows the version of the workload, at once.
    pub async fn application_version_set(&self, version: &str) -> Result<(), ToolError> {
        self.tell("application-version-set", &["--", &one_line(version, 64)])
            .await
    }

    /// Writes a message, of one line or several, to Juju's log.
    pub async fn juju_log(&self, level: LogLevel, message: &str) -> Result<(), ToolError> {
        let message = argument(message, super::ARGUMENT_LIMIT);
        self.tell("juju-log", &["--log-level", level.as_str(), "--", &message])
            .await
    }

    /// Opens a TCP port on the application's service.
    pub async fn open_port(&self, port: u16) -> Result<(), ToolError> {
        self.tell("open-port", &["--", &format!("{port}/tcp")])
            .await
    }

    /// Lists the open ports, such as `8008/tcp`.
    pub async fn opened_ports(&self) -> Result<Vec<String>, ToolError> {
        let ports: Option<Vec<String>> = self.ask("opened-ports", &["--format=json"]).await?;
        Ok(ports.unwrap_or_default())
    }

    /// Lists the instances of a storage, such as `data/0`; none when it is not attached yet.
    pub async fn storage_list(&self, name: &str) -> Result<Vec<String>, ToolError> {
        let storages: Option<Vec<String>> = self
            .ask("storage-list", &["--format=json", "--", name])
            .await?;
        Ok(storages.unwrap_or_default())
    }

    /// Tells where the charm's own container sees a storage instance. Never compute this path.
    pub async fn storage_location(&self, id: &str) -> Result<PathBuf, ToolError> {
        self.ask(
            "storage-get",
            &["-s", id, "--format=json", "--", "location"],
        )
        .await
    }
}
