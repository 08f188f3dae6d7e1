//! A consistent copy of the live SQLite database.

use std::time::Duration;

use serde::Deserialize;

use crate::pebble;
use crate::synapse::{DATA, DATABASE, GID, UID};

const PROGRAM: &str = include_str!("snapshot.py");
/// The program prints a few hundred bytes.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// Far more than a disk needs for any database that SQLite is used for.
const DEADLINE: Duration = Duration::from_secs(3600);

/// What a copy of the database turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    problems: Vec<String>,
    /// Version of the schema in it.
    pub schema_version: u64,
    /// The oldest schema version whose program can still use it.
    pub schema_compat_version: u64,
    /// Bytes of the copy.
    pub size: u64,
}

/// Why there is no good copy of the database.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The copying program failed.
    #[error("failed to copy the database")]
    Copy(#[source] pebble::ExecError),
    /// It answered something else than agreed.
    #[error("failed to read what the copy of the database is")]
    Answer(#[source] serde_json::Error),
    /// SQLite's integrity check of the copy found something.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

/// Copies the database of the running Synapse to `copy`, a path in the workload that does not exist yet, and checks it.
pub async fn snapshot(client: &pebble::Client, copy: &str) -> Result<Snapshot, SnapshotError> {
    let command = ["python3", "-I", "-c", PROGRAM, DATABASE, copy];
    let exec = pebble::Exec::new(command)
        .working_dir(DATA)
        .user(UID, GID)
        .timeout(DEADLINE)
        .stall_limit(DEADLINE);
    let output = client
        .run(&exec, b"", OUTPUT_LIMIT)
        .await
        .map_err(SnapshotError::Copy)?;
    let snapshot: Snapshot =
        serde_json::from_slice(&output.stdout).map_err(SnapshotError::Answer)?;
    if snapshot.problems.is_empty() {
        return Ok(snapshot);
    }
    Err(SnapshotError::Damaged(snapshot.problems.join("; ")))
}
