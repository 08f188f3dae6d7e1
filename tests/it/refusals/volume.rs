//! A data volume with little room: a file system in memory, which only root may mount.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Enough for Synapse with an empty database, and a backup of it.
const SIZE: u64 = 64 << 20;
/// What is left when it is full: less than the charm wants to leave free.
const LEFT: u64 = 8 << 20;

/// A small file system that is mounted until this is dropped.
pub(super) struct SmallVolume(PathBuf);

impl SmallVolume {
    /// Mounts it at `place`, or says loudly why the test goes without it.
    pub(super) fn mount(place: &Path) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"])
            .arg(place)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(place.to_owned())),
            Ok(output) => without(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => without(&error.to_string()),
        }
    }

    /// Leaves next to nothing free.
    pub(super) fn fill(&self) {
        let facts = rustix::fs::statvfs(&self.0).unwrap();
        let free = facts.f_bavail * facts.f_frsize;
        let filler = File::create(self.filler()).unwrap();
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, free - LEFT)
            .unwrap();
    }

    /// Gives the room back.
    pub(super) fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        // The containers may still hold it; it goes with them.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn without<T>(reason: &str) -> Option<T> {
    assert!(
        !rustix::process::geteuid().is_root(),
        "root cannot mount a tmpfs: {reason}"
    );
    eprintln!(
        "NOT TESTED: what a full data volume gets, because only root can mount a small one ({reason})"
    );
    None
}
