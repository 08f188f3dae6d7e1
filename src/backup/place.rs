//! Where a restore happens on the data volume: the live data, and the private directory beside it.
//!
//! ```text
//! <data>/<private>/staging      what is being unpacked; worth nothing before it is proven whole
//! <data>/<private>/replacing    where live data goes during a swap; there only while a swap is open
//! <data>/<private>/replaced     what the last restore replaced, kept until the next one has succeeded
//! <data>/<private>/interrupted-1 ...   what a swap had moved when it was cut off
//! ```
//!
//! `replacing` is made before the service is stopped and goes when the swap has come to an end, good or bad. Found by
//! anybody else, it says that a swap was cut off: then nothing may be started on what may be half of two servers.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use super::RestoreError;

const STAGING: &str = "staging";
const REPLACING: &str = "replacing";
const REPLACED: &str = "replaced";

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
    /// Whether a backup may hold a file or directory of this path, relative to the data directory.
    pub permitted: fn(&Path) -> bool,
    /// The service that must not run while files are swapped.
    pub service: String,
    /// The server whose backups may be restored here.
    pub server_name: String,
}

/// Whether a swap was cut off in the private directory `private`.
pub fn swap_was_cut_off(private: &Path) -> bool {
    private.join(REPLACING).exists()
}

impl Place {
    fn private(&self) -> PathBuf {
        self.here.join(self.private)
    }

    /// The staging directory.
    pub(super) fn staging(&self) -> PathBuf {
        self.private().join(STAGING)
    }

    /// The staging directory as the workload sees it.
    pub(super) fn staging_in_workload(&self) -> String {
        format!("{}/{}/{STAGING}", self.there, self.private)
    }

    /// The kept data of the last restore, as the workload sees it.
    pub(super) fn replaced_in_workload(&self) -> String {
        format!("{}/{}/{REPLACED}", self.there, self.private)
    }

    /// The live data directory.
    pub(super) fn live(&self) -> &Path {
        &self.here
    }

    /// The staged data directory: member names begin with the workload's path.
    pub(super) fn staged(&self) -> PathBuf {
        self.staging().join(self.there.trim_start_matches('/'))
    }

    /// Where what is replaced goes.
    pub(super) fn aside(&self) -> PathBuf {
        self.private().join(REPLACING)
    }

    /// Bytes that may still be written to the data volume.
    pub(super) fn available(&self) -> Result<u64, RestoreError> {
        let volume = rustix::fs::statvfs(&self.here);
        let volume = volume.map_err(|error| self.failed(error.into()))?;
        Ok(volume.f_bavail * volume.f_frsize)
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

    /// Marks the swap as open, durably. What an earlier one had moved when it was cut off is kept.
    pub(super) fn open_swap(&self) -> Result<(), RestoreError> {
        let opened = self
            .keep_interrupted()
            .and_then(|()| self.own(&self.aside()))
            .and_then(|()| self.sync());
        opened.map_err(|error| self.failed(error))
    }

    /// The swap was made and has proved good: what it replaced takes the place of what the one before had replaced.
    pub(super) fn close_swap(&self) -> Result<(), RestoreError> {
        let replaced = self.private().join(REPLACED);
        let closed = remove_tree(&replaced)
            .and_then(|()| fs::rename(self.aside(), &replaced))
            .and_then(|()| remove_tree(&self.staging()))
            .and_then(|()| self.sync());
        closed.map_err(|error| self.failed(error))
    }

    /// The swap was taken back to the last file.
    pub(super) fn cancel_swap(&self) -> Result<(), RestoreError> {
        let cancelled = remove_tree(&self.aside()).and_then(|()| remove_tree(&self.staging()));
        cancelled.map_err(|error| self.failed(error))
    }

    fn keep_interrupted(&self) -> io::Result<()> {
        if !self.aside().exists() {
            return Ok(());
        }
        let mut number = 1;
        let kept = loop {
            let kept = self.private().join(format!("interrupted-{number}"));
            if !kept.exists() {
                break kept;
            }
            number += 1;
        };
        fs::rename(self.aside(), kept)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(self.private())?.sync_all()
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn place(here: &Path) -> Place {
        let owner = fs::metadata(here).unwrap();
        Place {
            here: here.to_owned(),
            there: "/data".to_owned(),
            private: ".private",
            user_id: owner.uid(),
            group_id: owner.gid(),
            replaced: |_| Ok(Vec::new()),
            permitted: |_| true,
            service: "synapse".to_owned(),
            server_name: "example.org".to_owned(),
        }
    }

    #[test]
    fn open_swap_is_seen_until_it_is_closed_or_cancelled() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        place.prepare_staging().unwrap();
        for end in [Place::close_swap, Place::cancel_swap] {
            place.open_swap().unwrap();
            assert!(swap_was_cut_off(&place.private()));
            end(&place).unwrap();
            assert!(!swap_was_cut_off(&place.private()));
        }
    }

    #[test]
    fn what_a_cut_off_swap_had_moved_is_never_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        place.prepare_staging().unwrap();
        for number in 1..4 {
            place.open_swap().unwrap();
            fs::write(place.aside().join("homeserver.db"), format!("{number}")).unwrap();
        }
        place.open_swap().unwrap();
        place.close_swap().unwrap();
        for number in 1..4 {
            let kept = place
                .private()
                .join(format!("interrupted-{number}/homeserver.db"));
            assert_eq!(fs::read_to_string(kept).unwrap(), format!("{number}"));
        }
    }
}
