//! Where a restore happens on the data volume: the live data, and the private directory beside it.
//!
//! ```text
//! <data>/<private>/staging             what is being unpacked; worth nothing before it is proven whole
//! <data>/<private>/journal.json        there only while a swap is open
//! <data>/<private>/previous/<time>     what a swap replaced
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use super::{RestoreError, Scope};

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
    /// Name below the private directory of the one for staging.
    pub staging: &'static str,
    /// Lists what a restore of these parts replaces below a data directory, the live or the staged one.
    pub replaced: fn(&Path, &Scope) -> io::Result<Vec<PathBuf>>,
    /// Whether a backup of these parts may hold a file or directory of this path, relative to the data directory.
    pub permitted: fn(&Path, &Scope) -> bool,
    /// The service that must not run while files are swapped.
    pub service: String,
}

/// Room on the data volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that may still be written.
    pub bytes: u64,
    /// Files and directories that may still be made; `None` where the file system does not count them.
    pub inodes: Option<u64>,
    /// Bytes of the whole volume.
    pub total: u64,
}

impl Room {
    /// Looks at the volume that a directory lies on.
    pub fn of(directory: &Path) -> io::Result<Self> {
        let volume = rustix::fs::statvfs(directory)?;
        Ok(Self {
            bytes: volume.f_bavail * volume.f_frsize,
            inodes: (volume.f_files > 0).then_some(volume.f_favail),
            total: volume.f_blocks * volume.f_frsize,
        })
    }
}

impl Place {
    /// The private directory.
    pub(super) fn private(&self) -> PathBuf {
        self.here.join(self.private)
    }

    /// The staging directory.
    pub(super) fn staging(&self) -> PathBuf {
        self.private().join(self.staging)
    }

    /// The staging directory as the workload sees it.
    pub(super) fn staging_in_workload(&self) -> String {
        format!("{}/{}/{}", self.there, self.private, self.staging)
    }

    /// The staged data directory as the workload sees it.
    pub(super) fn staged_in_workload(&self) -> String {
        format!("{}{}", self.staging_in_workload(), self.there)
    }

    /// The live data directory.
    pub(super) fn live(&self) -> &Path {
        &self.here
    }

    /// The staged data directory: member names begin with the workload's path.
    pub(super) fn staged(&self) -> PathBuf {
        self.staging().join(self.there.trim_start_matches('/'))
    }

    /// Room on the volume.
    pub(super) fn room(&self) -> Result<Room, RestoreError> {
        Room::of(&self.here).map_err(|error| self.failed(error))
    }

    /// Removes what an earlier run staged.
    pub(super) fn clear_staging(&self) -> Result<(), RestoreError> {
        remove_tree(&self.staging()).map_err(|error| self.failed(error))
    }

    /// Makes an empty staging directory that only the data's owner can enter.
    pub(super) fn prepare_staging(&self) -> Result<(), RestoreError> {
        let made = self
            .own(&self.private())
            .and_then(|()| self.own(&self.staging()));
        made.map_err(|error| self.failed(error))
    }

    /// Makes sure that what was staged is on the disk before anything relies on it.
    pub(super) fn sync_staging(&self) -> Result<(), RestoreError> {
        let synced =
            File::open(self.staging()).and_then(|staging| Ok(rustix::fs::syncfs(&staging)?));
        synced.map_err(|error| self.failed(error))
    }

    /// Makes a directory of mode 0700 that belongs to the data's owner; one that is there is taken over.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => (),
        }
        chown(path, Some(self.user_id), Some(self.group_id))
    }

    fn failed(&self, source: io::Error) -> RestoreError {
        let path = self.private();
        RestoreError::Staging { path, source }
    }
}

/// Removes a tree that may be gone already.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
