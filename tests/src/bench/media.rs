//! Uploads as a busy server has them: files that no compression makes smaller, where Synapse keeps its media.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::chown;
use std::path::Path;

use anyhow::{Context, Result};

use crate::pod::WORKLOAD_ID;

const KIB: u64 = 1024;

/// The small versions that Synapse makes of a picture by default, and how large each is here, in KiB.
const THUMBNAILS: [(&str, u64); 5] = [
    ("32-32-image-jpeg-crop", 2),
    ("96-96-image-jpeg-crop", 5),
    ("320-240-image-jpeg-scale", 18),
    ("640-480-image-jpeg-scale", 48),
    ("800-600-image-jpeg-scale", 64),
];

/// Files made so far.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// Their bytes.
    pub(super) bytes: u64,
    /// Their number.
    pub(super) files: u64,
    uploads: u64,
    pictures: bool,
}

impl Filling {
    /// None yet; all will be pictures of 256 KiB to 1 MiB, each with its thumbnails.
    pub(super) fn of_pictures() -> Self {
        Self {
            pictures: true,
            ..Self::default()
        }
    }

    /// Adds files below a data directory until there are this many bytes.
    pub(super) fn reach(&mut self, data: &Path, total: u64) -> Result<()> {
        let top = data.join("media");
        let mut noise = File::open("/dev/urandom")?;
        while self.bytes < total {
            // From 256 KiB to 1 MiB or 4 MiB, the same in every run, in no order.
            let steps = if self.pictures { 769 } else { 3841 };
            let size = (256 + (self.uploads * 2_654_435_761) % steps) * KIB;
            let (first, second) = (self.uploads % 100, self.uploads / 100);
            let place = format!("{first:02}/{second:02}/{:020}", self.uploads);
            let content = top.join("local_content").join(&place);
            let thumbnails = top.join("local_thumbnails").join(&place);
            let mut files = vec![(content, size)];
            if self.pictures {
                let small = THUMBNAILS.map(|(name, size)| (thumbnails.join(name), size * KIB));
                files.extend(small);
            }
            for (path, size) in files {
                let size = size.min(total - self.bytes);
                if size == 0 {
                    break;
                }
                write(&path, &mut noise, size)
                    .with_context(|| format!("failed to write {}", path.display()))?;
                own(&top, &path)?;
                self.bytes += size;
                self.files += 1;
            }
            self.uploads += 1;
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
