//! Makes a backup: one pass over the source, sealed as it goes to the bucket, committed by the manifest.

mod tar_command;
mod volume;

use std::sync::Arc;

use jiff::Timestamp;

use super::catalogue::{INVENTORY, MANIFEST};
use super::format::{InventoryHeader, VERSION};
use super::{BackupId, Catalogue, Database, FormatError, Manifest, Monitor, Phase, State};
use crate::openpgp::{Passphrase, SealError};
use crate::s3::{PartPlan, S3Error};
use crate::{archive, pebble};

/// What is to be read, by `tar` in the workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Directories and what to take from each, in order.
    pub roots: Vec<SourceRoot>,
    /// Who reads.
    pub user_id: u32,
    /// With which group.
    pub group_id: u32,
    /// Bytes of file contents, as measured before.
    pub content: u64,
    /// Files and directories, as measured before.
    pub members: u64,
}

/// A directory of the workload and paths relative to it; the paths become the members' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRoot {
    /// Absolute path in the workload.
    pub directory: String,
    /// Relative paths below it.
    pub paths: Vec<String>,
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
    /// The database among the members.
    pub database: Option<Database>,
}

/// A backup that is in the bucket, committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// What was committed.
    pub manifest: Manifest,
    /// How often a part had to be sent again.
    pub retries: u32,
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
}

/// Makes one backup and commits it.
///
/// On an error nothing of it stays in the bucket, as far as the bucket still answers; without its manifest it is no
/// backup in any case. `now` is asked once, when the last volume is whole.
pub async fn create(
    creation: &Creation<'_>,
    now: impl Fn() -> Timestamp,
    monitor: &Monitor,
) -> Result<Created, CreateError> {
    let outcome = upload_all(creation, now, monitor).await;
    if outcome.is_err() {
        creation.catalogue.discard(creation.id).await;
    }
    outcome
}

async fn upload_all(
    creation: &Creation<'_>,
    now: impl Fn() -> Timestamp,
    monitor: &Monitor,
) -> Result<Created, CreateError> {
    let Origin {
        server_name,
        charm_version,
        synapse_version,
        database,
    } = creation.origin.clone();
    let header = InventoryHeader {
        id: creation.id.clone(),
        server_name: server_name.clone(),
        synapse_version: synapse_version.clone(),
        database: database.clone(),
    };
    monitor.enter(Phase::Uploading, creation.source.content);
    let sealed = volume::upload(creation, &header, monitor).await?;

    monitor.enter(Phase::Committing, 0);
    let volumes = vec![sealed.volume];
    let manifest = Manifest {
        format: Manifest::format(),
        version: VERSION,
        id: creation.id.clone(),
        started: creation.started,
        finished: now(),
        state: match sealed.warnings.is_empty() {
            true => State::Finished,
            false => State::FinishedWithWarnings,
        },
        server_name,
        charm_version,
        synapse_version,
        database,
        size: sealed.inventory.size + volumes.iter().map(|volume| volume.size).sum::<u64>(),
        members: volumes.iter().map(|volume| volume.members).sum(),
        content: volumes.iter().map(|volume| volume.content).sum(),
        volumes,
        inventory: sealed.inventory,
        warnings: sealed.warnings,
        more: serde_json::Map::new(),
    };
    let key = Catalogue::key(creation.id, MANIFEST);
    let bytes = manifest.write()?;
    creation
        .catalogue
        .bucket()
        .put(&key, bytes.into())
        .await
        .map_err(|source| CreateError::Upload { key, source })?;
    Ok(Created {
        manifest,
        retries: sealed.retries,
    })
}
