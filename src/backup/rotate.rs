//! Moves backups from older passphrases to the current one, without sending their volumes again.
//!
//! ```text
//! for each finished backup that opens with an older passphrase only
//!     volumes          new key packet at the head, the store copies the rest     \ one mechanism
//!     the inventory    the same                                       last       /
//! ```
//!
//! An object is replaced in one moment and opens with the old or with the new passphrase at any time, never with none. The
//! inventory comes last, so that one which opens with the current passphrase says that its volumes do, too. A run that was
//! cut off is made again and goes on where it was. The manifest and the digests in the inventory do not change: they are
//! about what is behind the key packet.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::catalogue::{INVENTORY, MANIFEST};
use super::newest::named;
use super::{BackupId, Catalogue, CatalogueError, Monitor, Phase, RestoreError, Sealed};
use crate::openpgp::{self, OpenError, Passphrase, Rekeyed};
use crate::s3::{S3Error, Start};

/// What came of a rotation.
#[derive(Debug, Default)]
pub struct Rotated {
    /// Backups that open with the current passphrase now, or would, when nothing was to be changed.
    pub moved: Vec<BackupId>,
    /// Backups that did so before.
    pub current: usize,
    /// Backups that none of the passphrases opens.
    pub locked: Vec<BackupId>,
    /// Backups of the Python charm that open with an older passphrase, and stay with it.
    pub legacy: Vec<BackupId>,
    /// Backups that open with an older passphrase and could not be moved.
    pub failed: Vec<(BackupId, RotateError)>,
    /// Bytes that the store copied by itself.
    pub copied: u64,
    /// Bytes that were sent to it.
    pub uploaded: u64,
}

/// Why a backup was not moved to another passphrase. Each of its objects still opens with the old or the new one.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It cannot be read.
    #[error("failed to read the backup")]
    Read(#[from] RestoreError),
    /// An object could not be replaced.
    #[error("failed to replace the key of {key}")]
    Store {
        /// The object.
        key: String,
        /// What the store said.
        #[source]
        source: S3Error,
    },
    /// No key packet could be made for an object.
    #[error("failed to make another key packet for {key}")]
    Rekey {
        /// The object.
        key: String,
        /// What is wrong with its head.
        #[source]
        source: OpenError,
    },
    /// The key packet at the head of an object has another length than it should.
    #[error("the key packet of {key} has {found} bytes, and a new one {expected}")]
    Length {
        /// The object.
        key: String,
        /// Bytes that it has.
        found: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// The store gives no tag by which the object could be told from another one.
    #[error("the store gives no tag for {key}, so it cannot be replaced safely")]
    Untagged {
        /// The object.
        key: String,
    },
}

/// How a message's head answers to the passphrases.
enum Opens {
    Current,
    /// With the older one of this number.
    Older(usize),
    None,
}

/// What a rotation works with.
pub struct Rotation<'a> {
    /// Where the backups are.
    pub catalogue: &'a Catalogue,
    /// What they are to open with.
    pub current: &'a Arc<Passphrase>,
    /// What they may open with now.
    pub old: &'a [Arc<Passphrase>],
    /// Whether nothing is to be changed.
    pub dry_run: bool,
    /// Where it is told how far it has come.
    pub monitor: &'a Monitor,
}

/// Moves all backups of a catalogue that it can to the current passphrase.
///
/// One backup that cannot be moved keeps no other from it; a store that no longer answers ends it, with an error in the
/// last of [`Rotated::failed`]. Nothing else may write to the backups meanwhile: the caller holds the lease.
pub async fn rotate(rotation: &Rotation<'_>) -> Result<Rotated, CatalogueError> {
    rotation.monitor.enter(Phase::Rotating, 0);
    let store = |source| CatalogueError::Store {
        action: "list the backups",
        source,
    };
    if !rotation.dry_run {
        rotation.give_up_uploads().await;
    }
    let mut rotated = Rotated::default();
    for (id, folder) in named(rotation.catalogue).await.map_err(store)? {
        let moved = match folder {
            true => rotation.backup(&id, &mut rotated).await,
            false => rotation.legacy(&id, &mut rotated).await,
        };
        let Err(error) = moved else { continue };
        warn!(backup = %id, %error, "the backup keeps its passphrase");
        let over = error.is_of_the_store();
        rotated.failed.push((id, error));
        if over {
            break;
        }
    }
    Ok(rotated)
}

