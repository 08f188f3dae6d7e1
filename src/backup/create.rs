//! Makes a backup: one pass over the source, sealed as it goes to the bucket, committed by the manifest.

mod archives;
mod tar_command;
mod volumes;

pub use tar_command::MORE;
pub(super) use volumes::sealed_size;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::catalogue::{INVENTORY, MANIFEST};
use super::format::{
    Closing, Database, InventoryHeader, Media, MediaFindings, Snapshot, Tally, VERSION,
};
use super::{BackupId, Catalogue, FormatError, Label, Manifest, Monitor, Phase, Scope, State};
use crate::archive::{Member, Sha256Hex};
use crate::openpgp::{Passphrase, SealError};
use crate::s3::{Bucket, S3Error};
use crate::{archive, pebble};

/// What is to be read, by `tar` in the workload.
#[derive(Debug, Clone)]
pub struct Source {
    /// What is read in one go, in order; no volume holds members of two of them.
    pub groups: Vec<Group>,
    /// Patterns of members' names that are left out, as `tar` understands them: with `*`, `?` and `[]` within a name.
    pub exclude: Vec<String>,
    /// Who reads.
    pub user_id: u32,
    /// With which group.
    pub group_id: u32,
    /// The part of the data directory that a member belongs to.
    pub component: fn(&str) -> &'static str,
}

/// Places that are read by one `tar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Directories and what to take from each, in order.
    pub roots: Vec<SourceRoot>,
    /// How much there is, as measured before.
    pub tally: Tally,
}

/// A directory of the workload and paths relative to it; the paths become the members' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRoot {
    /// Absolute path in the workload.
    pub directory: String,
    /// Relative paths below it.
    pub paths: Vec<String>,
}

impl Source {
    /// How much there is in all groups.
    pub fn tally(&self) -> Tally {
        let tallies = self.groups.iter().map(|group| group.tally);
        tallies.fold(Tally::default(), |sum, tally| Tally {
            members: sum.members + tally.members,
            content: sum.content + tally.content,
        })
    }
}

/// What the documents of a backup say about where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The Matrix server.
    pub server_name: String,
    /// Version of this charm.
    pub charm_version: String,
    /// Version of Synapse, when it is known.
    pub synapse_version: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The unit.
    pub unit: Option<String>,
    /// What the operator says of it.
    pub said: Label,
    /// The database among the members, or that they go with.
    pub database: Option<Database>,
    /// How the copy of the database was made.
    pub snapshot: Option<Snapshot>,
    /// The parts of the data directory that were chosen.
    pub places: Scope,
}

/// What the caller has found out by the time that everything was read.
#[derive(Debug, Default)]
pub struct Findings {
    /// The database's media against those in the backup: counts, and names.
    pub media: Option<(Media, MediaFindings)>,
    /// What changed while it was read, by name.
    pub changed: Vec<String>,
    /// What an operator should know; no names of files.
    pub warnings: Vec<String>,
}

/// Is shown every member as it is read, on a thread that may block.
pub type Watcher = Arc<dyn Fn(&Member) -> io::Result<()> + Send + Sync>;

/// A backup that is in the bucket, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// What was committed.
    pub manifest: Manifest,
    /// What changed while it was read, by name.
    pub changed: Vec<String>,
    /// How many calls of the store had to be made again, of every kind.
    pub retries: u64,
}

