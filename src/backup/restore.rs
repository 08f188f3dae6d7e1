//! Restores a backup: checked, staged and authenticated while the service runs; then stopped, swapped and started.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::format::{FormatError, Inventory};
use super::stage::{inventory, stage, staged_room};
use super::swap::{SwapError, swap};
use super::{BackupId, Catalogue, CatalogueError, Monitor, Phase, Place};
use crate::openpgp::{OpenError, Passphrase};
use crate::s3::S3Error;
use crate::{archive, pebble};

/// How long a service may take to stop. Longer than its kill delay and Pebble's own five seconds after it.
const STOPPING: Duration = Duration::from_secs(60);
/// How long Pebble may take to say that the service has started; whether it works is another question.
const STARTING: Duration = Duration::from_secs(60);
/// Room that must stay free on the volume after staging.
const RESERVE: u64 = 16 * 1024 * 1024;
/// What a file or directory takes beyond its content.
const PER_MEMBER: u64 = 4096;

/// A restore that was made.
#[derive(Debug)]
pub struct Restored {
    /// When the backup was finished.
    pub finished: Timestamp,
    /// Files and directories restored.
    pub members: u64,
    /// Bytes of file contents.
    pub content: u64,
    /// Where the data that was replaced now lies in the workload; `None` when there was none.
    pub replaced: Option<String>,
    /// How long the service did not answer.
    pub downtime: Duration,
}

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
    #[error("the volumes hold {unpacked} members, and not the {expected} that the inventory lists")]
    OtherMembers {
        /// Members in the inventory.
        expected: u64,
        /// Members unpacked.
        unpacked: u64,
    },
    /// What was unpacked of a volume are not the files that were in it: two of them had one name.
    #[error("{volume} holds {expected} files, and unpacked they are {found}")]
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
    /// The backup is of another server.
    #[error("the backup is of the server {theirs}, and this is {ours}")]
    OtherServer {
        /// The server of the backup.
        theirs: String,
        /// The server here.
        ours: String,
    },
    /// The data volume is too small for a second copy.
    #[error("staging needs {needed} bytes on the data volume, and {available} are free")]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
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
    /// A stage of the stream failed on input or output.
    #[error("failed to pass the stream on")]
    Stream(#[source] io::Error),
    /// A stage ended without a word.
    #[error("a stage of the restore panicked")]
    Panicked,
    /// The service did not stop; it was started again.
    #[error("failed to stop the service {service}")]
    Stop {
        /// Its name.
        service: String,
        /// What Pebble said.
        #[source]
        source: pebble::PebbleError,
    },
    /// The files could not be swapped; the service runs on the old data.
    #[error("failed to put the restored data in place; the old data is back")]
    Swap(#[from] SwapError),
    /// The service did not come up on the restored data; it runs on the old data again.
    #[error("the service did not come up on the restored data, so the old data is back: {reason}")]
    Unhealthy {
        /// What it said or did not say.
        reason: String,
    },
}

/// Restores one backup.
///
/// `bring_up` is called on the restored data: it starts the service, with whatever that needs, and answers once it is
/// sure that it works, or with what is wrong.
pub async fn restore(
    client: &pebble::Client,
    catalogue: &Catalogue,
    passphrase: &Arc<Passphrase>,
    id: &BackupId,
    place: &Place,
    bring_up: impl AsyncFn() -> Result<(), String>,
    monitor: &Monitor,
) -> Result<Restored, RestoreError> {
    monitor.enter(Phase::Checking, 0);
    let manifest = catalogue.manifest(id).await?;
    let (inventory, message) = inventory(catalogue, passphrase, &manifest).await?;
    check(&inventory, place)?;
    let opened = (&manifest, &inventory, message);
    let staged = stage(client, catalogue, passphrase, opened, place, monitor).await?;

    monitor.enter(Phase::Swapping, 0);
    let stopped = Instant::now();
    let service = [place.service.as_str()];
    place.open_swap()?;
    if let Err(source) = stop(client, &service).await {
        note(place.cancel_swap(), "the swap that was not made stays open");
        start(client, &service).await;
        let service = place.service.clone();
        return Err(RestoreError::Stop { service, source });
    }
    let swapped = match swap(place, &staged) {
        Ok(swapped) => swapped,
        Err((error, undone)) => {
            take_back(client, place, undone).await;
            return Err(error.into());
        }
    };

    monitor.enter(Phase::Starting, 0);
    if let Err(reason) = bring_up().await {
        if let Err(error) = stop(client, &service).await {
            tracing::warn!(%error, "could not stop the service before taking the swap back");
        }
        take_back(client, place, swapped.undo()).await;
        return Err(RestoreError::Unhealthy { reason });
    }
    let replaced = swapped.replaced_anything(&place.aside());
    place.close_swap()?;
    Ok(Restored {
        finished: manifest.finished,
        members: inventory.members.count,
        content: inventory.members.content,
        replaced: replaced.then(|| place.replaced_in_workload()),
        downtime: stopped.elapsed(),
    })
}

/// Ends a swap that was taken back, and lets the service run on the old data.
///
/// What could not be taken back leaves the swap open: nothing is started on half of two servers.
async fn take_back(client: &pebble::Client, place: &Place, undone: bool) {
    if undone {
        note(
            place.cancel_swap(),
            "the swap that was taken back stays open",
        );
        start(client, &[place.service.as_str()]).await;
    }
}

/// Logs trouble on the way out of a failure, whose own error is the one to report.
fn note(outcome: Result<(), RestoreError>, what: &str) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what}");
    }
}

/// Everything that can be known to be wrong before anything is downloaded or stopped.
fn check(inventory: &Inventory, place: &Place) -> Result<(), RestoreError> {
    if inventory.server_name != place.server_name {
        return Err(RestoreError::OtherServer {
            theirs: inventory.server_name.clone(),
            ours: place.server_name.clone(),
        });
    }
    let needed = inventory.members.content + inventory.members.count * PER_MEMBER + RESERVE;
    let (again, _) = staged_room(place).map_err(|source| RestoreError::Staging {
        path: place.staging(),
        source,
    })?;
    let available = place.available()? + again;
    if needed > available {
        return Err(RestoreError::NoSpace { needed, available });
    }
    Ok(())
}

/// Stops the service; one that Pebble does not know, as after a restart of the container, does not run.
async fn stop(client: &pebble::Client, service: &[&str]) -> Result<(), pebble::PebbleError> {
    if client.services(service).await?.is_empty() {
        return Ok(());
    }
    client.stop(service, STOPPING).await.map(drop)
}

/// Starts the service again on the way out of a failure, whose own error is the one to report.
async fn start(client: &pebble::Client, service: &[&str]) {
    if let Err(error) = client.start(service, STARTING).await {
        tracing::error!(%error, "the service did not start again");
    }
}
