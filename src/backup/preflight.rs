//! Everything that can be known to be wrong with a restore before anything is downloaded, written or stopped.

use futures_util::future;
use jiff::Timestamp;

use super::format::{Database, FormatError, Inventory, Manifest, MediaFindings, Volume};
use super::part::wanted;
use super::place::Room;
use super::stage::{Wanted, staged_room, visit};
use super::{BackupId, Catalogue, Heritage, Place, RestoreError, Scope, legacy};
use crate::archive::{Member, Sha256Hex};
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
    /// What of it is to be restored: all of it, unless it was narrowed.
    pub(super) wanted: Wanted,
    pub(super) passphrase: usize,
    /// How its archive is to be understood, when the Python charm has made it.
    pub(super) heritage: Option<Heritage>,
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
    /// Opens a backup's inventory with the passphrase that fits, and sees that it was sealed with this very manifest.
    pub async fn open(
        catalogue: &Catalogue,
        passphrases: &[Arc<Passphrase>],
        id: &BackupId,
    ) -> Result<Self, RestoreError> {
        let opened = Self::open_and_show(catalogue, passphrases, id, ((), |(), _: &_| ())).await?;
        Ok(opened.0)
    }

    /// The same, and shows each member to `each` on the way.
    pub(super) async fn open_and_show<S: Send + 'static>(
        catalogue: &Catalogue,
        passphrases: &[Arc<Passphrase>],
        id: &BackupId,
        (state, each): (S, impl Fn(&mut S, &Member) + Send + 'static),
    ) -> Result<(Self, S), RestoreError> {
        let (manifest, digest) = catalogue.manifest_and_digest(id).await?;
        let opened = visit(catalogue, passphrases, &manifest, state, each).await?;
        if opened.inventory.manifest != digest {
            return Err(FormatError::Unbound.into());
        }
        let sealed = Self {
            manifest,
            wanted: Wanted::all(&opened.inventory),
            inventory: opened.inventory,
            message: opened.message,
            passphrase: opened.passphrase,
            heritage: None,
        };
        Ok((sealed, opened.state))
    }

    /// What changed while it was read, by name.
    pub fn changed(&self) -> &[String] {
        &self.inventory.notes
    }

    /// What was wrong with the media when it was made, by name.
    pub fn media(&self) -> Option<&MediaFindings> {
        self.inventory.media.as_ref()
    }

    /// Narrows what is to be restored to a part of it; `beside` is staged too, and not swapped.
    pub async fn narrow(
        &mut self,
        keys: (&Catalogue, &[Arc<Passphrase>]),
        place: &Place,
        (scope, beside): (Scope, &Scope),
    ) -> Result<(), RestoreError> {
        if self.heritage.is_some() {
            legacy::narrow(self, scope, beside);
            return Ok(());
        }
        self.wanted = wanted(keys, self, place, scope, beside).await?;
        Ok(())
    }

    /// The parts of a data directory that are to be restored.
    pub fn scope(&self) -> &Scope {
        &self.wanted.scope
    }

    /// Whether this part of a data directory is to be staged.
    pub fn stages(&self, part: &str) -> bool {
        self.wanted.staged.words().iter().any(|word| word == part)
    }

    /// The parts of a data directory that it was made of.
    pub fn places(&self) -> &Scope {
        &self.inventory.places
    }

    /// Which of the passphrases has opened it: 0 is the one that is used now.
    pub fn passphrase(&self) -> usize {
        self.passphrase
    }

    /// Whether the Python charm has made it.
    pub fn is_legacy(&self) -> bool {
        self.heritage.is_some()
    }

    /// The manifest beside it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest of the manifest's bytes.
    pub fn manifest_digest(&self) -> &Sha256Hex {
        &self.inventory.manifest
    }

    /// Its name.
    pub fn id(&self) -> &BackupId {
        &self.inventory.id
    }

    /// When it was finished, as the manifest says.
    pub fn finished(&self) -> Timestamp {
        self.manifest.finished
    }

    /// Whether all its media were found to be what its database says, by length and digest.
    pub fn media_agreed(&self) -> bool {
        self.manifest.media.is_some_and(|media| media.wrong == 0)
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

    /// The volumes that hold what is wanted of it.
    pub fn volumes(&self) -> &[Volume] {
        &self.wanted.volumes
    }

    /// Whether it holds anything of what is to be swapped.
    pub fn is_empty(&self) -> bool {
        self.wanted.swapped == 0
    }

    /// Files and directories that are wanted of it.
    pub fn members(&self) -> u64 {
        self.wanted.taken.members
    }

    /// Bytes of file contents that are wanted of it.
    pub fn content(&self) -> u64 {
        self.wanted.taken.content
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
        let key = volume.key.clone();
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
