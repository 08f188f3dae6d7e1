//! What is wrong in a database that is older than the server's last day, and is put right before Synapse sees it.
//!
//! Each fix-up and where it comes from: `docs/reference/fix-ups.md`.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::python::{AskError, ask};
use crate::pebble;
use crate::synapse::DATABASE;

const PROGRAM: &str = include_str!("fixup.py");
/// Far more than a disk needs for a few statements over any database that SQLite is used for.
const DEADLINE: Duration = Duration::from_secs(600);

/// What is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixUpName {
    /// One-time keys, some of which were handed out after the database was copied and must not be again.
    OneTimeKeys,
    /// Fallback keys, which devices may have replaced since and forgotten.
    FallbackKeys,
    /// Cached lists of other servers' users' devices, whose changes since then nobody sends again.
    RemoteDeviceLists,
}

/// One thing that was put right, or found to be right. Its `Display` is a line for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FixUp {
    /// What it is about.
    pub name: FixUpName,
    /// How many rows of the database it changed; 0 when all was right.
    pub rows: u64,
    /// The table that the database would need for it, when its schema has none: then nothing was done.
    #[serde(default)]
    pub missing_table: Option<String>,
}

/// The database is not known to be right. All of it was done or nothing; doing it again is safe.
#[derive(Debug, thiserror::Error)]
#[error("failed to put the database right")]
pub struct FixUpError(#[source] AskError);

impl FixUpError {
    /// The end of what the program wrote on its standard error.
    pub fn stderr(&self) -> &str {
        self.0.stderr()
    }
}

impl fmt::Display for FixUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, done) = match self.name {
            FixUpName::OneTimeKeys => ("one-time keys", "cleared"),
            FixUpName::FallbackKeys => ("fallback keys", "cleared"),
            FixUpName::RemoteDeviceLists => ("device lists of remote users", "to be fetched anew"),
        };
        match &self.missing_table {
            None => write!(f, "{subject} {done}: {}", self.rows),
            Some(table) => write!(f, "{subject} skipped: the database has no table {table}"),
        }
    }
}

/// Puts the database of a Synapse that does not run right, in one transaction, and tells what was done.
///
/// To do it again changes nothing and says 0 everywhere. Where there is no database, there is nothing to do and none is
/// made. `at` is the time that is written down for what Synapse does later.
pub async fn fix_up(client: &pebble::Client, at: Timestamp) -> Result<Vec<FixUp>, FixUpError> {
    let now = at.as_millisecond().to_string();
    ask(client, PROGRAM, &[DATABASE, &now], DEADLINE)
        .await
        .map_err(FixUpError)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn fix_ups_read_like_this() {
        let answer = r#"[
            {"name": "one-time-keys", "rows": 120},
            {"name": "fallback-keys", "rows": 0, "missing-table": "e2e_fallback_keys_json"},
            {"name": "remote-device-lists", "rows": 7}
        ]"#;
        let done: Vec<FixUp> = serde_json::from_str(answer).unwrap();
        let lines: Vec<String> = done.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        one-time keys cleared: 120
        fallback keys skipped: the database has no table e2e_fallback_keys_json
        device lists of remote users to be fetched anew: 7
        ");
    }
}
