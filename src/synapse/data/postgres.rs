//! Which PostgreSQL database Synapse uses, and how far it has come.
//!
//! Asked with the Python that runs Synapse and the driver that Synapse uses, so that an answer also means that Synapse
//! itself gets in. The database is another charm's to save; what is known here ties a backup of media to a moment of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::python::{AskError, command};
use crate::pebble;
use crate::synapse::CONFIG;
use crate::synapse::config::Postgres;

const PROGRAM: &str = include_str!("postgres.py");
/// The program prints a thousand bytes.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// Each table may take ten seconds to be counted, and a connection as long for each address.
const DEADLINE: Duration = Duration::from_secs(120);

/// A PostgreSQL database at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// The server's version, such as `16.8`.
    pub server_version: String,
    /// The database's name.
    pub name: String,
    /// The address that answered, as `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What tells this server's data from any other's, also after a restore; when the user may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// The place in the server's log; when the user may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_position: Option<String>,
    /// The order of texts in it: `C`, or one that comes from the C library.
    #[serde(default)]
    pub locale: String,
    /// Whether that order has changed since the indexes were built, so that they have to be built anew.
    #[serde(default)]
    pub collation_moved: bool,
    /// When all of this was true, by the server's own clock.
    pub at: Timestamp,
    /// Bytes that it takes there.
    pub size: u64,
    /// The version of Synapse's schema in it; 0 in an empty database.
    pub schema_version: u64,
    /// The oldest schema version whose program may still use it.
    pub schema_compat_version: u64,
    /// When the newest event was received, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_event: Option<i64>,
    /// When the newest file was uploaded, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_media: Option<i64>,
    /// How many rows the tables have that tell most.
    pub rows: BTreeMap<String, u64>,
    /// The tables among them whose number is only estimated, because counting took too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimated: Vec<String>,
}

/// Why it is not known which database Synapse uses.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The program gave no answer; the image may have no driver for PostgreSQL.
    #[error("failed to ask which database it is")]
    Ask(#[source] AskError),
    /// How to get in could not be written down.
    #[error("failed to name the database")]
    Name(#[source] serde_yaml::Error),
    /// The server does not answer, or does not let Synapse in.
    #[error("postgresql refuses: {0}")]
    Refused(String),
}

impl Identity {
    /// Whether there is nothing of a server in it.
    pub fn is_empty(&self) -> bool {
        self.schema_version == 0 || self.rows.values().sum::<u64>() == 0
    }

    /// When the newest event or file came into it.
    pub fn newest(&self) -> Option<Timestamp> {
        let newest = self.newest_event.max(self.newest_media)?;
        Timestamp::from_millisecond(newest).ok()
    }
}

/// Asks the database that the live `homeserver.yaml` names. Whether Synapse runs makes no difference.
pub async fn identity(client: &pebble::Client) -> Result<Identity, PostgresError> {
    ask(client, CONFIG, b"").await
}

/// Asks a database that `homeserver.yaml` does not name yet.
pub async fn identity_of(
    client: &pebble::Client,
    database: &Postgres,
) -> Result<Identity, PostgresError> {
    let text = database.configuration().map_err(PostgresError::Name)?;
    ask(client, "-", text.expose_secret().as_bytes()).await
}

async fn ask(client: &pebble::Client, path: &str, stdin: &[u8]) -> Result<Identity, PostgresError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        Refused { refused: String },
        Identity(Box<Identity>),
    }
    let exec = command(PROGRAM, &[path], DEADLINE);
    let output = client
        .run(&exec, stdin, OUTPUT_LIMIT)
        .await
        .map_err(|error| PostgresError::Ask(AskError::Run(error)))?;
    match serde_json::from_slice(&output.stdout)
        .map_err(|error| PostgresError::Ask(AskError::Answer(error)))?
    {
        Answer::Refused { refused } => Err(PostgresError::Refused(refused)),
        Answer::Identity(identity) => Ok(*identity),
    }
}
