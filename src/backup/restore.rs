//! Restores a backup: checked, staged and authenticated while the service runs; then stopped, swapped and started.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::format::{FormatError, Inventory, Manifest};
use super::stage::{inventory, stage};
use super::swap::{SwapError, swap};
use super::{BackupId, Catalogue, CatalogueError, Monitor, Phase};
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

/// Where a backup is restored to, and what has to stand still meanwhile.
#[derive(Debug, Clone)]
pub struct Place {
    /// The data directory as this process sees it.
    pub here: PathBuf,
    /// The data directory as the workload sees it, absolute.
    pub there: String,
    /// Name below the data directory of the private directory for staging and for what was replaced.
    pub private: &'static str,
    /// Owner of the data.
    pub user_id: u32,
    /// Group of the data.
    pub group_id: u32,
    /// Lists what a restore replaces below a data directory, the live or the staged one.
    pub replaced: fn(&Path) -> io::Result<Vec<PathBuf>>,
    /// The service that must not run while files are swapped.
    pub service: String,
    /// The server whose backups may be restored here.
    pub server_name: String,
}

/// A restore that was made.
#[derive(Debug)]
pub struct Restored {
    /// What was restored.
    pub manifest: Manifest,
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
    /// A volume is sealed with the passphrase, but is not the one that the inventory names.
    #[error("{0} is not the volume that the inventory of this backup names")]
    OtherVolume(String),
    /// The volumes hold other members than the inventory lists.
    #[error("the volumes hold {unpacked} members, and not the {expected} that the inventory lists")]
    OtherMembers {
        /// Members in the inventory.
        expected: u64,
        /// Members unpacked.
        unpacked: u64,
    },
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

impl Place {
    fn private(&self) -> PathBuf {
        self.here.join(self.private)
    }

    fn staging(&self) -> PathBuf {
        self.private().join("staging")
    }

    /// The staging directory as the workload sees it.
    pub(super) fn staging_in_workload(&self) -> String {
        format!("{}/{}/staging", self.there, self.private)
    }

    /// The live data directory.
    pub(super) fn live(&self) -> PathBuf {
        self.here.clone()
    }

    /// The staged data directory: member names begin with the workload's path.
    pub(super) fn staged(&self) -> PathBuf {
        self.staging().join(self.there.trim_start_matches('/'))
    }

    /// Where what is replaced goes.
    pub(super) fn aside(&self) -> PathBuf {
        self.private().join("replaced")
    }

    /// Bytes that may still be written to the data volume.
    pub fn available(&self) -> io::Result<u64> {
        let volume = rustix::fs::statvfs(&self.here)?;
        Ok(volume.f_bavail * volume.f_frsize)
    }

    /// Makes an empty staging directory that only the data's owner can enter.
    fn prepare(&self) -> Result<(), RestoreError> {
        let staging = self.staging();
        let made = remove_tree(&staging)
            .and_then(|()| own_directory(&self.private(), self))
            .and_then(|()| own_directory(&staging, self));
        made.map_err(|source| RestoreError::Staging {
            path: staging,
            source,
        })
    }
}

/// Makes a directory of mode 0700 that belongs to the data's owner; one that is there is taken over.
fn own_directory(path: &Path, place: &Place) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, chown};
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => (),
    }
    chown(path, Some(place.user_id), Some(place.group_id))
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
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
    let (inventory, message) =
        inventory(catalogue, passphrase, id, &manifest.inventory.name).await?;
    check(&inventory, place)?;
    place.prepare()?;

    monitor.enter(Phase::Staging, inventory.members.content);
    let staged = match stage(
        client,
        catalogue,
        passphrase,
        (&inventory, message),
        place,
        monitor,
    )
    .await
    {
        Ok(staged) => staged,
        Err(error) => {
            if let Err(error) = remove_tree(&place.staging()) {
                tracing::warn!(%error, "staging stays on the data volume");
            }
            return Err(error);
        }
    };
    sync(&place.staging())?;
    clear_aside(place)?;

    monitor.enter(Phase::Swapping, 0);
    let service = [place.service.as_str()];
    let stopped = Instant::now();
    if let Err(source) = client.stop(&service, STOPPING).await {
        start(client, &service).await;
        return Err(RestoreError::Stop {
            service: place.service.clone(),
            source,
        });
    }
    let swapped = match swap(place, &staged) {
        Ok(swapped) => swapped,
        Err(error) => {
            start(client, &service).await;
            return Err(error.into());
        }
    };

    monitor.enter(Phase::Starting, 0);
    if let Err(reason) = bring_up().await {
        if let Err(error) = client.stop(&service, STOPPING).await {
            tracing::warn!(%error, "could not stop the service before taking the swap back");
        }
        swapped.undo();
        start(client, &service).await;
        return Err(RestoreError::Unhealthy { reason });
    }
    let replaced = swapped
        .replaced_anything(&place.aside())
        .then(|| format!("{}/{}/replaced", place.there, place.private));
    if let Err(error) = remove_tree(&place.staging()) {
        tracing::warn!(%error, "the empty staging directory stays");
    }
    Ok(Restored {
        manifest,
        replaced,
        downtime: stopped.elapsed(),
    })
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
    let available = place.available().map_err(|source| RestoreError::Staging {
        path: place.here.clone(),
        source,
    })?;
    if needed > available {
        return Err(RestoreError::NoSpace { needed, available });
    }
    Ok(())
}

/// Removes what the restore before this one replaced: only one such tree is kept.
fn clear_aside(place: &Place) -> Result<(), RestoreError> {
    let aside = place.aside();
    let cleared = remove_tree(&aside).and_then(|()| own_directory(&aside, place));
    cleared.map_err(|source| RestoreError::Staging {
        path: aside,
        source,
    })
}

/// Makes sure that what was staged is on the disk before anything relies on it.
fn sync(staging: &Path) -> Result<(), RestoreError> {
    let synced = fs::File::open(staging).and_then(|directory| Ok(rustix::fs::syncfs(&directory)?));
    synced.map_err(|source| RestoreError::Staging {
        path: staging.to_owned(),
        source,
    })
}

/// Starts the service again on the way out of a failure, whose own error is the one to report.
async fn start(client: &pebble::Client, service: &[&str]) {
    if let Err(error) = client.start(service, STARTING).await {
        tracing::error!(%error, "the service did not start again");
    }
}
