//! Whether anybody would miss what is in the SQLite database.

use std::time::Duration;

use crate::pebble;
use crate::synapse::{DATABASE, GID, UID};

const PROGRAM: &str = include_str!("inhabited.py");
/// The program prints one word.
const OUTPUT_LIMIT: usize = 1024;
/// It looks for one row; more only on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why it is not known whether anybody has used the server.
#[derive(Debug, thiserror::Error)]
pub enum InhabitedError {
    /// The database could not be read.
    #[error("failed to look into the database")]
    Ask(#[source] pebble::ExecError),
    /// The program answered something else than agreed.
    #[error("failed to read what is in the database")]
    Answer(#[source] serde_json::Error),
}

/// Tells whether a user, an event or a file is in the SQLite database; where there is none, there is nothing.
///
/// Synapse makes a database full of empty tables as soon as it starts, which nobody would miss.
pub async fn inhabited(client: &pebble::Client) -> Result<bool, InhabitedError> {
    let exec = pebble::Exec::new(["python3", "-I", "-c", PROGRAM, DATABASE])
        .user(UID, GID)
        .timeout(DEADLINE);
    let output = client
        .run(&exec, b"", OUTPUT_LIMIT)
        .await
        .map_err(InhabitedError::Ask)?;
    serde_json::from_slice(&output.stdout).map_err(InhabitedError::Answer)
}
