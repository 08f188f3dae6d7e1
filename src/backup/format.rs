//! The two documents of a backup: the clear manifest and the sealed inventory, versioned.
//!
//! The manifest is what a listing shows, and its presence is what makes a backup one. The inventory is what a restore
//! relies on: it lies inside an OpenPGP message, so nobody without the passphrase can change it unnoticed.
//! `docs/reference/format.md` describes both.

mod inventory;
mod manifest;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BackupId;
use crate::archive::Sha256Hex;

pub use inventory::MediaFindings;
pub(super) use inventory::{
    Closing, Inventory, InventoryHeader, InventoryWriter, MemberDigest, Members,
};
pub use manifest::{Manifest, Media, Snapshot, State};

/// The version of the format that this program writes, and the newest it reads.
pub(super) const VERSION: u32 = 1;
/// A manifest is small; a larger object is none.
pub(super) const MANIFEST_LIMIT: usize = 1024 * 1024;

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
    /// It is larger than any document of its kind.
    #[error("{document} of the backup is larger than {limit} bytes")]
    TooLarge {
        /// `manifest`.
        document: &'static str,
        /// The most bytes that are read.
        limit: usize,
    },
    /// The inventory was sealed with another manifest than the one beside it.
    #[error("manifest of the backup is not the one that its inventory was sealed with")]
    Unbound,
}

/// The database that a backup holds, or goes with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Database {
    /// `sqlite`, which is in the backup, or `postgresql`, which is not.
    pub kind: String,
    /// Version of the schema in it.
    pub schema_version: u64,
    /// The oldest schema version whose program can still use it.
    pub schema_compat_version: u64,
    /// Rows of some tables when it was looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, u64>,
    /// What else is known of it.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// One sealed tar archive of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Volume {
    /// Key of the object, relative to the place of all backups.
    pub key: String,
    /// Bytes of the object.
    pub size: u64,
    /// Bytes of the OpenPGP key packet at its beginning, which a change of the passphrase replaces.
    pub key_packet: u64,
    /// Digest of the object behind its key packet.
    pub sha256: Sha256Hex,
    /// Members of the archive in it.
    pub members: u64,
    /// Bytes of file contents in it.
    pub content: u64,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Files and directories.
    pub members: u64,
    /// Bytes of file contents.
    pub content: u64,
}

impl Volume {
    /// The last part of its key: the name it goes by beside the other volumes of its backup.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }

    /// Whether its key is that of a volume: the name of a backup, and a plain file name with the ending that all have.
    fn is_named_plainly(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let Some((id, name)) = self.key.split_once('/') else {
            return false;
        };
        let stem = name.strip_suffix(".tar.gpg").unwrap_or_default();
        BackupId::parse(id).is_ok()
            && stem.bytes().all(plain)
            && !stem.is_empty()
            && !stem.starts_with('.')
    }
}

/// What every document says of itself first.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u32,
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
