//! Whether anybody would miss what is in the SQLite database.

use std::time::Duration;

use super::python::{AskError, ask};
use crate::pebble;
use crate::synapse::DATABASE;

const PROGRAM: &str = include_str!("inhabited.py");
/// It looks for one row; more only on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Tells whether a user, an event or a file is in the SQLite database; where there is none, there is nothing.
///
/// Synapse makes a database full of empty tables as soon as it starts, which nobody would miss.
pub async fn inhabited(client: &pebble::Client) -> Result<bool, AskError> {
    ask(client, PROGRAM, &[DATABASE], DEADLINE).await
}