/// Why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// `tar` could not be run, or failed.
    #[error("failed to read the data")]
    Source(#[source] pebble::ExecError),
    /// What `tar` gave is not an archive that a restore would take.
    #[error("failed to read the archive of the data")]
    Archive(#[from] archive::ArchiveError),
    /// The encryption failed.
    #[error("failed to encrypt")]
    Seal(#[source] SealError),
    /// A stage of the stream failed on input or output.
    #[error("failed to pass the stream on")]
    Stream(#[source] std::io::Error),
    /// The bucket did not take it.
    #[error("failed to upload {key}")]
    Upload {
        /// The object.
        key: String,
        /// What the store said.
        #[source]
        source: S3Error,
    },
    /// A document could not be written.
    #[error("failed to write the manifest")]
    Format(#[from] FormatError),
    /// A stage ended without a word.
    #[error("a stage of the backup panicked")]
    Panicked,
}

/// Everything a run of [`create`] works with.
pub struct Creation<'a> {
    /// The workload's Pebble.
    pub client: &'a pebble::Client,
    /// Where backups lie.
    pub catalogue: &'a Catalogue,
    /// What seals them.
    pub passphrase: &'a Arc<Passphrase>,
    /// The new backup's name.
    pub id: &'a BackupId,
    /// When it began.
    pub started: Timestamp,
    /// What is read.
    pub source: &'a Source,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// The most bytes of a volume, unless a single file is larger.
    pub volume_size: u64,
    /// Is shown every member.
    pub watcher: Watcher,
    /// What the run has logged so far; it is laid beside the backup, in clear.
    pub log: &'a dyn Fn() -> Vec<u8>,
}

/// Makes one backup and commits it.
///
/// On an error nothing of it stays in the bucket, as far as the bucket still answers; without its manifest it is no
/// backup in any case. `conclude` is asked when everything was read, with what `tar` said of files that changed
/// meanwhile; `now` is asked once, when the last volume is whole.
pub async fn create(
    creation: &Creation<'_>,
    conclude: impl AsyncFnOnce(Vec<String>) -> Findings,
    now: impl Fn() -> Timestamp,
    monitor: &Monitor,
) -> Result<Created, CreateError> {
    let outcome = upload_all(creation, conclude, now, monitor).await;
    if outcome.is_err() {
        creation.catalogue.discard(creation.id).await;
    }
    outcome
}

async fn upload_all(
    creation: &Creation<'_>,
    conclude: impl AsyncFnOnce(Vec<String>) -> Findings,
    now: impl Fn() -> Timestamp,
    monitor: &Monitor,
) -> Result<Created, CreateError> {
    let before = creation.catalogue.bucket().retried();
    let header = InventoryHeader {
        id: creation.id.clone(),
        server_name: creation.origin.server_name.clone(),
        synapse_version: creation.origin.synapse_version.clone(),
        database: creation.origin.database.clone(),
        places: creation.origin.places.clone(),
    };
    monitor.enter(Phase::Uploading, creation.source.tally().content);
    let first = volumes::key(creation);
    let inventory = volumes::Document::begin(creation, &header).await?;
    let read = match volumes::upload(creation, first, inventory.writer, monitor).await {
        Ok(read) => read,
        // The inventory's upload may be what failed first: then the others only broke off with it.
        Err(error) => return Err(inventory.upload.failed(error).await),
    };

    monitor.enter(Phase::Committing, 0);
    let Findings {
        media,
        changed,
        warnings,
    } = conclude(read.changed).await;
    let (media, named) = media.unzip();
    let manifest = manifest(
        creation,
        (read.volumes, read.components),
        media,
        warnings,
        now(),
    );
    let bytes = manifest.write()?;
    let closing = Closing {
        volumes: manifest.volumes.clone(),
        notes: changed.clone(),
        media: named,
        manifest: Sha256Hex::of(&bytes),
    };
    let sealed = volumes::finish(read.inventory, closing).await;
    match sealed {
        Ok(()) => inventory.upload.whole().await?,
        Err(error) => return Err(inventory.upload.failed(error).await),
    }

    let log = (creation.log)();
    creation.catalogue.put_log(creation.id, log).await;
    let key = Catalogue::key(creation.id, MANIFEST);
    let bucket = creation.catalogue.bucket();
    for volume in &manifest.volumes {
        let there = is_there(bucket, volume).await;
        there.map_err(|source| CreateError::Upload {
            key: volume.key.clone(),
            source,
        })?;
    }
    let kept = commit(bucket, &key, bytes.into()).await;
    kept.map_err(|source| CreateError::Upload { key, source })?;
    Ok(Created {
        manifest,
        changed,
        retries: creation.catalogue.bucket().retried() - before,
    })
}

/// Looks whether a volume is there still: a run that has lost its lease may have been taken for dead and swept.
async fn is_there(bucket: &Bucket, volume: &super::Volume) -> Result<(), S3Error> {
    let found = bucket.stat(&volume.key).await?.map(|object| object.size);
    match found == Some(volume.size) {
        true => Ok(()),
        false => Err(S3Error::SizeAltered {
            key: volume.key.clone(),
            expected: volume.size,
            found,
        }),
    }
}

/// Writes the manifest, and reads it back: a store that answers well and keeps nothing, or something else, has no backup.
async fn commit(bucket: &Bucket, key: &str, bytes: Bytes) -> Result<(), S3Error> {
    bucket.commit(key, bytes.clone()).await?;
    let lost = |found| S3Error::SizeAltered {
        key: key.to_owned(),
        expected: bytes.len() as u64,
        found,
    };
    let kept = match bucket.get(key).await {
        Err(S3Error::NotFound { .. }) => return Err(lost(None)),
        kept => kept?,
    };
    let size = kept.size();
    match kept.collect(bytes.len()).await {
        Err(S3Error::TooLarge { .. }) => Err(lost(size)),
        Ok(kept) if kept.len() != bytes.len() => Err(lost(Some(kept.len() as u64))),
        Ok(kept) if kept != bytes => Err(S3Error::PartAltered {
            key: key.to_owned(),
            part: 1,
        }),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

fn manifest(
    creation: &Creation<'_>,
    (volumes, components): (Vec<super::Volume>, BTreeMap<String, Tally>),
    media: Option<Media>,
    warnings: Vec<String>,
    finished: Timestamp,
) -> Manifest {
    let origin = creation.origin.clone();
    Manifest {
        format: Manifest::format(),
        version: VERSION,
        id: creation.id.clone(),
        started: creation.started,
        finished,
        state: match warnings.is_empty() {
            true => State::Finished,
            false => State::FinishedWithWarnings,
        },
        server_name: origin.server_name,
        charm_version: origin.charm_version,
        synapse_version: origin.synapse_version,
        model: origin.model,
        unit: origin.unit,
        said: origin.said,
        database: origin.database,
        places: origin.places,
        components,
        size: volumes.iter().map(|volume| volume.size).sum(),
        members: volumes.iter().map(|volume| volume.members).sum(),
        content: volumes.iter().map(|volume| volume.content).sum(),
        volumes,
        inventory: Catalogue::key(creation.id, INVENTORY),
        snapshot: origin.snapshot,
        media,
        warnings,
        more: serde_json::Map::new(),
    }
}
