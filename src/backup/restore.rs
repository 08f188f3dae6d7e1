//! Restores a backup: checked, staged and authenticated while the service runs; then swapped in.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::format::{FormatError, Volume};
use super::preflight::Sealed;
use super::stage::{Staged, stage};
use super::swap::{Ended, Made, Service, Swap, SwapError, Swapped, TakenBack};
use super::{
    BackupId, Catalogue, CatalogueError, Kept, Monitor, Operation, Place, Scope, previous,
};
use crate::openpgp::{OpenError, Passphrase};
use crate::s3::S3Error;
use crate::{archive, pebble};

/// Why a restore was not made. Unless it says otherwise, nothing was stopped and nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is not in the catalogue, or the catalogue cannot be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A document of the backup is not what it should be.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An object could not be read.
    #[error("failed to download {key}")]
    Download {
        /// The object.
        key: String,
        /// What the store said.
        #[source]
        source: S3Error,
    },
    /// An object that the inventory names is not there.
    #[error("{key} is missing in the bucket")]
    VolumeMissing {
        /// The object.
        key: String,
    },
    /// An object is not as large as the inventory says.
    #[error("{key} has {found} bytes in the bucket, and {expected} when it was written")]
    VolumeSize {
        /// The object.
        key: String,
        /// Bytes in the bucket.
        found: u64,
        /// Bytes in the inventory.
        expected: u64,
    },
    /// A message could not be opened: wrong passphrase, or not what was sealed.
    #[error("failed to decrypt")]
    Open(#[source] OpenError),
    /// The archive in a volume is not one that may be unpacked.
    #[error("failed to read the archive")]
    Archive(#[from] archive::ArchiveError),
    /// An object is sealed with the passphrase, but is not the one that this backup names.
    #[error("{0} is not the object that this backup names")]
    OtherObject(String),
    /// The volumes hold other members than the inventory lists.
    #[error("the volumes hold other members ({unpacked}) than the inventory lists ({expected})")]
    OtherMembers {
        /// Members in the inventory.
        expected: u64,
        /// Members unpacked.
        unpacked: u64,
    },
    /// What was unpacked of a volume are not the files that were in it: two of them had one name.
    #[error(
        "{volume} holds a name twice: of its {expected} files {found} are left when they are unpacked"
    )]
    OtherFiles {
        /// The volume.
        volume: String,
        /// Files in it.
        expected: u64,
        /// Files unpacked.
        found: u64,
    },
    /// Two volumes hold a member of the same name.
    #[error("two volumes hold {0}")]
    Twice(String),
    /// The data volume is too small for a second copy.
    #[error("staging needs {needed} bytes on the data volume, and {available} are free")]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// The data volume can hold too few files.
    #[error("staging needs {needed} inodes on the data volume, and {available} are free")]
    NoInodes {
        /// Inodes needed.
        needed: u64,
        /// Inodes free.
        available: u64,
    },
    /// The private directory on the data volume could not be made.
    #[error("failed to prepare {}", .path.display())]
    Staging {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// `tar` could not be run, or failed.
    #[error("failed to unpack")]
    Unpack(#[source] pebble::ExecError),
    /// What was unpacked is whole, and cannot be used.
    #[error("failed to make use of what was unpacked")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stage of the stream failed on input or output.
    #[error("failed to pass the stream on")]
    Stream(#[source] io::Error),
    /// One object of the backup is not as it should be.
    #[error("{key} cannot be used")]
    Object {
        /// The object.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Box<Self>,
    },
    /// The database in the backup is not as it should be.
    #[error("the database in the backup: {0}")]
    Database(String),
    /// What was unpacked could not be looked into; that says nothing about the backup.
    #[error("failed to look into what was unpacked: {0}")]
    Unlooked(String),
    /// The service does not work on what the backup holds.
    #[error("the rehearsal failed: {0}")]
    Rehearsal(String),
    /// The backup holds nothing of what was asked for.
    #[error("the backup holds nothing of {0}")]
    Absent(Scope),
    /// A stage ended without a word.
    #[error("a stage of the restore panicked")]
    Panicked,
    /// The new data did not work, or could not be put in place; the old data is live again.
    #[error("everything was put back, and {}: {}", works(.0), .0.reason)]
    TakenBack(TakenBack),
    /// The swap is neither made nor taken back; the next wake-up goes on with it.
    #[error("the restore is unfinished")]
    Unfinished(#[from] SwapError),
}

impl RestoreError {
    /// Names the object, where the error itself does not.
    pub(super) fn of(self, key: &str) -> Self {
        match self {
            Self::Open(_) | Self::Archive(_) => Self::Object {
                key: key.to_owned(),
                source: Box::new(self),
            },
            other => other,
        }
    }

    /// Whether it is about this volume, of which nothing more has to be said.
    pub(super) fn is_about(&self, volume: &Volume) -> bool {
        let (Self::Download { key, .. }
        | Self::VolumeMissing { key }
        | Self::VolumeSize { key, .. }
        | Self::Object { key, .. }) = self
        else {
            return false;
        };
        *key == volume.key
    }
}

fn works(taken_back: &TakenBack) -> String {
    match &taken_back.works {
        Ok(()) => "the server runs on its old data".to_owned(),
        Err(reason) => format!("the server does not answer on its old data either ({reason})"),
    }
}

/// What a restore works with.
pub struct Restoration<'a> {
    /// The workload's Pebble.
    pub client: &'a pebble::Client,
    /// Where the backup lies.
    pub catalogue: &'a Catalogue,
    /// What it may be sealed with; the one that is used now comes first.
    pub passphrases: &'a [Arc<Passphrase>],
    /// Where it is restored to.
    pub place: &'a Place,
    /// Where it tells how far it has come.
    pub monitor: &'a Monitor,
}

/// Restores one backup; `now` is asked when the service is about to be stopped.
pub async fn restore<F, B>(
    restoration: &Restoration<'_>,
    sealed: Sealed,
    service: &Service<F, B>,
    now: fn() -> Timestamp,
) -> Result<Made, RestoreError>
where
    F: AsyncFn(&Swapped) -> Result<Vec<String>, String>,
    B: AsyncFn() -> Result<(), String>,
{
    let Restoration {
        client,
        catalogue,
        passphrases,
        place,
        monitor,
    } = *restoration;
    let id = sealed.id().clone();
    let staged = stage(client, (catalogue, passphrases), sealed, place, monitor).await?;
    swap_in(restoration, (&id, &staged), service, now).await
}

/// Puts what was staged of a backup in its place, unless there is nothing of what was asked for.
pub(super) async fn swap_in<F, B>(
    restoration: &Restoration<'_>,
    (id, staged): (&BackupId, &Staged),
    service: &Service<F, B>,
    now: fn() -> Timestamp,
) -> Result<Made, RestoreError>
where
    F: AsyncFn(&Swapped) -> Result<Vec<String>, String>,
    B: AsyncFn() -> Result<(), String>,
{
    let Restoration {
        client,
        place,
        monitor,
        ..
    } = *restoration;
    let replaced = (place.replaced)(&place.staged(), staged.scope());
    if replaced.is_ok_and(|replaced| replaced.is_empty()) {
        place.clear_staging()?;
        return Err(RestoreError::Absent(staged.scope().clone()));
    }
    let swap = Swap::restore(place, id, staged, now())?;
    made(swap.carry(client, service, monitor).await?)
}

/// Puts back what the last restore, or rollback, has replaced; that can be taken back in the same way.
pub async fn rollback<F, B>(
    client: &pebble::Client,
    place: &Place,
    kept: &Kept,
    service: &Service<F, B>,
    now: Timestamp,
    monitor: &Monitor,
) -> Result<Made, RestoreError>
where
    F: AsyncFn(&Swapped) -> Result<Vec<String>, String>,
    B: AsyncFn() -> Result<(), String>,
{
    let swap = Swap::rollback(place, kept, now)?;
    made(swap.carry(client, service, monitor).await?)
}

fn made(ended: Ended) -> Result<Made, RestoreError> {
    match ended {
        Ended::Made(made) => Ok(made),
        Ended::TakenBack(taken_back) => Err(RestoreError::TakenBack(taken_back)),
    }
}

/// Ends a swap whose process was killed, if there is one; tells what it was and what became of it.
pub async fn recover<F, B>(
    client: &pebble::Client,
    place: &Place,
    service: &Service<F, B>,
    monitor: &Monitor,
) -> Result<Option<(Operation, Ended)>, SwapError>
where
    F: AsyncFn(&Swapped) -> Result<Vec<String>, String>,
    B: AsyncFn() -> Result<(), String>,
{
    let Some(swap) = Swap::found(place)? else {
        return Ok(None);
    };
    let operation = swap.operation().clone();
    let ended = swap.carry(client, service, monitor).await?;
    Ok(Some((operation, ended)))
}

/// Lets go of the way back, and of whatever else is left of swaps; tells how many trees were freed.
pub fn confirm(place: &Place) -> Result<usize, RestoreError> {
    let path = place.private();
    previous::free_others(&path, None).map_err(|source| RestoreError::Staging { path, source })
}
