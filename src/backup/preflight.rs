//! Everything that can be known to be wrong with a restore before anything is downloaded, written or stopped.

use futures_util::future;
use jiff::Timestamp;

use super::format::{Database, Inventory, Manifest, Volume};
use super::place::Room;
use super::stage::{inventory, staged_room};
use super::{BackupId, Catalogue, Place, RestoreError};
use crate::openpgp::{Authenticated, Passphrase};
use std::sync::Arc;

/// Room that must stay free on the volume after staging.
const RESERVE: u64 = 16 * 1024 * 1024;
/// What a file or directory takes beyond its content.
const PER_MEMBER: u64 = 4096;
/// Files and directories of our own, beside those of the backup.
const OWN_INODES: u64 = 64;

/// A backup that was opened with its passphrase, and what it says of itself under its seal.
#[derive(Debug)]
pub struct Sealed {
    pub(super) manifest: Manifest,
    pub(super) inventory: Inventory,
    pub(super) message: Authenticated,
}

/// What a restore needs, and what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Bytes on the data volume.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
    /// What is there.
    pub room: Room,
}

impl Sealed {
    /// Opens a backup's inventory with the passphrase.
    pub async fn open(
        catalogue: &Catalogue,
        passphrase: &Arc<Passphrase>,
        id: &BackupId,
    ) -> Result<Self, RestoreError> {
        let manifest = catalogue.manifest(id).await?;
        let (inventory, message) = inventory(catalogue, passphrase, &manifest).await?;
        Ok(Self {
            manifest,
            inventory,
            message,
        })
    }

    /// Its name.
    pub fn id(&self) -> &BackupId {
        &self.inventory.id
    }

    /// When it was finished, as the manifest says.
    pub fn finished(&self) -> Timestamp {
        self.manifest.finished
    }

    /// The Matrix server it is a backup of.
    pub fn server_name(&self) -> &str {
        &self.inventory.server_name
    }

    /// The version of Synapse that ran, when it was known.
    pub fn synapse_version(&self) -> Option<&str> {
        self.inventory.synapse_version.as_deref()
    }

    /// The database in it.
    pub fn database(&self) -> Option<&Database> {
        self.inventory.database.as_ref()
    }

    /// Its volumes.
    pub fn volumes(&self) -> &[Volume] {
        &self.inventory.volumes
    }

    /// Files and directories in it.
    pub fn members(&self) -> u64 {
        self.inventory.members.count
    }

    /// Bytes of file contents in it.
    pub fn content(&self) -> u64 {
        self.inventory.members.content
    }

    /// What staging it takes of the data volume.
    pub fn needs(&self, place: &Place) -> Result<Needs, RestoreError> {
        let mut room = place.room()?;
        // What an earlier run has staged is used again, or freed.
        let (bytes, inodes) = staged_room(place).map_err(|source| RestoreError::Staging {
            path: place.staging(),
            source,
        })?;
        room.bytes += bytes;
        room.inodes = room.inodes.map(|free| free + inodes);
        Ok(Needs {
            bytes: self.content() + self.members() * PER_MEMBER + RESERVE,
            inodes: self.members() + OWN_INODES,
            room,
        })
    }

    /// Looks for what is missing: objects in the bucket, room on the data volume. All that is found, at once.
    pub async fn findings(
        &self,
        catalogue: &Catalogue,
        place: &Place,
    ) -> Result<Vec<RestoreError>, RestoreError> {
        let needs = self.needs(place)?;
        let mut findings = Vec::new();
        if needs.bytes > needs.room.bytes {
            findings.push(RestoreError::NoSpace {
                needed: needs.bytes,
                available: needs.room.bytes,
            });
        }
        if let Some(available) = needs.room.inodes.filter(|inodes| needs.inodes > *inodes) {
            findings.push(RestoreError::NoInodes {
                needed: needs.inodes,
                available,
            });
        }
        findings.extend(self.missing(catalogue).await);
        Ok(findings)
    }

    /// Looks for volumes that are missing in the bucket, or have another size there.
    pub(super) async fn missing(&self, catalogue: &Catalogue) -> Vec<RestoreError> {
        // A server's backup has a handful of volumes.
        let volumes = self.volumes().iter();
        let looked = volumes.map(|volume| self.volume_finding(catalogue, volume));
        let looked = future::join_all(looked).await;
        looked.into_iter().flatten().collect()
    }

    async fn volume_finding(&self, catalogue: &Catalogue, volume: &Volume) -> Option<RestoreError> {
        let key = Catalogue::key(self.id(), &volume.name);
        match catalogue.bucket().stat(&key).await {
            Err(source) => Some(RestoreError::Download { key, source }),
            Ok(None) => Some(RestoreError::VolumeMissing { key }),
            Ok(Some(object)) if object.size != volume.size => Some(RestoreError::VolumeSize {
                key,
                found: object.size,
                expected: volume.size,
            }),
            Ok(Some(_)) => None,
        }
    }
}
