//! A consistent copy of the live SQLite database.

use super::checked::{Checked, DEADLINE};
use super::python::{AskError, ask};
use crate::pebble;
use crate::synapse::DATABASE;

const PROGRAM: &str = concat!(include_str!("database.py"), include_str!("snapshot.py"));

/// Why there is no good copy of the database.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The copying program failed.
    #[error("failed to copy the database")]
    Copy(#[source] AskError),
    /// SQLite's check of the copy found something.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

/// Copies the database of the running Synapse to `copy`, a path in the workload that does not exist yet, and checks it.
///
/// The copy is one file in the plain journal mode, synced to the disk. What a failure leaves there is the caller's to
/// remove, with the directory that the copy lies in.
pub async fn snapshot(client: &pebble::Client, copy: &str) -> Result<Checked, SnapshotError> {
    let snapshot: Checked = ask(client, PROGRAM, &[DATABASE, copy], DEADLINE)
        .await
        .map_err(SnapshotError::Copy)?;
    snapshot.whole().map_err(SnapshotError::Damaged)
}
