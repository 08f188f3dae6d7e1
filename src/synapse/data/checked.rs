//! What a database file turned out to be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::python::{AskError, ask};
use crate::pebble;
use crate::synapse::ServerName;

/// What every program that looks into a database begins with.
const PROGRAM: &str = concat!(include_str!("database.py"), include_str!("check.py"));
/// Far more than a disk needs for any database that SQLite is used for.
pub(super) const DEADLINE: Duration = Duration::from_secs(3600);

/// Which of SQLite's checks was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// `PRAGMA integrity_check`: every page, every record, and that indexes agree with their tables.
    Integrity,
    /// `PRAGMA quick_check`, for databases above 256 MiB: the same without the indexes' contents.
    Quick,
}

/// A database file that was checked and found whole.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checked {
    problems: Vec<String>,
    /// Which check was made.
    pub check: Check,
    /// How many rows name a row of another table that is not there.
    ///
    /// None, as long as only Synapse writes, which has foreign keys on. An administrator's tools may have them off; what
    /// that leaves behind is in nobody's way.
    pub foreign_key_violations: u64,
    /// How many rows there are, for those of a fixed list of tables that the database has.
    pub rows: BTreeMap<String, u64>,
    /// Seconds that the program took, with the copy where one was made.
    pub seconds: f64,
    /// Bytes of the file.
    pub size: u64,
    /// Version of the schema in it; 0 when it says none.
    pub schema_version: u64,
    /// The oldest schema version whose program can still use it; 0 when it says none.
    pub schema_compat_version: u64,
    /// Whose users are in it; `None` when it has none.
    #[serde(deserialize_with = "server_name")]
    pub server_name: Option<ServerName>,
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Integrity => "integrity",
            Self::Quick => "quick",
        })
    }
}

/// Why a database is not known to be whole.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It could not be checked.
    #[error("failed to check a database")]
    Ask(#[source] AskError),
    /// SQLite found something.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

impl Checked {
    /// The database itself if it is whole, else what SQLite found.
    pub(super) fn whole(self) -> Result<Self, String> {
        match self.problems.is_empty() {
            true => Ok(self),
            false => Err(self.problems.join("; ")),
        }
    }
}

/// Checks a database file at rest, by its path in the workload.
///
/// Nobody else may have it open. A write-ahead log beside it, as a copy of a running server's files has, is folded into
/// it first, and its journal mode becomes the plain one. Both change the file, so this is for scratch and staging.
pub async fn check(client: &pebble::Client, path: &str) -> Result<Checked, CheckError> {
    let checked: Checked = ask(client, PROGRAM, &[path], DEADLINE)
        .await
        .map_err(CheckError::Ask)?;
    checked.whole().map_err(CheckError::Damaged)
}

/// A name that is no server's is nobody's.
fn server_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ServerName>, D::Error> {
    let name: Option<String> = Deserialize::deserialize(from)?;
    Ok(name.and_then(|name| ServerName::parse(&name).ok()))
}