impl RotateError {
    /// Whether the store itself is in trouble, and the next backup would fare no better.
    fn is_of_the_store(&self) -> bool {
        let source = match self {
            Self::Store { source, .. } | Self::Read(RestoreError::Download { source, .. }) => {
                source
            }
            Self::Read(RestoreError::Catalogue(CatalogueError::Store { source, .. })) => source,
            Self::Read(_) | Self::Rekey { .. } | Self::Length { .. } | Self::Untagged { .. } => {
                return false;
            }
        };
        !matches!(
            source,
            S3Error::NotFound { .. } | S3Error::Replaced { .. } | S3Error::RangeAltered { .. }
        )
    }
}

impl Rotation<'_> {
    /// Gives up uploads of objects of backups that a killed run left: nobody else is at work, and stores charge for them.
    async fn give_up_uploads(&self) {
        let bucket = self.catalogue.bucket();
        let given_up = async {
            for upload in bucket.open_uploads().await? {
                let id = upload.key.split('/').next().unwrap_or_default();
                if BackupId::parse(id).is_ok() {
                    bucket.abort_upload(&upload).await?;
                    info!(key = upload.key, "unfinished upload given up");
                }
            }
            Ok::<_, S3Error>(())
        };
        // Not every store can, and not every key may, list them.
        if let Err(error) = given_up.await {
            warn!(%error, "uploads that a killed run left may still be open");
        }
    }

    async fn backup(&self, id: &BackupId, rotated: &mut Rotated) -> Result<(), RotateError> {
        let manifest = Catalogue::key(id, MANIFEST);
        let there = self.catalogue.bucket().stat(&manifest).await;
        // What was never finished is no backup.
        if there.map_err(|source| store(&manifest, source))?.is_none() {
            return Ok(());
        }
        let inventory = Catalogue::key(id, INVENTORY);
        let (start, opens) = self.look(&inventory).await?;
        let by = match opens {
            Opens::Current if !self.is_left_half_done(id).await? => {
                rotated.current += 1;
                return Ok(());
            }
            Opens::Current => None,
            Opens::None => {
                rotated.locked.push(id.clone());
                return Ok(());
            }
            Opens::Older(by) => Some(by),
        };
        // To its authenticated end: what is replaced is what the seal says, with the passphrase that is right for sure.
        let opener = by.map_or(self.current, |by| &self.old[by]).clone();
        let sealed = Sealed::open(self.catalogue, &[opener], id).await?;
        if !self.dry_run {
            for volume in sealed.volumes() {
                let (start, opens) = self.look(&volume.key).await?;
                if start.size != volume.size {
                    return Err(RotateError::Read(RestoreError::VolumeSize {
                        key: volume.key.clone(),
                        found: start.size,
                        expected: volume.size,
                    }));
                }
                match opens {
                    // An earlier run was cut off behind it.
                    Opens::Current => (),
                    Opens::Older(by) => {
                        self.replace(&volume.key, start, by, volume.key_packet, rotated)
                            .await?;
                    }
                    Opens::None => {
                        return Err(RotateError::Rekey {
                            key: volume.key.clone(),
                            source: OpenError::WrongPassphrase,
                        });
                    }
                }
            }
            if let Some(by) = by {
                self.replace(&inventory, start, by, openpgp::KEY_PACKET, rotated)
                    .await?;
            }
            info!(backup = %id, "backup moved to the current passphrase");
        }
        rotated.moved.push(id.clone());
        Ok(())
    }

    /// Whether a volume opens with an older passphrase though its inventory does not.
    ///
    /// No run leaves that, but two may: one that moved all, and one back again that was cut off. What is damaged or
    /// missing is for a verification to tell.
    async fn is_left_half_done(&self, id: &BackupId) -> Result<bool, RotateError> {
        let manifest = self.catalogue.manifest(id).await;
        for volume in manifest.map_err(RestoreError::from)?.volumes {
            match self.look(&volume.key).await {
                Ok((_, Opens::Older(_))) => return Ok(true),
                Ok((_, Opens::Current | Opens::None)) => (),
                Err(error) if error.is_of_the_store() => return Err(error),
                Err(_) => (),
            }
        }
        Ok(false)
    }

    /// Looks at a backup of the Python charm.
    async fn legacy(&self, id: &BackupId, rotated: &mut Rotated) -> Result<(), RotateError> {
        let opens = match self.look(id.as_str()).await {
            Ok((_, opens)) => opens,
            // Nothing that we could open, whatever it is.
            Err(RotateError::Rekey { .. }) => Opens::None,
            Err(error) => return Err(error),
        };
        match opens {
            Opens::Current => rotated.current += 1,
            Opens::Older(_) => rotated.legacy.push(id.clone()),
            Opens::None => rotated.locked.push(id.clone()),
        }
        Ok(())
    }

    /// Reads the head of an object, and finds out who opens it.
    async fn look(&self, key: &str) -> Result<(Start, Opens), RotateError> {
        let start = self.catalogue.bucket().start(key, openpgp::HEAD).await;
        let start = start.map_err(|source| store(key, source))?;
        let (head, current, old) = (start.bytes.clone(), self.current.clone(), self.old.to_vec());
        let opens = crypto(key, move || {
            if openpgp::unlocks(&head, &current)? {
                return Ok(Opens::Current);
            }
            for (at, passphrase) in old.iter().enumerate() {
                if openpgp::unlocks(&head, passphrase)? {
                    return Ok(Opens::Older(at));
                }
            }
            Ok(Opens::None)
        });
        Ok((start, opens.await?))
    }

    /// Puts another key packet in the place of the one at the head of an object.
    async fn replace(
        &self,
        key: &str,
        start: Start,
        by: usize,
        expected: u64,
        rotated: &mut Rotated,
    ) -> Result<(), RotateError> {
        let (old, new) = (self.old[by].clone(), self.current.clone());
        let (head, size) = (start.bytes, start.size);
        let made = crypto(key, move || openpgp::rekey(&head, &old, &new));
        let Rekeyed { old_length, packet } = made.await?;
        // Sizes are written down under seals, and stay as they are.
        if old_length != expected || packet.len() as u64 != expected {
            let key = key.to_owned();
            return Err(RotateError::Length {
                key,
                found: old_length,
                expected: packet.len() as u64,
            });
        }
        let tag = start.etag.ok_or_else(|| RotateError::Untagged {
            key: key.to_owned(),
        })?;
        let bucket = self.catalogue.bucket();
        let done = bucket.replace_head(key, size, old_length, packet.into(), &tag);
        let done = done.await.map_err(|source| store(key, source))?;
        rotated.copied += done.copied;
        rotated.uploaded += done.uploaded;
        self.monitor.add(done.copied + done.uploaded);
        Ok(())
    }
}

fn store(key: &str, source: S3Error) -> RotateError {
    let key = key.to_owned();
    RotateError::Store { key, source }
}

/// Does what takes some tenths of a second of computing.
async fn crypto<T: Send + 'static>(
    key: &str,
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, RotateError> {
    let done = spawn_blocking(work).await;
    let done = done.map_err(|_panicked| RotateError::Read(RestoreError::Panicked))?;
    done.map_err(|source| RotateError::Rekey {
        key: key.to_owned(),
        source,
    })
}
