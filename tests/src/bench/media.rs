//! Uploads as a busy server has them: files that no compression makes smaller, where Synapse keeps its media.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::chown;
use std::path::Path;

use anyhow::{Context, Result};

use crate::pod::WORKLOAD_ID;

const KIB: u64 = 1024;

/// Files made so far.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// Their bytes.
    pub(super) bytes: u64,
    /// Their number.
    pub(super) files: u64,
}

impl Filling {
    /// Adds files below a data directory until there are this many bytes.
    pub(super) fn reach(&mut self, data: &Path, total: u64) -> Result<()> {
        let top = data.join("media");
        let mut noise = File::open("/dev/urandom")?;
        while self.bytes < total {
            // 256 KiB to 4 MiB, the same in every run, in no order.
            let size = (256 + (self.files * 2_654_435_761) % 3841) * KIB;
            let size = size.min(total - self.bytes);
            let name = format!(
                "{:02}/{:02}/{:020}",
                self.files % 100,
                self.files / 100,
                self.files
            );
            let path = top.join("local_content").join(name);
            write(&path, &mut noise, size)
                .with_context(|| format!("failed to write {}", path.display()))?;
            own(&top, &path)?;
            self.bytes += size;
            self.files += 1;
        }
        Ok(())
    }
}

fn write(path: &Path, noise: &mut File, size: u64) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = File::create(path)?;
    io::copy(&mut noise.take(size), &mut file)?;
    Ok(())
}

/// Makes a file and the directories above it Synapse's. An ordinary user's one uid is Synapse's already.
fn own(top: &Path, path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    for place in path.ancestors().take_while(|place| place.starts_with(top)) {
        chown(place, Some(WORKLOAD_ID), Some(WORKLOAD_ID))?;
    }
    Ok(())
}
