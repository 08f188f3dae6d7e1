//! The file in which a daemon keeps what the next one should know.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::log;

/// The newest changes that are kept.
const MOST: usize = 200;

/// What is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Saved {
    pub(crate) last_change: u64,
    pub(crate) last_task: u64,
    pub(crate) changes: Vec<Change>,
}

/// Where it is kept. It is replaced whole, and not synced: a test's machine does not lose its power.
pub(crate) struct StateFile(PathBuf);

impl StateFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What was kept; none when there is nothing that can be read.
    pub(crate) fn read(&self) -> Option<Saved> {
        serde_json::from_slice(&fs::read(&self.0).ok()?).ok()
    }

    pub(crate) fn write(&self, saved: &Saved) {
        let mut text = serde_json::json!(saved);
        if let Some(changes) = text["changes"].as_array_mut() {
            let old = changes.len().saturating_sub(MOST);
            changes.drain(..old);
        }
        let beside = self.0.with_extension("state.new");
        let written =
            fs::write(&beside, text.to_string()).and_then(|()| fs::rename(&beside, &self.0));
        if let Err(error) = written {
            log::say(&format!("cannot write {}: {error}", self.0.display()));
        }
    }
}
