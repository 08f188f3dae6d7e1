//! What is staged of which backup, as it is noted on the data volume.
//!
//! ```text
//! staging/backup.json                  which backup this is
//! staging/volume-0001.tar.gpg/data/... a volume, while it is unpacked and when it is whole
//! staging/volume-0001.tar.gpg.done     says that it is whole, and on the disk
//! staging/data/...                     all volumes together, once the last one is whole
//! ```
//!
//! A note is written only after what it says has come true on the disk. So whatever a killed run left can be sorted:
//! what is noted is looked at again, and the rest is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Wanted;
use super::tree::{Census, merge, open_beneath};
use crate::archive::Sha256Hex;
use crate::backup::format::{Inventory, Volume};
use crate::backup::place::remove_tree;
use crate::backup::{BackupId, Place, RestoreError, Scope};

/// Says which backup is staged.
pub(in crate::backup) const BACKUP: &str = "backup.json";
/// Behind the name of a volume: says that it is whole.
const DONE: &str = ".done";
/// A note is a line; a longer one is not ours.
const NOTE_LIMIT: u64 = 4096;

/// What is staged: the parts of a backup, and the very manifest that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Note {
    backup: BackupId,
    manifest_sha256: Sha256Hex,
    scope: Scope,
}

/// The staging directory of one backup.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    place: Place,
    note: Note,
    volumes: Vec<Volume>,
}

impl Ledger {
    /// The staging directory at `place`, for what is wanted of a backup.
    pub(super) fn new(place: &Place, inventory: &Inventory, wanted: &Wanted) -> Self {
        Self {
            place: place.clone(),
            note: Note {
                backup: inventory.id.clone(),
                manifest_sha256: inventory.manifest.clone(),
                scope: wanted.scope.clone(),
            },
            volumes: wanted.volumes.clone(),
        }
    }

    /// The volumes of which it is noted that they are whole.
    ///
    /// There are none when anything is there that this program does not leave behind, however it is ended.
    pub(super) fn whole(&self) -> &[Volume] {
        let whole = self.count().unwrap_or_else(|error| {
            tracing::warn!(%error, "what was staged cannot be read");
            0
        });
        &self.volumes[..whole]
    }

    fn count(&self) -> io::Result<usize> {
        let staging = self.place.staging();
        let mut entries = match fs::read_dir(&staging) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?.collect::<Result<Vec<_>, _>>()?,
        };
        let mut text = String::new();
        let note = match open_beneath(&staging, BACKUP) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            note => note?,
        };
        note.take(NOTE_LIMIT).read_to_string(&mut text)?;
        if serde_json::from_str::<Note>(&text)? != self.note {
            return Ok(0);
        }
        let there = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
        let whole = self
            .volumes
            .iter()
            .take_while(|volume| there(&marker(volume)))
            .count();
        if there(self.top()) && whole < self.volumes.len() {
            return Ok(0);
        }
        let markers: Vec<String> = self.volumes[..whole].iter().map(marker).collect();
        let names = self.volumes.iter().map(Volume::name);
        let known: Vec<&str> = [BACKUP, self.top()]
            .into_iter()
            .chain(names)
            .chain(markers.iter().map(String::as_str))
            .collect();
        entries.retain(|entry| !known.iter().any(|name| entry.file_name() == *name));
        let fresh = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|end| end == "new");
        Ok(if entries.iter().all(fresh) { whole } else { 0 })
    }

    /// Removes all that is staged and begins anew.
    pub(super) fn begin(&self) -> Result<(), RestoreError> {
        self.place.clear_staging()?;
        self.place.prepare_staging()?;
        let path = self.place.staging().join(BACKUP);
        let written = serde_json::to_vec(&self.note)
            .map_err(io::Error::from)
            .and_then(|note| write(&path, &note));
        written.map_err(failed(&path))
    }

    /// Removes all that is staged.
    pub(super) fn clear(&self) -> Result<(), RestoreError> {
        self.place.clear_staging()
    }

    /// Keeps what is noted as whole, and removes the rest; everything, when nothing is.
    pub(super) fn keep_whole(&self) -> Result<(), RestoreError> {
        let whole = self.whole().len();
        if whole == 0 {
            return self.clear();
        }
        for volume in &self.volumes[whole..] {
            let path = self.directory(volume);
            remove_tree(&path).map_err(failed(&path))?;
        }
        Ok(())
    }

    /// Makes an empty directory for a volume, and gives its path in the workload.
    pub(super) fn prepare(&self, volume: &Volume) -> Result<String, RestoreError> {
        let path = self.directory(volume);
        let made = remove_tree(&path).and_then(|()| self.place.own(&path));
        made.map_err(failed(&path))?;
        Ok(format!(
            "{}/{}",
            self.place.staging_in_workload(),
            volume.name()
        ))
    }

    /// Notes that a volume is whole, once it lies on the disk: as many files as it has, and not one less.
    ///
    /// `tar` unpacks two files of one name into one.
    pub(super) fn finish(&self, volume: &Volume, files: u64) -> Result<(), RestoreError> {
        let path = self.directory(volume);
        let census = Census::of(&path).map_err(failed(&path))?;
        if (census.files, census.others) != (files, 0) {
            return Err(RestoreError::OtherFiles {
                volume: volume.name().to_owned(),
                expected: files,
                found: census.files + census.others,
            });
        }
        self.place.sync_staging()?;
        let path = self.place.staging().join(marker(volume));
        write(&path, b"").map_err(failed(&path))
    }

    /// Puts all volumes together, once each of them is whole.
    pub(super) fn join(&self) -> Result<(), RestoreError> {
        let staging = self.place.staging();
        for volume in &self.volumes {
            let path = self.directory(volume);
            if !path.exists() {
                // A run before this one had come as far as this.
                continue;
            }
            if let Some(twice) = merge(&path, &staging).map_err(failed(&path))? {
                let name = twice.strip_prefix(&path).unwrap_or(&twice);
                return Err(RestoreError::Twice(name.display().to_string()));
            }
        }
        self.place.sync_staging()
    }

    /// Where the members of a volume may lie: in its own directory, or among those of all volumes.
    pub(super) fn roots(&self, volume: &Volume) -> [PathBuf; 2] {
        [self.directory(volume), self.place.staging()]
    }

    /// Counts the files that lie where members do.
    pub(super) fn census(&self) -> io::Result<Census> {
        let mut census = Census::of(&self.place.staging().join(self.top()))?;
        for volume in &self.volumes {
            census = census.and(Census::of(&self.directory(volume))?);
        }
        Ok(census)
    }

    fn directory(&self, volume: &Volume) -> PathBuf {
        self.place.staging().join(volume.name())
    }

    /// The name of the directory that all members lie in.
    fn top(&self) -> &str {
        let there = self.place.there.trim_start_matches('/');
        there.split('/').next().unwrap_or(there)
    }
}

fn marker(volume: &Volume) -> String {
    marker_of(volume.name())
}

/// The name of the note that says that a volume is whole.
pub(in crate::backup) fn marker_of(volume: &str) -> String {
    format!("{volume}{DONE}")
}

/// Whether this is the name of such a note.
pub(in crate::backup) fn is_marker(name: &str) -> bool {
    name.ends_with(DONE)
}

/// Writes a note so that it is there whole, and on the disk, or not at all.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = path.with_added_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => (),
    }
    // The directory belongs to the workload's user: a link that it may have put there is not followed.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::Staging {
        path: path.clone(),
        source,
    }
}
