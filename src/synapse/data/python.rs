//! Questions to the Python that runs Synapse: a small program goes in as an argument, one JSON document comes out.
//!
//! The image is not ours, and what it has for certain is the Python of its Synapse with SQLite in it. Nothing is left
//! in the container: no file is written to hold a program.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::pebble;
use crate::synapse::{GID, UID};

/// The most bytes of an answer, unless a question says otherwise: the programs print a few thousand at most.
const ANSWER: usize = 64 * 1024;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It could not be run, or it failed; its standard error says why.
    #[error("failed to run python in the workload")]
    Run(#[source] pebble::ExecError),
    /// It answered something else than agreed.
    #[error("failed to read the answer of python in the workload")]
    Answer(#[source] serde_json::Error),
}

impl AskError {
    /// The end of what the program wrote on its standard error.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Run(error) => error.stderr(),
            Self::Answer(_) => "",
        }
    }
}

/// The command that runs a program as Synapse's user, within `deadline`.
///
/// Isolated: neither the environment nor the working directory can lend it other modules.
pub(super) fn command(program: &str, arguments: &[&str], deadline: Duration) -> pebble::Exec {
    let start = ["python3", "-I", "-c", program];
    pebble::Exec::new(start.iter().chain(arguments).copied())
        .user(UID, GID)
        .timeout(deadline)
        .stall_limit(deadline)
}

/// Runs a program with these arguments and reads the document that it prints.
pub(in crate::synapse) async fn ask<T: DeserializeOwned>(
    client: &pebble::Client,
    program: &str,
    arguments: &[&str],
    deadline: Duration,
) -> Result<T, AskError> {
    let exec = command(program, arguments, deadline);
    let output = client
        .run(&exec, b"", ANSWER)
        .await
        .map_err(AskError::Run)?;
    serde_json::from_slice(&output.stdout).map_err(AskError::Answer)
}
