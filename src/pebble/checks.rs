//! Checks and how they are.

use serde::Deserialize;

use super::client::Client;
use super::error::PebbleError;
use super::services::names_query;

/// A check of the plan and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct CheckInfo {
    /// The name in the plan.
    pub name: String,
    /// How it is.
    pub status: CheckStatus,
    /// How many times in a row it failed.
    #[serde(default)]
    pub failures: u64,
    /// How often it succeeded since it was last down; old daemons do not tell.
    #[serde(default)]
    pub successes: Option<u64>,
    /// How many failures in a row make it down.
    #[serde(default)]
    pub threshold: u64,
    /// The change that runs it, whose task log tells of failures.
    #[serde(default)]
    pub change_id: Option<String>,
}

/// How a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// It has not failed often enough to be down.
    Up,
    /// It failed as often in a row as its threshold says.
    Down,
    /// It is not being run.
    Inactive,
    /// Something that this client does not know.
    #[serde(other)]
    Unknown,
}

impl Client {
    /// Lists these checks, or all if none is named; names that the plan does not know are left out.
    pub async fn checks(&self, names: &[&str]) -> Result<Vec<CheckInfo>, PebbleError> {
        self.get_list(&format!("/v1/checks{}", names_query(names)))
            .await
    }
}
