//! A data volume with little room: a file system in memory, which only root may mount.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Enough for Synapse with an empty database, and a backup of it.
const SIZE: u64 = 64 << 20;

/// A small file system that is mounted until this is dropped.
#[derive(Debug)]
pub struct SmallVolume(PathBuf);

impl SmallVolume {
    /// Mounts it at `place`; for an ordinary user says loudly what goes untested without it.
    pub fn mount(place: &Path, untested: &str) -> Result<Option<Self>> {
        fs::create_dir_all(place)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"])
            .arg(place)
            .output();
        let trouble = match mounted {
            Ok(output) if output.status.success() => return Ok(Some(Self(place.to_owned()))),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        if rustix::process::geteuid().is_root() {
            bail!("root cannot mount a tmpfs: {trouble}");
        }
        eprintln!("NOT TESTED: {untested}, because only root can mount a small volume ({trouble})");
        Ok(None)
    }

    /// Leaves so many bytes free.
    pub fn fill(&self, left: u64) -> Result<()> {
        let filler = File::create(self.filler())?;
        // Whoever lives on the volume may write between the look and the taking.
        let mut attempts = 0..100;
        loop {
            let facts = statvfs(&self.0)?;
            let taken = (facts.f_bavail * facts.f_frsize).saturating_sub(left);
            if taken == 0 {
                return Ok(());
            }
            match fallocate(&filler, FallocateFlags::empty(), 0, taken) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::NOSPC) if attempts.next().is_some() => (),
                Err(error) => return Err(error).context("failed to fill up"),
            }
        }
    }

    /// Gives the room back.
    pub fn clear(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("failed to give room back")
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
