//! Notices: how one program tells others, and Juju, that something happened.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::client::{Client, required};
use super::error::PebbleError;

/// Something that happened, once or several times.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Notice {
    /// The id.
    pub id: String,
    /// `custom`, `change-update` or `warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about; for a custom notice a domain with a path.
    pub key: String,
    /// How many times it happened.
    #[serde(default)]
    pub occurrences: u64,
    /// What was given along the last time.
    #[serde(default)]
    pub last_data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Added {
    id: String,
}

impl Client {
    /// Adds a custom notice, which Juju turns into an event of the charm, and returns its id.
    pub async fn notify(
        &self,
        key: &str,
        data: &BTreeMap<String, String>,
    ) -> Result<String, PebbleError> {
        let target = "/v1/notices";
        let body = json!({"action": "add", "type": "custom", "key": key, "data": data});
        let added: Added = required(target, self.post(target, &body).await?)?;
        Ok(added.id)
    }

    /// Lists the notices that this user may see, the one repeated last at the end.
    pub async fn notices(&self) -> Result<Vec<Notice>, PebbleError> {
        self.get_list("/v1/notices").await
    }
}
