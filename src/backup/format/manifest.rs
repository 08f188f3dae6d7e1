//! The clear manifest: what a listing shows, and the commit marker.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Database, FormatError, Preamble, Tally, Volume, check_place, check_preamble};
use crate::backup::{BackupId, Label, Scope};

const FORMAT: &str = "synapse-operator-backup";

/// How a committed backup ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All that was selected is in it.
    Finished,
    /// It can be restored, and something about it should be known; the warnings say what.
    FinishedWithWarnings,
}

/// The clear header of a backup and its commit marker. Once written it is never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Always `synapse-operator-backup`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// The backup's name.
    pub id: BackupId,
    /// When it began.
    pub started: Timestamp,
    /// When the last volume was whole.
    pub finished: Timestamp,
    /// How it ended.
    pub state: State,
    /// The Matrix server it is a backup of.
    pub server_name: String,
    /// Version of the charm that made it.
    pub charm_version: String,
    /// Version of Synapse that ran, when it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synapse_version: Option<String>,
    /// The model it was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The unit that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What an operator said of it.
    #[serde(flatten)]
    pub said: Label,
    /// The database in it, or that it goes with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// The parts of the data directory that it was made of.
    pub places: Scope,
    /// What it holds of each.
    pub components: BTreeMap<String, Tally>,
    /// The archives.
    pub volumes: Vec<Volume>,
    /// Key of the sealed inventory, relative to the place of all backups.
    pub inventory: String,
    /// Bytes of all volumes.
    pub size: u64,
    /// Members of all archives.
    pub members: u64,
    /// Bytes of file contents.
    pub content: u64,
    /// How the copy of the database was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// What the database says of its media, against the media in the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// What should be known about it; never a name of a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Fields of a later minor version.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// How the copy of the database was made, while the server went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// Bytes of the copy.
    pub size: u64,
    /// Milliseconds until it was made and checked.
    pub milliseconds: u64,
    /// Milliseconds of the slowest of a client's requests meanwhile; absent when none was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest_request: Option<u64>,
    /// `integrity` or `quick`: how SQLite checked it.
    pub check: String,
}

/// What the database says of its media, against the media in the backup: counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Media that the database knows.
    pub rows: u64,
    /// Their files in the backup.
    pub files: u64,
    /// Media without a file.
    pub missing: u64,
    /// Files that no row knows.
    pub surplus: u64,
    /// Files of another length or digest than the database says.
    pub wrong: u64,
}

impl Manifest {
    /// The value of `format`.
    pub(in crate::backup) fn format() -> String {
        FORMAT.to_owned()
    }

    /// Reads the manifest that lies in the place of backup `id`.
    pub fn read(bytes: &[u8], id: &BackupId) -> Result<Self, FormatError> {
        let malformed = |source| FormatError::Malformed {
            document: "manifest",
            source,
        };
        let preamble: Preamble = serde_json::from_slice(bytes).map_err(malformed)?;
        check_preamble("manifest", FORMAT, &preamble.format, preamble.version)?;
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        check_place("manifest", &manifest.id, id)?;
        // Anybody who may write to the bucket may have written it: no key may lead elsewhere.
        if !manifest.volumes.iter().all(Volume::is_named_plainly) {
            let text = "a volume has a key that no volume has";
            return Err(malformed(serde::de::Error::custom(text)));
        }
        Ok(manifest)
    }

    /// By how many percent a later backup of these parts holds less, when that is more than `limit`.
    ///
    /// Only what was made of the same parts of a server can be compared.
    pub fn shrank(&self, places: &Scope, content: u64, limit: u64) -> Option<u64> {
        if self.places != *places || self.content == 0 {
            return None;
        }
        let lost = self.content.saturating_sub(content);
        let percent = u128::from(lost) * 100 / u128::from(self.content);
        u64::try_from(percent)
            .ok()
            .filter(|percent| *percent > limit)
    }

    /// Writes the manifest down.
    pub fn write(&self) -> Result<Vec<u8>, FormatError> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|source| FormatError::Malformed {
                document: "manifest",
                source,
            })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
