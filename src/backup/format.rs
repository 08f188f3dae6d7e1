//! The two documents of a backup: the clear manifest and the sealed inventory, versioned.
//!
//! The manifest is what a listing shows, and its presence is what makes a backup one. The inventory is what a restore
//! relies on: it lies inside an OpenPGP message, so nobody without the passphrase can change it unnoticed.
//! `docs/reference/format.md` describes both.

mod inventory;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BackupId;
use crate::archive::Sha256Hex;

pub(super) use inventory::{Inventory, InventoryHeader, InventoryWriter, MemberDigest, Members};

/// The version of the format that this program writes, and the newest it reads.
pub(super) const VERSION: u32 = 1;
/// A manifest is small; a larger object is none.
pub(super) const MANIFEST_LIMIT: usize = 1024 * 1024;
const MANIFEST_FORMAT: &str = "synapse-operator-backup";

/// Why a document of a backup cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It is not JSON, or lacks a field.
    #[error("{document} of the backup cannot be read")]
    Malformed {
        /// `manifest` or `inventory`.
        document: &'static str,
        /// What the reader found.
        #[source]
        source: serde_json::Error,
    },
    /// It is some other JSON document.
    #[error("{document} of the backup is of the kind {found:?}, not {expected:?}")]
    Foreign {
        /// `manifest` or `inventory`.
        document: &'static str,
        /// What its `format` says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// A later charm wrote it.
    #[error(
        "{document} of the backup has format version {version}, and this charm reads up to {VERSION}"
    )]
    Newer {
        /// `manifest` or `inventory`.
        document: &'static str,
        /// The version it has.
        version: u32,
    },
    /// It names another backup than the place it lies in.
    #[error("{document} in the place of {expected} says that it belongs to {found}")]
    Misplaced {
        /// `manifest` or `inventory`.
        document: &'static str,
        /// The backup it says it belongs to.
        found: BackupId,
        /// The backup whose place it lies in.
        expected: BackupId,
    },
}

/// How a committed backup ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All that was selected is in it.
    Finished,
    /// All is in it, but some files changed while they were read; the manifest's warnings name them.
    FinishedWithWarnings,
}

/// The database that a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Database {
    /// `sqlite`.
    pub kind: String,
    /// Version of the schema in it.
    pub schema_version: u64,
    /// The oldest schema version whose program can still use it.
    pub schema_compat_version: u64,
}

/// One sealed tar archive of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Volume {
    /// Name of the object below the backup's own prefix.
    pub name: String,
    /// Bytes of the object.
    pub size: u64,
    /// Digest of the object as it lies in the bucket.
    pub sha256: Sha256Hex,
    /// Members of the archive in it.
    pub members: u64,
    /// Bytes of file contents in it.
    pub content: u64,
}

impl Volume {
    /// Whether its name is that of a volume: no part of a path, nothing hidden, and the ending that all have.
    fn is_named_plainly(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let named = self.name.strip_suffix(".tar.gpg").unwrap_or_default();
        named.bytes().all(plain) && !named.is_empty() && !named.starts_with('.')
    }
}

/// The clear header of a backup and its commit marker.
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
    /// The database in it, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// The archives.
    pub volumes: Vec<Volume>,
    /// The sealed inventory.
    pub inventory: Document,
    /// Bytes of all objects but the manifest.
    pub size: u64,
    /// Members of all archives.
    pub members: u64,
    /// Bytes of file contents.
    pub content: u64,
    /// What `tar` had to say about files that changed while they were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Fields of a later minor version.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// A sealed document, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    /// Name of the object below the backup's own prefix.
    pub name: String,
    /// Bytes of the object.
    pub size: u64,
    /// Digest of the object as it lies in the bucket.
    pub sha256: Sha256Hex,
}

/// What every document says of itself first.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u32,
}

impl Manifest {
    /// The value of `format`.
    pub(super) fn format() -> String {
        MANIFEST_FORMAT.to_owned()
    }

    /// Reads the manifest that lies in the place of backup `id`.
    pub fn read(bytes: &[u8], id: &BackupId) -> Result<Self, FormatError> {
        let malformed = |source| FormatError::Malformed {
            document: "manifest",
            source,
        };
        let preamble: Preamble = serde_json::from_slice(bytes).map_err(malformed)?;
        check_preamble(
            "manifest",
            MANIFEST_FORMAT,
            &preamble.format,
            preamble.version,
        )?;
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        check_place("manifest", &manifest.id, id)?;
        Ok(manifest)
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

pub(super) fn check_preamble(
    document: &'static str,
    expected: &'static str,
    found: &str,
    version: u32,
) -> Result<(), FormatError> {
    if found != expected {
        let found = found.chars().take(80).collect();
        return Err(FormatError::Foreign {
            document,
            found,
            expected,
        });
    }
    if version > VERSION {
        return Err(FormatError::Newer { document, version });
    }
    Ok(())
}

pub(super) fn check_place(
    document: &'static str,
    found: &BackupId,
    expected: &BackupId,
) -> Result<(), FormatError> {
    if found == expected {
        return Ok(());
    }
    Err(FormatError::Misplaced {
        document,
        found: found.clone(),
        expected: expected.clone(),
    })
}

#[cfg(test)]
mod tests;
